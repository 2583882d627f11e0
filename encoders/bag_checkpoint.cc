// Saving and resuming the training of the bag encoder.
#include <spdlog/fmt/fmt.h>

#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "encoders/bag_trainer.h"
#include "encoders/options_text.h"

namespace dexter {
namespace {

constexpr std::uint32_t kCheckpointVersion = 1;

}  // namespace

// What a checkpoint must share with the run that resumes it: options, and the corpus as seen by
// training.
std::string BagTrainer::identity() const {
  OptionsWriter fields;
  LossOptions loss = loss_options_;
  visit(fields, loss);
  TrainerOptions options = options_;
  options.checkpoint_seconds = 0;  // free to differ
  visit(fields, options);
  if (teacher_ != nullptr) add_teacher(*teacher_, fields);
  std::uint64_t corpus = XXH3_64bits(model_.vocabulary.hashes().data(),
                                     model_.vocabulary.size() * sizeof(std::uint64_t));
  corpus = XXH3_64bits_withSeed(documents_.features.data(),
                                documents_.features.size() * sizeof(BagFeature), corpus);
  for (const auto& row : positives_)
    corpus = XXH3_64bits_withSeed(row.data(), row.size() * sizeof(std::uint32_t), corpus);
  return options_text(model_.options, model_.text_kind) + fields.text() +
         fmt::format("corpus={:016x}\n", corpus);
}

std::vector<std::pair<std::string, std::vector<float>*>> BagTrainer::tensors() {
  std::vector<std::pair<std::string, std::vector<float>*>> all;
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    BlockTrainer& trainer = blocks_[b];
    const auto add = [&](std::string_view name, std::vector<float>& values) {
      all.emplace_back(fmt::format("block{}_{}", b, name), &values);
    };
    const auto add_moments = [&](std::string_view name, BagSide& side) {
      for (std::size_t i = 0; std::vector<float> * values : side.layer_trainer().state())
        add(fmt::format("{}_moment{}", name, i++), *values);
    };
    add("table", trainer.block.table);
    add("free", trainer.block.free_vectors);
    add("document_w1", trainer.block.document_layer.w1);
    add("document_w2", trainer.block.document_layer.w2);
    add("label_w1", trainer.block.label_layer.w1);
    add("label_w2", trainer.block.label_layer.w2);
    add("table_moment", trainer.table_optimizer.second_moments());
    add("free_moment", trainer.free_optimizer.second_moments());
    if (mixture_) add("band_shares", trainer.band_shares);
    add_moments("document", trainer.document_side);
    add_moments("label", trainer.label_side);
  }
  return all;
}

void BagTrainer::save_checkpoint(const std::filesystem::path& file) {
  SectionFileWriter writer(file, "checkpoint", kCheckpointVersion);
  writer.add("identity", identity());
  writer.add("state", state_text(state_));
  for (const auto& [name, tensor] : tensors()) writer.add(name, std::as_bytes(std::span(*tensor)));
  writer.add("label_clusters", std::as_bytes(free_rows_->clusters()));
  writer.commit(file.parent_path());
}

void BagTrainer::load_checkpoint(const std::filesystem::path& file) {
  const SectionFileReader reader(file, "checkpoint", kCheckpointVersion);
  ensure(reader.text("identity") == identity(), ErrorKind::kIncompatible,
         "resuming a training: its checkpoint was made with other options or another corpus; "
         "give the same options, or train without --resume");
  const TrainingState state = read_state(reader.text("state"));
  for (const auto& [name, tensor] : tensors()) {
    const std::span<const std::byte> bytes = reader.section(name);
    ensure(bytes.size() == tensor->size() * sizeof(float), ErrorKind::kCorrupt,
           fmt::format(
               "resuming a training: section {} of the checkpoint has {} bytes where {} belong; "
               "train without --resume",
               name, bytes.size(), tensor->size() * sizeof(float)));
    std::memcpy(tensor->data(), bytes.data(), bytes.size());
  }
  const std::size_t clusters = reader.section("label_clusters").size() / sizeof(std::uint32_t);
  free_rows_->set_clusters(reader.values<std::uint32_t>("label_clusters", clusters));
  state_ = state;
}

}  // namespace dexter
