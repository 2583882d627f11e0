// Checks of options, and one training run from its start or checkpoint to the committed encoder.
#include "encoders/trainer.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>

#include "encoders/bag_trainer.h"
#include "encoders/option_range.h"
#include "encoders/training_run.h"

namespace dexter {
namespace {

void multiple_of_16(std::string_view key, int number) {
  ensure(number % 16 == 0, ErrorKind::kInvalidInput,
         fmt::format("{} is {}, but must be a multiple of 16", key, number));
}

}  // namespace

int EncoderOptions::block_count() const {
  constexpr int kLeastWidth = 256;
  if (blocks > 0) return blocks;
  int count = std::max(1, dim / kLeastWidth);
  while (dim % (16 * count) != 0 && count > 1) --count;
  return count;
}

void EncoderOptions::validate() const {
  bool known = false;
  for (const EncoderKind& row : encoder_kinds()) known |= row.name == kind;
  ensure(known, ErrorKind::kInvalidInput,
         fmt::format("encoder.kind is \"{}\", which this build does not have; choose \"bag\" or "
                     "\"transformer\"",
                     kind));
  ensure_in_range("encoder", "dim", dim, 16, 4096);
  multiple_of_16("encoder.dim", dim);
  ensure_in_range("encoder", "blocks", blocks, 0, 64);
  ensure(dim % (16 * block_count()) == 0, ErrorKind::kInvalidInput,
         fmt::format(
             "encoder.dim is {}, but must be a multiple of 16 in each of the {} encoder.blocks",
             dim, blocks));
  ensure_in_range("encoder", "hidden", hidden, 0, 4096);
  multiple_of_16("encoder.hidden", hidden);
  ensure_in_range("encoder", "ngram", ngram, 0, 16);
  ensure_in_range("encoder", "short_ngram", short_ngram, 0, 16);
  ensure_in_range("encoder", "pair_weight", pair_weight, 0.0, 100.0);
  ensure_in_range("encoder", "ngram_weight", ngram_weight, 0.0, 100.0);
  ensure_in_range("encoder", "min_count", min_count, 1, 1'000'000);
  ensure_in_range("encoder", "max_features", max_features, 1, 1 << 28);
}

void LossOptions::validate() const {
  make_loss(*this);
  ensure_in_range("loss", "temperature", temperature, 1e-3, 10.0);
  ensure_in_range("loss", "logit_adjustment", logit_adjustment, 0.0, 10.0);
  ensure_in_range("loss", "positives", positives, 0, 1 << 24);
  ensure(positives == 0 || name == "decoupled_softmax" || name == "in_batch",
         ErrorKind::kInvalidInput,
         fmt::format("loss.positives is {}, but loss.name is {}; choose decoupled_softmax or "
                     "in_batch, or leave it 0 for all positives",
                     positives, name));
  ensure_in_range("loss", "top_k", top_k, 0, 1 << 24);
  ensure_in_range("loss", "top_k_slope", top_k_slope, 1e-3, 100.0);
  ensure_in_range("loss", "threshold", threshold, -1.0, 1.0);
  ensure_in_range("loss", "focus", focus, 0.0, 10.0);
  ensure_in_range("loss", "correction", correction, 0.5, 1.0);
  ensure_in_range("loss", "margin", margin, 0.0, 2.0);
  ensure_in_range("loss", "margin_most", margin_most, margin, 2.0);
  ensure_in_range("loss", "hardest", hardest, 1, 1 << 24);
}

void TrainerOptions::validate() const {
  ensure_in_range("train", "epochs", epochs, 0, 10'000);
  ensure_in_range("train", "pretrain_epochs", pretrain_epochs, 0, 10'000);
  ensure_in_range("train", "batch", batch, 1, 1 << 16);
  ensure_in_range("train", "negatives", negatives, 0, 1 << 24);
  ensure_in_range("train", "hard_negatives", hard_negatives, 0, 1024);
  ensure(batches == "shuffled" || batches == "clustered", ErrorKind::kInvalidInput,
         fmt::format("train.batches is \"{}\", but must be shuffled or clustered", batches));
  ensure_in_range("train", "cluster", cluster, 2, 1 << 16);
  ensure(mixing == "as_is" || mixing == "aligned", ErrorKind::kInvalidInput,
         fmt::format("train.mixing is \"{}\", but must be as_is or aligned", mixing));
  ensure(mixing == "as_is" || batches == "shuffled", ErrorKind::kInvalidInput,
         "train.mixing is aligned and train.batches clustered, but either chooses a step's "
         "documents; choose one of them");
  ensure_in_range("train", "mixing_rate", mixing_rate, 0.0, 100.0);
  ensure_in_range("train", "mixing_steps", mixing_steps, 1, 1 << 20);
  ensure(
      free_cluster != 1, ErrorKind::kInvalidInput,
      "train.free_cluster is 1, but a cluster has at least 2 labels; set train.free_vectors=true "
      "for a vector per label, and 0 for no clusters");
  ensure_in_range("train", "free_cluster", free_cluster, 0, 1 << 16);
  ensure_in_range("train", "learning_rate", learning_rate, 0.0, 10.0);
  ensure_in_range("train", "network_learning_rate", network_learning_rate, 0.0, 10.0);
  ensure_in_range("train", "warmup", warmup, 0.0, 1.0);
  ensure_in_range("train", "feature_dropout", feature_dropout, 0.0, 0.95);
  ensure_in_range("train", "validation_fraction", validation_fraction, 0.0, 0.5);
  ensure_in_range("train", "validation_documents", validation_documents, 1, 1 << 30);
  ensure_in_range("train", "patience", patience, 0, 10'000);
  ensure_in_range("train", "checkpoint_seconds", checkpoint_seconds, 0.0, 1e9);
}

void validate(const LossOptions& loss, const TrainerOptions& options) {
  loss.validate();
  options.validate();
  ensure(options.hard_negatives == 0 || !make_loss(loss)->needs().batch_alone,
         ErrorKind::kInvalidInput,
         fmt::format("training: train.hard_negatives is {}, but the loss {} knows the batch's own "
                     "labels alone; set it to 0, or choose another loss",
                     options.hard_negatives, loss.name));
}

TrainReport train_encoder(const EncoderOptions& encoder, const LossOptions& loss,
                          const TrainerOptions& options, const TrainingSet& set,
                          const std::filesystem::path& root, const std::string& encoder_file,
                          const std::filesystem::path& checkpoint, bool resume,
                          const NeighbourSearch& neighbours,
                          const std::function<void(const EpochRecord&)>& on_epoch,
                          const Progress& progress, const Teacher* teacher) {
  using Clock = std::chrono::steady_clock;
  encoder.validate();
  dexter::validate(loss, options);
  const auto start = Clock::now();
  progress.update({.stage = "reading features", .done = 0, .total = set.train.size()});
  BagTrainer trainer(encoder, loss, options, set, neighbours, progress, teacher);
  const auto save = [&](const std::filesystem::path& folder, const std::string& name) {
    return trainer.model().save(folder, name);
  };
  TrainReport report = run_training(trainer, save, options, {root, encoder_file, checkpoint},
                                    resume, on_epoch, progress);
  report.encoder.kind = encoder.kind;
  report.encoder.dim = encoder.dim;
  report.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return report;
}

}  // namespace dexter
