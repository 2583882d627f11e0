#include "engine/retrieval_engine.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/engine/tiny_store.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace dexter {
namespace {

using ::testing::Contains;
using testing::expect_error;
using ::testing::Not;

std::vector<std::string> test_texts() {
  std::vector<std::string> texts;
  for (const Example& example : tiny::test()) texts.push_back(example.text);
  return texts;
}

std::vector<std::string> keys(const RetrievalEngine& engine, const std::string& text, int k) {
  const std::vector<LabelRanking> rankings = engine.rank(std::vector<std::string>{text}, k);
  std::vector<std::string> result;
  for (const Label& label : engine.labels(rankings.at(0))) result.push_back(label.key);
  return result;
}

float score_of(const RetrievalEngine& engine, const std::string& text, LabelId label) {
  const std::vector<LabelRanking> rankings = engine.rank(std::vector<std::string>{text}, 100);
  for (const ScoredLabel& answer : rankings.at(0))
    if (answer.id == label) return answer.score;
  throw std::out_of_range("the label is not among the answers");
}

class TinyEngine : public ::testing::Test {
 protected:
  RetrievalEngine open() const { return RetrievalEngine::open(store_); }
  void add(const Label& label) {
    Catalog catalog = Catalog::open(store_, OpenMode::kWrite);
    add_labels(catalog, std::vector<Label>{label});
  }
  void remove(const std::string& key) {
    Catalog catalog = Catalog::open(store_, OpenMode::kWrite);
    ASSERT_TRUE(catalog.remove_label(key));
  }
  void rebuild() {
    Catalog catalog = Catalog::open(store_, OpenMode::kWrite);
    build_generation(catalog, tiny::config(), {});
  }

