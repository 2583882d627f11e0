// Whole trainings of the tiny corpus: learning, repeatability, resuming, stopping and refusals.
#include "encoders/trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <stop_token>
#include <utility>

#include "tests/encoders/tiny_training.h"
#include "tests/support/expect_error.h"

namespace dexter {
namespace {

using testing::expect_error;
using testing::precision_at_1;
using testing::read_bytes;
using testing::TempDir;
using testing::TinyTraining;

// Trains, and returns the training texts' P@1 by the committed encoder.
double learnt(const TinyTraining& training) {
  const TempDir folder;
  const TrainReport report = training.run(folder.path());
  EXPECT_LT(report.history.back().loss, report.history.front().loss);
  const auto encoder = load_encoder(folder.path(), report.encoder.file);
  return precision_at_1(*encoder, training.set.labels, training.set.train);
}

std::string fingerprint(const TinyTraining& training) {
  const TempDir folder;
  return training.run(folder.path()).encoder.fingerprint;
}

TEST(Trainer, EveryLossLearnsTheTrainingTexts) {
  for (const LossKind& row : loss_kinds()) {
    TinyTraining training;
    training.loss.name = row.name;
    EXPECT_GE(learnt(training), 95) << row.name;
  }
}

// The rarest label against the most frequent one, by their mean cosines with all texts.
TEST(Trainer, LogitAdjustmentLeansToRareLabels) {
  const auto lean = [](double adjustment) {
    TinyTraining training;
    training.loss.logit_adjustment = adjustment;
    training.loss.temperature = 1;  // at which the texts are not learnt by heart
    std::map<LabelId, int> documents;
    for (const Example& example : training.set.train)
      for (const LabelId label : example.labels) ++documents[label];
    const auto by_count = [](const auto& a, const auto& b) { return a.second < b.second; };
    const auto [rare, frequent] = std::minmax_element(documents.begin(), documents.end(), by_count);
    EXPECT_GT(frequent->second, rare->second);

    const TempDir folder;
    const auto encoder = load_encoder(folder.path(), training.run(folder.path()).encoder.file);
    const EmbeddingMatrix labels = encoder->encode_labels(training.set.labels);
    double sum = 0;
    for (const Example& example : training.set.train) {
      const EmbeddingMatrix text = encoder->encode(std::vector<std::string>{example.text});
      for (std::size_t row = 0; row < labels.rows(); ++row) {
        if (training.set.labels[row].id == rare->first)
          sum += testing::dot(text.row(0), labels.row(row));
        if (training.set.labels[row].id == frequent->first)
          sum -= testing::dot(text.row(0), labels.row(row));
      }
    }
    return sum / static_cast<double>(training.set.train.size());
  };
  EXPECT_GT(lean(3), lean(0) + 0.02);
}

TEST(Trainer, LearnsWithEveryWayOfChoosingNegatives) {
  for (const auto& [negatives, hard] : {std::pair{0, 0}, {4, 0}, {2, 2}, {2, 1000}, {1000, 2}}) {
    TinyTraining training;
    training.options.negatives = negatives;
    training.options.hard_negatives = hard;
    training.neighbours = testing::brute_force_neighbours;
    EXPECT_GE(learnt(training), 95) << negatives << " sampled, " << hard << " hard";
  }
}

TEST(Trainer, LearnsFromClusteredBatches) {
  for (const char* loss : {"decoupled_softmax", "in_batch", "triplet"}) {
    TinyTraining training;
    training.loss.name = loss;
    training.options.batches = "clustered";
    training.options.cluster = 4;
    EXPECT_GE(learnt(training), 95) << loss;
  }
}

TEST(Trainer, LearnsWithEveryPartOfTheEncoderLeftOut) {
  const std::function<void(TinyTraining&)> changes[] = {
      [](TinyTraining& t) { t.encoder.hidden = 0; },
      [](TinyTraining& t) { t.encoder.pairs = false; },
      [](TinyTraining& t) { t.encoder.ngram = 0; },
      [](TinyTraining& t) { t.options.free_vectors = false; },
      [](TinyTraining& t) { t.options.label_documents = false; },
      [](TinyTraining& t) { t.options.feature_dropout = 0.3; },
      [](TinyTraining& t) {
        t.options.batch = 1000;
        t.options.epochs = 30;
      },
  };
  for (const auto& change : changes) {
    TinyTraining training;
    change(training);
    EXPECT_GE(learnt(training), 90) << &change - changes;
  }
}

TEST(Trainer, LearnsASparseCorpusWhoseLabelsHaveNoText) {
  TinyTraining training;
  training.set = testing::sparse_set();
  training.options.epochs = 15;
  EXPECT_GE(learnt(training), 95);
}

TEST(Trainer, RepeatsBitForBitFromOneSeed) {
  for (const double dropout : {0.0, 0.2}) {
    TinyTraining training;
    training.options.negatives = 3;
    training.options.feature_dropout = dropout;
    const std::string first = fingerprint(training);
    EXPECT_EQ(fingerprint(training), first);
    training.options.seed = 2;
    EXPECT_NE(fingerprint(training), first);
  }
}

TEST(Trainer, EveryOptionOfTrainingChangesTheResult) {
  const std::string usual = fingerprint(TinyTraining());
  const std::function<void(TinyTraining&)> changes[] = {
      [](TinyTraining& t) { t.options.batch = 7; },
      [](TinyTraining& t) { t.options.negatives = 2; },
      [](TinyTraining& t) { t.options.batches = "clustered"; },
      [](TinyTraining& t) { t.options.learning_rate *= 1.5; },
      [](TinyTraining& t) { t.options.network_learning_rate *= 1.5; },
      [](TinyTraining& t) { t.options.warmup = 0.5; },
      [](TinyTraining& t) { t.options.feature_dropout = 0.1; },
      [](TinyTraining& t) { t.options.label_documents = !t.options.label_documents; },
      [](TinyTraining& t) { t.options.free_vectors = !t.options.free_vectors; },
      [](TinyTraining& t) { t.options.free_cluster = 4; },
      [](TinyTraining& t) { t.loss.temperature *= 1.5; },
  };
  for (const auto& change : changes) {
    TinyTraining training;
    change(training);
    EXPECT_NE(fingerprint(training), usual) << &change - changes;
  }
}

TEST(Trainer, ReportsEveryEpochAndWhatItWrote) {
  const TempDir folder;
  TinyTraining training;
  std::vector<int> seen;
  training.options.epochs = 3;
  training.set.validation = tiny::test();
  training.on_epoch = [&](const EpochRecord& record) { seen.push_back(record.epoch); };
  const TrainReport report = training.run(folder.path(), "first");
  EXPECT_EQ(seen, (std::vector<int>{1, 2, 3}));
  ASSERT_EQ(report.history.size(), 3u);
  for (const EpochRecord& record : report.history) {
    EXPECT_GE(record.validation_p1, record.validation_p5);
    EXPECT_GT(record.documents_per_second, 0);
    EXPECT_GT(record.resident_bytes, 1u << 20);
  }
  EXPECT_EQ(report.history.back().learning_rate, 0);  // falls to 0 at the end
  EXPECT_EQ(report.encoder.kind, "bag");
  EXPECT_EQ(report.encoder.dim, 16);
  EXPECT_EQ(report.encoder.file.name, "first");
  EXPECT_EQ(report.encoder.file.bytes, std::filesystem::file_size(folder / "first"));
  EXPECT_FALSE(report.resumed);
  EXPECT_FALSE(report.stopped_early);
}

// Stops in the middle of epoch `epoch`, leaving the checkpoint of the epoch before.
void interrupt(TinyTraining training, const TempDir& folder, int epoch) {
  std::stop_source stop;
  training.progress.stop = stop.get_token();
  const std::string stage = "epoch " + std::to_string(epoch) + "/";
  training.progress.report = [&](const ProgressEvent& event) {
    if (event.stage.starts_with(stage) && event.done >= 16) stop.request_stop();
  };
  expect_error(
      ErrorKind::kInterrupted, [&] { training.run(folder.path()); }, "training");
}

TEST(Trainer, ResumedEndsWhereTheUninterruptedRunDoes) {
  TinyTraining training;
  training.options.epochs = 5;
  training.options.patience = 5;
  training.options.negatives = 3;
  training.options.feature_dropout = 0.1;
  training.options.hard_negatives = 2;
  training.neighbours = testing::brute_force_neighbours;
  training.set.validation = tiny::test();
  const TempDir whole, cut;
  training.checkpoint = whole / "checkpoint";
  const TrainReport uninterrupted = training.run(whole.path());
  training.checkpoint = cut / "checkpoint";
  interrupt(training, cut, 3);
  EXPECT_FALSE(std::filesystem::exists(cut / "encoder"));
  std::vector<int> seen;
  training.on_epoch = [&](const EpochRecord& record) { seen.push_back(record.epoch); };
  const TrainReport resumed = training.run(cut.path(), "encoder", true);
  EXPECT_EQ(seen, (std::vector<int>{3, 4, 5}));
  EXPECT_TRUE(resumed.resumed);
  EXPECT_EQ(resumed.best_epoch, uninterrupted.best_epoch);
  ASSERT_EQ(resumed.history.size(), 5u);
  for (std::size_t i = 0; i < 5; ++i)
    EXPECT_EQ(resumed.history[i].loss, uninterrupted.history[i].loss) << i;
  EXPECT_EQ(read_bytes(cut / "encoder"), read_bytes(whole / "encoder"));
}

TEST(Trainer, RefusesToResumeWithOtherOptionsOrAnotherCorpus) {
  const std::function<void(TinyTraining&)> changes[] = {
      [](TinyTraining& t) { t.encoder.dim = 32; },
      [](TinyTraining& t) { t.loss.temperature = 0.1; },
      [](TinyTraining& t) { t.options.learning_rate = 0.02; },
      [](TinyTraining& t) { t.options.epochs += 1; },
      [](TinyTraining& t) { t.options.seed = 9; },
      [](TinyTraining& t) { t.set.train.pop_back(); },
      [](TinyTraining& t) { t.set.train[0].labels = {LabelId{1}}; },
  };
  const TempDir folder;
  TinyTraining training;
  training.checkpoint = folder / "checkpoint";
  interrupt(training, folder, 2);
  for (const auto& change : changes) {
    TinyTraining other = training;
    change(other);
    expect_error(
        ErrorKind::kIncompatible, [&] { other.run(folder.path(), "encoder", true); }, "resum",
        "other options or another corpus", "--resume");
  }
  training.options.checkpoint_seconds = 60;  // does not change what is learnt
  EXPECT_TRUE(training.run(folder.path(), "encoder", true).resumed);
}

TEST(Trainer, ResumingNamesAMissingOrDamagedCheckpoint) {
  const TempDir folder;
  TinyTraining training;
  training.checkpoint = folder / "checkpoint";
  const auto resume = [&] { training.run(folder.path(), "encoder", true); };
  expect_error(ErrorKind::kNotFound, resume, "checkpoint");
  interrupt(training, folder, 2);
  testing::flip_byte(folder / "checkpoint", std::filesystem::file_size(folder / "checkpoint") / 2);
  expect_error(ErrorKind::kCorrupt, resume, "checkpoint");
}

// Validated by the training texts with all labels but their own, the encoder gets worse with every
// epoch that it learns.
TinyTraining worsening_training() {
  TinyTraining training;
  training.options.warmup = 1;  // the first epoch hardly moves the random start
  training.set = testing::sparse_set();
  training.set.validation = training.set.train;
  for (Example& example : training.set.validation) {
    const std::vector<LabelId> own = std::exchange(example.labels, {});
    for (const Label& label : training.set.labels)
      if (std::find(own.begin(), own.end(), label.id) == own.end())
        example.labels.push_back(label.id);
  }
  return training;
}

TEST(Trainer, StopsEarlyAndKeepsTheBestEpochsEncoder) {
  TinyTraining training = worsening_training();
  training.options.epochs = 40;
  training.options.patience = 6;
  const TempDir folder;
  training.checkpoint = folder / "checkpoint";
  const TrainReport report = training.run(folder.path());
  ASSERT_TRUE(report.stopped_early);
  ASSERT_EQ(report.history.size(), static_cast<std::size_t>(report.best_epoch) + 6);
  const EpochRecord& best = report.history[static_cast<std::size_t>(report.best_epoch) - 1];
  for (const EpochRecord& record : report.history)
    EXPECT_LE(record.validation_p1, best.validation_p1);
  ASSERT_LT(report.history.back().validation_p1, best.validation_p1 - 30);

  const auto encoder = load_encoder(folder.path(), report.encoder.file);
  EXPECT_NEAR(precision_at_1(*encoder, training.set.labels, training.set.validation),
              best.validation_p1, 4);  // half precision may turn one document
  EXPECT_FALSE(std::filesystem::exists(folder / "checkpoint.best"));
}

TEST(Trainer, KeepsAndReportsTheLastEpochWhereItNeverStops) {
  TinyTraining training = worsening_training();
  training.options.epochs = 12;
  training.options.patience = 0;
  const TempDir folder;
  training.checkpoint = folder / "checkpoint";
  const TrainReport report = training.run(folder.path());
  EXPECT_EQ(report.history.size(), 12u);
  EXPECT_EQ(report.best_epoch, 12);
  double best = 0;
  for (const EpochRecord& record : report.history) best = std::max(best, record.validation_p1);
  ASSERT_LT(report.history.back().validation_p1, best - 20);
  const auto encoder = load_encoder(folder.path(), report.encoder.file);
  EXPECT_NEAR(precision_at_1(*encoder, training.set.labels, training.set.validation),
              report.history.back().validation_p1, 4);  // half precision may turn one document
}

TEST(Trainer, PatienceZeroNeverStops) {
  TinyTraining training;
  training.options.epochs = 12;
  training.options.patience = 0;
  training.options.learning_rate = 0;
  training.options.network_learning_rate = 0;
  training.set.validation = tiny::test();
  const TempDir folder;
  const TrainReport report = training.run(folder.path());
  EXPECT_EQ(report.history.size(), 12u);
  EXPECT_FALSE(report.stopped_early);
}

TEST(Trainer, LeavesOutDocumentsWithoutLabels) {
  TinyTraining training;
  for (Example& example : training.set.train)
    if (example.labels.front() != LabelId{0}) example.labels.clear();
  const TempDir folder;
  training.run(folder.path());
  for (Example& example : training.set.train) example.labels.clear();
  expect_error(
      ErrorKind::kInvalidInput, [&] { training.run(folder.path()); }, "32",
      "import documents with labels");
}

TEST(Trainer, TakesOneDocumentOfOneLabel) {
  TinyTraining training;
  training.set.labels.resize(1);
  training.set.train.resize(1);
  training.set.validation = training.set.train;
  training.options.hard_negatives = 3;
  training.neighbours = testing::brute_force_neighbours;
  const TempDir folder;
  const TrainReport report = training.run(folder.path());
  EXPECT_EQ(report.history.front().loss, 0);  // there is nothing to be told from
  EXPECT_EQ(report.history.front().validation_p1, 100);
  EXPECT_EQ(report.history.front().validation_p5, 20);
}

TEST(Trainer, ALearningRateThatExplodesIsExplainedOrStaysFinite) {
  TinyTraining training;
  training.options.learning_rate = 10;
  training.options.network_learning_rate = 10;
  training.loss.temperature = 1e-3;
  const TempDir folder;
  try {
    const TrainReport report = training.run(folder.path());
    for (const EpochRecord& record : report.history) EXPECT_TRUE(std::isfinite(record.loss));
    const auto encoder = load_encoder(folder.path(), report.encoder.file);
    const EmbeddingMatrix rows = encoder->encode_labels(training.set.labels);
    for (std::size_t i = 0; i < rows.rows(); ++i)
      for (const float value : rows.row(i)) ASSERT_TRUE(std::isfinite(value));
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInvalidInput);
    EXPECT_THAT(error.what(), ::testing::HasSubstr("lower train.learning_rate"));
  }
}

TEST(TrainerOptions, NameTheKeyItsValueAndItsRange) {
  const auto refused = [](auto options, const auto& change, auto... parts) {
    options.validate();
    change(options);
    expect_error(
        ErrorKind::kInvalidInput, [&] { options.validate(); }, parts...);
  };
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  using Encoder = EncoderOptions;
  using Train = TrainerOptions;
  refused(
      Encoder(), [](auto& o) { o.kind = "bert"; }, "encoder.kind", "bert", "bag");
  refused(
      Encoder(), [](auto& o) { o.dim = 0; }, "encoder.dim is 0", "16 to 4096");
  refused(
      Encoder(), [](auto& o) { o.dim = 100; }, "encoder.dim is 100", "multiple of 16");
  refused(
      Encoder(), [](auto& o) { o.blocks = 5; }, "encoder.dim is 768",
      "each of the 5 encoder.blocks");
  refused(
      Encoder(), [](auto& o) { o.hidden = 8; }, "encoder.hidden is 8", "multiple of 16");
  refused(
      Encoder(), [](auto& o) { o.ngram = -1; }, "encoder.ngram is -1", "0 to 16");
  refused(
      Encoder(), [](auto& o) { o.pair_weight = -1; }, "encoder.pair_weight is -1", "0 to 100");
  refused(
      Encoder(), [](auto& o) { o.ngram_weight = 101; }, "encoder.ngram_weight is 101", "0 to 100");
  refused(
      Encoder(), [](auto& o) { o.min_count = 0; }, "encoder.min_count is 0", "1 to");
  refused(
      Encoder(), [](auto& o) { o.max_features = 0; }, "encoder.max_features is 0", "1 to");
  refused(
      LossOptions(), [](auto& o) { o.name = "hinge"; }, "loss.name", "hinge", "softmax");
  refused(
      LossOptions(), [](auto& o) { o.temperature = 0; }, "loss.temperature is 0", "0.001 to");
  refused(
      LossOptions(), [&](auto& o) { o.temperature = kNaN; }, "loss.temperature is nan");
  refused(
      LossOptions(), [](auto& o) { o.logit_adjustment = -1; }, "loss.logit_adjustment is -1",
      "0 to 10");
  refused(
      LossOptions(), [](auto& o) { o.top_k = -1; }, "loss.top_k is -1", "0 to");
  refused(
      LossOptions(), [](auto& o) { o.top_k_slope = 0; }, "loss.top_k_slope is 0", "0.001 to 100");
  refused(
      LossOptions(), [](auto& o) { o.threshold = 2; }, "loss.threshold is 2", "-1 to 1");
  refused(
      LossOptions(), [](auto& o) { o.focus = -1; }, "loss.focus is -1", "0 to 10");
  refused(
      LossOptions(), [](auto& o) { o.correction = 0; }, "loss.correction is 0", "0.5 to 1");
  refused(
      LossOptions(), [](auto& o) { o.margin = 3; }, "loss.margin is 3", "0 to 2");
  refused(
      LossOptions(), [](auto& o) { o.margin_most = 0.05; }, "loss.margin_most is 0.05", "0.1 to 2");
  refused(
      LossOptions(), [](auto& o) { o.hardest = 0; }, "loss.hardest is 0", "1 to");
  refused(
      Train(), [](auto& o) { o.epochs = -1; }, "train.epochs is -1", "0 to 10000");
  refused(
      Train(), [](auto& o) { o.batch = 0; }, "train.batch is 0", "1 to 65536");
  refused(
      Train(), [](auto& o) { o.negatives = -1; }, "train.negatives is -1", "0 to");
  refused(
      Train(), [](auto& o) { o.hard_negatives = 9999; }, "train.hard_negatives is 9999",
      "0 to 1024");
  refused(
      Train(), [](auto& o) { o.batches = "sorted"; }, "train.batches", "sorted", "clustered");
  refused(
      Train(), [](auto& o) { o.cluster = 1; }, "train.cluster is 1", "2 to");
  refused(
      Train(), [](auto& o) { o.learning_rate = 11; }, "train.learning_rate is 11", "0 to 10");
  refused(
      Train(), [&](auto& o) { o.learning_rate = kNaN; }, "train.learning_rate is nan");
  refused(
      Train(), [](auto& o) { o.network_learning_rate = -1; }, "train.network_learning_rate is -1",
      "0 to 10");
  refused(
      Train(), [](auto& o) { o.warmup = 1.5; }, "train.warmup is 1.5", "0 to 1");
  refused(
      Train(), [](auto& o) { o.feature_dropout = 1; }, "train.feature_dropout is 1", "0.95");
  refused(
      Train(), [](auto& o) { o.validation_fraction = 0.6; }, "train.validation_fraction is 0.6",
      "0 to 0.5");
  refused(
      Train(), [](auto& o) { o.validation_documents = 0; }, "train.validation_documents is 0",
      "1 to");
  refused(
      Train(), [](auto& o) { o.patience = -1; }, "train.patience is -1", "0 to");
  refused(
      Train(), [](auto& o) { o.checkpoint_seconds = -1; }, "train.checkpoint_seconds is -1",
      "0 to");
}

TEST(Trainer, RefusesHardNegativesForALossThatKnowsTheBatchAlone) {
  TinyTraining training;
  training.loss.name = "in_batch";
  training.options.hard_negatives = 2;
  const TempDir folder;
  expect_error(
      ErrorKind::kInvalidInput, [&] { training.run(folder.path()); }, "train.hard_negatives is 2",
      "in_batch", "set it to 0");
}

TEST(Trainer, ChecksItsOptionsBeforeAnythingElse) {
  TinyTraining training;
  training.set.train.clear();
  training.options.batch = 0;
  const TempDir folder;
  expect_error(
      ErrorKind::kInvalidInput, [&] { training.run(folder.path()); }, "train.batch");
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(EncoderOptions, WithoutBlocksTakeOnePerTwoHundredAndFiftySixDimensions) {
  const auto blocks = [](int dim) { return EncoderOptions{.dim = dim}.block_count(); };
  EXPECT_EQ(blocks(16), 1);
  EXPECT_EQ(blocks(256), 1);
  EXPECT_EQ(blocks(384), 1);
  EXPECT_EQ(blocks(528), 1);  // 33 times 16 cannot be halved
  EXPECT_EQ(blocks(768), 3);
  EXPECT_EQ((EncoderOptions{.dim = 768, .blocks = 6}.block_count()), 6);
}

}  // namespace
}  // namespace dexter
