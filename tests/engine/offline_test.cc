#include "engine/offline.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/history.h"
#include "engine/retrieval_engine.h"
#include "engine/training_corpus.h"
#include "tests/engine/tiny_store.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace dexter {
namespace {

using testing::expect_error;

TEST(ValidationPart, HoldsAboutTheAskedShare) {
  int held_out = 0;
  for (int i = 0; i < 10000; ++i) held_out += in_validation_part(std::to_string(i), 0.1);
  EXPECT_NEAR(held_out, 1000, 120);  // four standard deviations of a binomial share
}

TEST(ValidationPart, OfALargerShareHoldsTheSmaller) {
  for (int i = 0; i < 1000; ++i) {
    const std::string key = "document-" + std::to_string(i);
    EXPECT_FALSE(in_validation_part(key, 0));
    EXPECT_TRUE(in_validation_part(key, 1));
    EXPECT_LE(in_validation_part(key, 0.1), in_validation_part(key, 0.2)) << key;
  }
}

class Flow : public ::testing::Test {
 protected:
  Catalog write() const { return Catalog::open(store_, OpenMode::kWrite); }
  Manifest manifest() const { return Catalog::open(store_, OpenMode::kRead).manifest(); }

  testing::TempDir folder_;
  std::filesystem::path store_ = tiny::import_store(folder_.path());
};

TEST_F(Flow, SplitsTheTrainingDocumentsByTheirKeys) {
  const TrainingSet set = load_training_set(write(), 0.3, {});
  EXPECT_EQ(set.labels, tiny::labels());
  std::set<std::string> keys;
  for (const Example& example : set.train) {
    EXPECT_FALSE(in_validation_part(example.key, 0.3)) << example.key;
    keys.insert(example.key);
  }
  for (const Example& example : set.validation) {
    EXPECT_TRUE(in_validation_part(example.key, 0.3)) << example.key;
    keys.insert(example.key);
  }
  EXPECT_EQ(keys.size(), tiny::kTrainDocuments);
  EXPECT_FALSE(set.validation.empty());
}

// Without label 4, "weather", the labels above it move one row down; documents whose only label it
// was, two of them, are gone: "train-16" and "train-17".
TEST_F(Flow, NumbersTheLabelsThatExistByRows) {
  Catalog catalog = write();
  ASSERT_TRUE(catalog.remove_label("weather"));
  const TrainingSet set = load_training_set(catalog, 0, {});
  ASSERT_EQ(set.labels.size(), tiny::kLabels - 1);
  EXPECT_EQ(set.labels[4].key, "railways");
  EXPECT_EQ(set.train.size(), tiny::kTrainDocuments - 2);
  std::map<std::string, std::vector<LabelId>> rows;
  for (const Example& example : set.train) rows[example.key] = example.labels;
  EXPECT_FALSE(rows.contains("train-16"));
  EXPECT_FALSE(rows.contains("train-17"));
  EXPECT_EQ(rows["train-11"], (std::vector{LabelId{2}}));
  EXPECT_EQ(rows["train-18"], (std::vector{LabelId{4}}));
  EXPECT_EQ(rows["train-24"], (std::vector{LabelId{5}, LabelId{6}}));
}

TEST_F(Flow, SamplesValidationTextsInImportOrder) {
  std::vector<std::string> expected;
  for (const Example& example : tiny::train())
    if (in_validation_part(example.key, 0.5)) expected.push_back(example.text);
  ASSERT_GT(expected.size(), 4u);
  expected.resize(4);
  EXPECT_EQ(sample_validation_texts(write(), 0.5, 4), expected);
}

TEST_F(Flow, TrainingCommitsTheEncoderItsConfigurationAndItsHistory) {
  std::vector<int> epochs;
  const TrainReport report = [&] {
    Catalog catalog = write();
    return train(catalog, tiny::config(), false,
                 [&](const EpochRecord& epoch) { epochs.push_back(epoch.epoch); }, {});
  }();
  ASSERT_EQ(epochs.size(), 30u);
  EXPECT_EQ(epochs.back(), 30);
  const Catalog catalog = Catalog::open(store_, OpenMode::kRead);
  ASSERT_TRUE(catalog.manifest().trained);
  EXPECT_EQ(*catalog.manifest().trained, report.encoder);
  EXPECT_EQ(report.encoder.dim, 32);
  EXPECT_EQ(report.encoder.corpus, catalog.manifest().corpus->number);
  EXPECT_TRUE(std::filesystem::exists(store_ / report.encoder.file.name));
  EXPECT_FALSE(std::filesystem::exists(store_ / "train" / "checkpoint"));
  Config stored;
  merge_json(stored, catalog.manifest().config, "the store");
  EXPECT_EQ(to_json(stored), to_json(tiny::config()));
  const TrainReport history = training_history(catalog);
  ASSERT_EQ(history.history.size(), 30u);
  EXPECT_LT(history.history.back().loss, history.history.front().loss);
  EXPECT_EQ(history.encoder, report.encoder);
}

TEST_F(Flow, HistoryOfAnotherEncoderIsNotShown) {
  Catalog catalog = write();
  train(catalog, tiny::config(), false, {}, {});
  TrainReport other;
  other.encoder.fingerprint = "0000000000000000";
  other.history.resize(3);
  catalog.put_note("history", to_json(other));
  EXPECT_TRUE(training_history(catalog).history.empty());
}

TEST_F(Flow, AStoppedTrainingLeavesTheStoreAndResumesToTheSameEncoder) {
  Config config = tiny::config();
  config.train.checkpoint_seconds = 0;
  const Manifest before = manifest();
  std::stop_source stop;
  Progress progress;
  progress.stop = stop.get_token();
  const auto stop_after_ten = [&](const EpochRecord& epoch) {
    if (epoch.epoch == 10) stop.request_stop();
  };
  {
    Catalog catalog = write();
    expect_error(ErrorKind::kInterrupted,
                 [&] { train(catalog, config, false, stop_after_ten, progress); });
  }
  EXPECT_EQ(manifest(), before);
  TrainReport resumed;
  {
    Catalog catalog = write();
    resumed = train(catalog, config, /*resume=*/true, {}, {});
  }
  EXPECT_TRUE(resumed.resumed);
  const testing::TempDir other;
  const std::filesystem::path whole = tiny::import_store(other.path());
  Catalog catalog = Catalog::open(whole, OpenMode::kWrite);
  const TrainReport uninterrupted = train(catalog, config, false, {}, {});
  EXPECT_EQ(resumed.encoder.fingerprint, uninterrupted.encoder.fingerprint);
  EXPECT_EQ(resumed.history.size(), uninterrupted.history.size());
}

TEST_F(Flow, EveryKindOfIndexAnswersLikeTheExactOne) {
  {
    Catalog catalog = write();
    train(catalog, tiny::config(), false, {}, {});
  }
  std::vector<std::string> texts;
  for (const Example& example : tiny::test()) texts.push_back(example.text);
  std::vector<LabelRanking> exact;
  std::uint64_t generation = 0;
  for (const IndexKind& kind : index_kinds()) {
    SCOPED_TRACE(kind.name);
    Config config = tiny::config();
    config.index.kind = kind.name;
    config.index.recall = 1;
    IndexReport report;
    {
      Catalog catalog = write();
      report = build_generation(catalog, config, {});
    }
    EXPECT_EQ(report.generation.number, ++generation);
    EXPECT_EQ(report.generation.labels, tiny::kLabels);
    EXPECT_EQ(report.unanswerable_labels, 0u);
    EXPECT_EQ(report.index.size, tiny::kLabels);
    EXPECT_EQ(manifest().generation, report.generation);
    const std::vector<LabelRanking> found = RetrievalEngine::open(store_).rank(texts, 1);
    if (exact.empty()) exact = RetrievalEngine::open(store_).rank(texts, 1);
    for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(found[i][0].id, exact[i][0].id);
  }
}

TEST_F(Flow, IndexingKeepsTheOptionsOfTheTraining) {
  Catalog catalog = write();
  train(catalog, tiny::config(), false, {}, {});
  Config other;
  other.index.kind = "hnsw";
  other.runtime.threads = 2;
  build_generation(catalog, other, {});
  Config stored;
  merge_json(stored, catalog.manifest().config, "the store");
  Config expected = tiny::config();
  expected.index.kind = "hnsw";
  expected.runtime.threads = 2;
  EXPECT_EQ(to_json(stored), to_json(expected));
}

TEST_F(Flow, IndexingStoresTheVectorOfEveryLabel) {
  Catalog catalog = write();
  train(catalog, tiny::config(), false, {}, {});
  build_generation(catalog, tiny::config(), {});
  std::vector<std::int64_t> ids;
  catalog.scan_vectors(Space::kLabels, 5,
                       [&](std::span<const std::int64_t> chunk, EmbeddingView vectors) {
                         EXPECT_EQ(vectors.dim(), 32);
                         ids.insert(ids.end(), chunk.begin(), chunk.end());
                       });
  EXPECT_THAT(ids, ::testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
}

TEST_F(Flow, AStoppedIndexingLeavesTheOldGeneration) {
  Catalog catalog = write();
  train(catalog, tiny::config(), false, {}, {});
  build_generation(catalog, tiny::config(), {});
  const Manifest before = catalog.manifest();
  std::stop_source stop;
  Progress progress;
  progress.stop = stop.get_token();
  stop.request_stop();
  expect_error(ErrorKind::kInterrupted,
               [&] { build_generation(catalog, tiny::config(), progress); });
  EXPECT_EQ(catalog.manifest(), before);
  EXPECT_EQ(RetrievalEngine::open(store_).generation(), 1u);
}

TEST_F(Flow, IndexingNeedsAnEncoderOfThePresentCorpus) {
  Catalog catalog = write();
  expect_error(
      ErrorKind::kNotFound, [&] { build_generation(catalog, tiny::config(), {}); }, "dexter train");
}

TEST(OfflineFlow, TrainingNeedsACorpus) {
  const testing::TempDir folder;
  Catalog catalog = Catalog::open(folder / "store", OpenMode::kCreate);
  expect_error(
      ErrorKind::kNotFound, [&] { train(catalog, tiny::config(), false, {}, {}); },
      "dexter import");
}

TEST_F(Flow, BadOptionsAreRefusedBeforeAnythingIsDone) {
  Config config = tiny::config();
  config.runtime.threads = -1;
  Catalog catalog = write();
  expect_error(
      ErrorKind::kInvalidInput, [&] { train(catalog, config, false, {}, {}); }, "runtime.threads");
  EXPECT_FALSE(std::filesystem::exists(store_ / "train"));
}

TEST_F(Flow, AddedLabelsTakeTheirNameAndTextFromWhatTheyHave) {
  Catalog catalog = write();
  const std::vector<Label> labels = {{LabelId{}, "only a key", "", ""},
                                     {LabelId{}, "key", "a name", ""}};
  const std::vector<LabelId> ids = add_labels(catalog, labels);
  ASSERT_EQ(ids.size(), 2u);
  EXPECT_EQ(catalog.find_label(ids[0]), (Label{ids[0], "only a key", "only a key", "only a key"}));
  EXPECT_EQ(catalog.find_label(ids[1]), (Label{ids[1], "key", "a name", "a name"}));
  EXPECT_TRUE(add_labels(catalog, {}).empty());
}

TEST_F(Flow, LabelsAreAddedAllOrNone) {
  Catalog catalog = write();
  train(catalog, tiny::config(), false, {}, {});
  build_generation(catalog, tiny::config(), {});
  const auto refused = [&](const Label& bad, const std::string& part) {
    const std::vector<Label> labels = {{LabelId{}, "good", "good", "cats and dogs"}, bad};
    expect_error(
        ErrorKind::kInvalidInput, [&] { add_labels(catalog, labels); }, part);
    EXPECT_FALSE(catalog.find_label("good"));
    EXPECT_TRUE(catalog.label_changes().empty());
  };
  refused({LabelId{}, "blank", "blank", " \t"}, "'blank'");
  refused({LabelId{}, "latin", "latin", "caf\xe9"}, "UTF-8");
  refused({LabelId{}, "good", "good", "twice"}, "twice");
  refused({LabelId{}, "", "no key", "cats and dogs"}, "key");
}

}  // namespace
}  // namespace dexter