  testing::TempDir folder_;
  std::filesystem::path store_ = tiny::indexed_store(folder_.path());
};

// The words of every test document but the last occur in training documents of its labels.
TEST_F(TinyEngine, RanksTheLabelsOfTestDocumentsFirst) {
  const RetrievalEngine engine = open();
  const std::vector<Example> documents = tiny::test();
  const std::vector<LabelRanking> rankings = engine.rank(test_texts(), 3);
  ASSERT_EQ(rankings.size(), documents.size());
  for (std::size_t i = 0; i + 1 < documents.size(); ++i)
    EXPECT_THAT(documents[i].labels, Contains(rankings[i].at(0).id)) << documents[i].text;
}

TEST_F(TinyEngine, GivesCosinesInDescendingOrder) {
  const RetrievalEngine engine = open();
  for (const LabelRanking& ranking : engine.rank(test_texts(), 12)) {
    ASSERT_EQ(ranking.size(), 12u);
    for (std::size_t j = 0; j < ranking.size(); ++j) {
      EXPECT_LE(std::abs(ranking[j].score), 1.0001f);
      EXPECT_LE(ranking[j].score, ranking[j == 0 ? 0 : j - 1].score);
    }
  }
}

TEST_F(TinyEngine, GivesEveryLabelOnceWhereKIsLarge) {
  const RetrievalEngine engine = open();
  std::vector<std::string> found = keys(engine, "rain and snow", 100);
  std::sort(found.begin(), found.end());
  std::vector<std::string> all;
  for (const Label& label : tiny::labels()) all.push_back(label.key);
  std::sort(all.begin(), all.end());
  EXPECT_EQ(found, all);
}

TEST_F(TinyEngine, NamesLabelsInTheirOrder) {
  const RetrievalEngine engine = open();
  const LabelRanking ranking = {{LabelId{11}, 0.5f}, {LabelId{0}, 0.4f}};
  const std::vector<Label> labels = engine.labels(ranking);
  ASSERT_EQ(labels.size(), 2u);
  EXPECT_EQ(labels[0], tiny::labels()[11]);
  EXPECT_EQ(labels[1], tiny::labels()[0]);
  expect_error(ErrorKind::kCorrupt, [&] { engine.labels(LabelRanking{{LabelId{500}, 0.5f}}); });
}

TEST_F(TinyEngine, TellsWhatItAnswersFrom) {
  const RetrievalEngine engine = open();
  EXPECT_EQ(engine.label_count(), tiny::kLabels);
  EXPECT_EQ(engine.generation(), 1u);
  EXPECT_EQ(engine.index().kind, "flat");
  EXPECT_EQ(engine.index().size, tiny::kLabels);
  EXPECT_EQ(engine.catalog().manifest().corpus->train_documents, tiny::kTrainDocuments);
}

TEST_F(TinyEngine, AnswersNothingToATextWithoutFeatures) {
  const RetrievalEngine engine = open();
  const std::vector<LabelRanking> rankings =
      engine.rank(std::vector<std::string>{"", "heavy rain and snow", " "}, 3);
  ASSERT_EQ(rankings.size(), 3u);
  EXPECT_TRUE(rankings[0].empty());
  EXPECT_EQ(rankings[1].size(), 3u);
  EXPECT_TRUE(rankings[2].empty());
  EXPECT_TRUE(engine.rank(std::vector<std::string>{}, 3).empty());
}

TEST_F(TinyEngine, RefusesBadArguments) {
  const RetrievalEngine engine = open();
  expect_error(
      ErrorKind::kInvalidInput, [&] { engine.rank(test_texts(), 0); }, "k is 0");
  const EmbeddingMatrix other(1, 7);
  expect_error(
      ErrorKind::kInvalidInput, [&] { engine.rank(other.view(), 1); }, "7-d", "32-d");
}

TEST_F(TinyEngine, AnswersWithAnAddedLabelAtTheNextOpening) {
  const std::string question = "cats, dogs, horses and birds";
  EXPECT_THAT(keys(open(), question, 12), Not(Contains("pets")));
  add({LabelId{}, "pets", "Pets", "animals such as cats, dogs, horses and birds"});
  const RetrievalEngine engine = open();
  EXPECT_EQ(engine.label_count(), tiny::kLabels + 1);
  EXPECT_THAT(keys(engine, question, 2), Contains("pets"));
  const std::vector<LabelRanking> ranking = engine.rank(std::vector<std::string>{question}, 13);
  EXPECT_EQ(ranking[0].size(), 13u);
}

// The label takes the question's own words for its text, so that its score must rise.
TEST_F(TinyEngine, AnswersWithTheNewTextOfAReplacedLabel) {
  const std::string question = "medicine, doctors, hospitals and patients";
  const LabelId railways{5};
  const float before = score_of(open(), question, railways);
  add({LabelId{}, "railways", "Clinics", question});
  const RetrievalEngine engine = open();
  EXPECT_EQ(engine.label_count(), tiny::kLabels);
  EXPECT_GT(score_of(engine, question, railways), before + 0.1f);
  EXPECT_THAT(keys(engine, question, 2), Contains("railways"));
  EXPECT_EQ(engine.labels({{railways, 1.0f}}).at(0).name, "Clinics");
}

TEST_F(TinyEngine, NeverAnswersWithARemovedLabel) {
  const std::string question = "rain, snow, wind and storms";
  EXPECT_EQ(keys(open(), question, 1).at(0), "weather");
  remove("weather");
  const RetrievalEngine engine = open();
  EXPECT_EQ(engine.label_count(), tiny::kLabels - 1);
  EXPECT_THAT(keys(engine, question, 100), Not(Contains("weather")));
  EXPECT_EQ(keys(engine, question, 100).size(), tiny::kLabels - 1);
}

// A new generation holds what the changes were, so that it must answer alike.
TEST_F(TinyEngine, AnswersAlikeBeforeAndAfterChangesAreIndexed) {
  add({LabelId{}, "pets", "Pets", "dogs and cats at home"});
  add({LabelId{}, "railways", "Clinics", "doctors and patients"});
  remove("weather");
  const RetrievalEngine changed = open();
  const std::vector<LabelRanking> before = changed.rank(test_texts(), 12);
  rebuild();
  const RetrievalEngine indexed = open();
  EXPECT_EQ(indexed.generation(), 2u);
  EXPECT_EQ(indexed.label_count(), changed.label_count());
  EXPECT_TRUE(indexed.catalog().label_changes().empty());
  const std::vector<LabelRanking> after = indexed.rank(test_texts(), 12);
  for (std::size_t i = 0; i < before.size(); ++i) {
    ASSERT_EQ(before[i].size(), after[i].size());
    for (std::size_t j = 0; j < before[i].size(); ++j) {
      EXPECT_EQ(before[i][j].id, after[i][j].id) << "document " << i << ", rank " << j;
      EXPECT_NEAR(before[i][j].score, after[i][j].score, 1e-5);
    }
  }
}

TEST_F(TinyEngine, AnswersAlikeFromManyThreads) {
  add({LabelId{}, "pets", "Pets", "dogs and cats at home"});
  remove("money");
  const RetrievalEngine engine = open();
  const std::vector<std::string> texts = test_texts();
  const std::vector<LabelRanking> expected = engine.rank(texts, 5);
  std::vector<int> differences(4);
  {
    std::vector<std::jthread> threads;
    for (int& count : differences)
      threads.emplace_back([&] {
        for (int round = 0; round < 20; ++round) {
          count += engine.rank(texts, 5) != expected;
          for (const LabelRanking& ranking : expected) count += engine.labels(ranking).size() != 5;
        }
      });
  }
  EXPECT_THAT(differences, ::testing::Each(0));
}

TEST_F(TinyEngine, KeepsAnsweringAsOpenedWhileTheStoreIsRewritten) {
  const RetrievalEngine engine = open();
  const std::vector<LabelRanking> expected = engine.rank(test_texts(), 12);
  add({LabelId{}, "pets", "Pets", "dogs and cats at home"});
  remove("weather");
  rebuild();
  EXPECT_EQ(engine.rank(test_texts(), 12), expected);
  EXPECT_EQ(engine.label_count(), tiny::kLabels);
  EXPECT_EQ(engine.generation(), 1u);
  EXPECT_EQ(engine.labels({{LabelId{4}, 1.0f}}).at(0).key, "weather");
}

TEST_F(TinyEngine, RefusesAnEncoderThatIsNotTheGenerations) {
  {
    Catalog catalog = Catalog::open(store_, OpenMode::kWrite);
    Manifest manifest = catalog.manifest();
    manifest.generation->encoder.fingerprint = "0000000000000000";
    catalog.commit(manifest);
  }
  expect_error(
      ErrorKind::kIncompatible, [&] { open(); }, "0000000000000000", "dexter index");
}

TEST_F(TinyEngine, RefusesDamagedFilesByName) {
  const Manifest manifest = Catalog::open(store_, OpenMode::kRead).manifest();
  for (const FileRef& file :
       {manifest.generation->label_index, manifest.generation->encoder.file}) {
    const std::uint64_t middle = file.bytes / 2;
    testing::flip_byte(store_ / file.name, middle);
    expect_error(
        ErrorKind::kCorrupt, [&] { open(); }, file.name);
    testing::flip_byte(store_ / file.name, middle);
  }
  EXPECT_EQ(open().label_count(), tiny::kLabels);
}

TEST(RetrievalEngine, SaysWhichCommandIsMissing) {
  const testing::TempDir folder;
  expect_error(
      ErrorKind::kNotFound, [&] { RetrievalEngine::open(folder / "store"); }, "dexter import");
  const std::filesystem::path store = tiny::import_store(folder.path());
  expect_error(
      ErrorKind::kNotFound, [&] { RetrievalEngine::open(store); }, "dexter train");
  {
    Catalog catalog = Catalog::open(store, OpenMode::kWrite);
    train(catalog, tiny::config(), false, {}, {});
  }
  expect_error(
      ErrorKind::kNotFound, [&] { RetrievalEngine::open(store); }, "run `dexter index`");
}

}  // namespace
}  // namespace dexter
