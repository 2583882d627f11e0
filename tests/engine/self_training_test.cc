// Texts without labels that an encoder labels where it is sure.
#include "engine/self_training.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "engine/history.h"
#include "engine/training_corpus.h"
#include "tests/engine/tiny_store.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace dexter {
namespace {

using testing::expect_error;

class SelfTraining : public ::testing::Test {
 protected:
  SelfTraining() {
    std::string lines;
    for (const Example& example : tiny::test()) lines += example.text + "\n";
    lines += "qqqq xxxx zzzz\n";  // nothing that the encoder knows
    testing::write_bytes(folder_ / "texts.txt", lines);
    options_.documents = (folder_ / "texts.txt").string();
    options_.neighbours = 0;
  }
  TrainingSet set() const {
    return load_training_set(Catalog::open(store_, OpenMode::kRead), 0.3, {});
  }
  PseudoLabelReport label(TrainingSet& set) const {
    const Catalog catalog = Catalog::open(store_, OpenMode::kRead);
    const auto encoder = load_encoder(catalog.path(), catalog.manifest().trained->file);
    return pseudo_label(*encoder, options_, 0.05, set, {});
  }

  testing::TempDir folder_;
  std::filesystem::path store_ = tiny::trained_store(folder_.path());
  SelfTrainingOptions options_;
};

TEST_F(SelfTraining, TakesTextsWithTheLabelsThatAreSure) {
  TrainingSet set = this->set();
  const PseudoLabelReport report = label(set);
  EXPECT_EQ(report.read, tiny::kTestDocuments + 1);
  EXPECT_GT(report.taken, tiny::kTestDocuments / 2);
  EXPECT_LE(report.taken, tiny::kTestDocuments);
  EXPECT_GT(report.precision, 70);
  ASSERT_EQ(set.guessed.size(), report.taken);
  std::map<std::string, std::vector<LabelId>> truth;
  for (const Example& example : tiny::test()) truth[example.text] = example.labels;
  std::uint64_t labels = 0, right = 0;
  for (const Example& taken : set.guessed) {
    ASSERT_TRUE(truth.contains(taken.text)) << taken.text;
    EXPECT_TRUE(std::ranges::is_sorted(taken.labels));
    labels += taken.labels.size();
    for (const LabelId label : taken.labels)
      right += std::ranges::count(truth[taken.text], label) > 0;
  }
  EXPECT_EQ(labels, report.labels);
  EXPECT_GE(static_cast<double>(right), 0.7 * static_cast<double>(labels));
}

TEST_F(SelfTraining, LeavesOutWhatIsDoubtful) {
  TrainingSet set = this->set();
  options_.confidence = 1;
  EXPECT_EQ(label(set).taken, 0u);
  options_.confidence = 0.5;
  const std::uint64_t alone = label(set).labels;
  // Neighbours may only take away, and no label is on every document.
  options_.neighbours = 3;
  options_.agreement = 0.3;
  set = this->set();
  const PseudoLabelReport some = label(set);
  EXPECT_LE(some.labels, alone);
  EXPECT_GT(some.labels, 0u);
  options_.neighbours = 1000;
  options_.agreement = 1;
  set = this->set();
  EXPECT_EQ(label(set).labels, 0u);
}

TEST_F(SelfTraining, IsAStageOfTraining) {
  Catalog catalog = Catalog::open(store_, OpenMode::kWrite);
  Config config = tiny::config();
  const TrainReport without = train(catalog, config, /*resume=*/false, {}, {});
  EXPECT_EQ(without.pseudo_labels.read, 0u);
  config.self_train = options_;
  const TrainReport with = train(catalog, config, /*resume=*/false, {}, {});
  EXPECT_EQ(with.pseudo_labels.read, tiny::kTestDocuments + 1);
  EXPECT_GT(with.pseudo_labels.taken, 0u);
  EXPECT_NE(with.encoder.fingerprint, without.encoder.fingerprint);
  config.train.pretrain_epochs = 2;
  const TrainReport before = train(catalog, config, /*resume=*/false, {}, {});
  ASSERT_EQ(before.history.size(), static_cast<std::size_t>(2 + config.train.epochs));
  EXPECT_TRUE(before.history[1].pretraining);
  EXPECT_FALSE(before.history[2].pretraining);
  EXPECT_NE(before.encoder.fingerprint, with.encoder.fingerprint);
  EXPECT_TRUE(training_history(catalog).history[1].pretraining);
}

TEST_F(SelfTraining, SaysWhatItLacks) {
  Config config = tiny::config();
  config.self_train.documents = (folder_ / "absent.txt").string();
  expect_error(
      ErrorKind::kNotFound,
      [&] {
        Catalog catalog = Catalog::open(store_, OpenMode::kWrite);
        train(catalog, config, false, {}, {});
      },
      "absent.txt");
  const auto train_refused = [&](const char* part) {
    expect_error(
        ErrorKind::kInvalidInput,
        [&] {
          Catalog catalog = Catalog::open(store_, OpenMode::kWrite);
          train(catalog, config, false, {}, {});
        },
        part);
  };
  config.train.pretrain_epochs = 1;
  config.self_train = options_;
  config.self_train.confidence = 1;
  train_refused("sure of no label");
  config.self_train = {};
  train_refused("train.pretrain_epochs is 1");
  config.train.pretrain_epochs = 0;
  const testing::TempDir folder;
  const std::filesystem::path untrained = tiny::import_store(folder.path());
  config.self_train = options_;
  expect_error(
      ErrorKind::kNotFound,
      [&] {
        Catalog catalog = Catalog::open(untrained, OpenMode::kWrite);
        train(catalog, config, false, {}, {});
      },
      "dexter train");
  TrainingSet sparse = set();
  sparse.text_kind = TextKind::kSparse;
  expect_error(
      ErrorKind::kInvalidInput, [&] { label(sparse); }, "self_train.documents");
  const auto refused = [](const SelfTrainingOptions& options, const char* part) {
    expect_error(
        ErrorKind::kInvalidInput, [&] { options.validate(); }, part);
  };
  refused({.confidence = 0}, "self_train.confidence is 0");
  refused({.neighbours = -1}, "self_train.neighbours is -1");
  refused({.agreement = 1.5}, "self_train.agreement is 1.5");
}

}  // namespace
}  // namespace dexter
