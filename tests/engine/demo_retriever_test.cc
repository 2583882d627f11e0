#include "engine/demo_retriever.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/engine/tiny_bank.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace dexter {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using testing::expect_error;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::TempDir;

using Texts = std::vector<std::string>;

Texts ids_of(const std::vector<FoundDemo>& found) {
  Texts ids;
  for (const FoundDemo& each : found) ids.push_back(each.demo->id);
  return ids;
}

Texts outputs_of(const std::vector<FoundDemo>& found) {
  Texts outputs;
  for (const FoundDemo& each : found) outputs.push_back(each.demo->output);
  return outputs;
}

// A bank of a few words, without an encoder.
class Untrained : public ::testing::Test {
 protected:
  DemoRetriever retriever_of(const std::vector<Demonstration>& demos) {
    return DemoRetriever::open(tiny::bank_store(folder_.path(), demos));
  }

  const TempDir folder_;
  const std::vector<Demonstration> demos_ = {{"a1", "a", "red cat", "x"},
                                             {"a2", "a", "red dog", "x"},
                                             {"a3", "a", "red red red bird", "y"},
                                             {"b1", "b", "red cat", "x"},
                                             {"b2", "b", "a blue whale sings", "z"}};
};

TEST_F(Untrained, AnswersByWordsWithoutTraining) {
  const DemoRetriever retriever = retriever_of(demos_);
  EXPECT_EQ(retriever.size(), 5u);
  EXPECT_FALSE(retriever.has_encoder());
  EXPECT_EQ(retriever.default_strategy(), "bm25");
  EXPECT_THAT(retriever.tasks(), ElementsAre("a", "b"));
  EXPECT_THAT(ids_of(retriever.retrieve({.text = "Cat!"})), ElementsAre("a1", "b1"));
  EXPECT_THAT(ids_of(retriever.retrieve({.text = "cat", .task = "b"})), ElementsAre("b1"));
  EXPECT_THAT(retriever.retrieve({.text = "nothing"}), IsEmpty());
}

TEST_F(Untrained, RefusesAStrategyThatNeedsAnEncoder) {
  const DemoRetriever retriever = retriever_of(demos_);
  for (const char* strategy : {"dense", "hybrid", "mmr", "dpp", "votek", "kmeans"})
    expect_error(
        ErrorKind::kInvalidInput,
        [&] { retriever.retrieve({.text = "cat", .strategy = strategy}); }, strategy, "no encoder",
        "dexter demos train", "bm25");
}

TEST_F(Untrained, RefusesWhatIsNotThere) {
  const DemoRetriever retriever = retriever_of(demos_);
  const auto refuses = [&](const DemoQuery& query, const auto&... parts) {
    expect_error(
        ErrorKind::kInvalidInput, [&] { retriever.retrieve(query); }, parts...);
  };
  refuses({.text = "cat", .task = "c"}, "'c'", "2 tasks");
  refuses({.text = "cat", .strategy = "bn25"}, "the nearest is 'bm25'");
  refuses({.text = "cat", .k = 0}, "k is 0");
  refuses({.text = "cat", .k = 4097}, "k is 4097", "4096");
  refuses({.text = "cat", .pool = 0}, "the pool 0");
}

// Nine of ten distinct words are shared where one of ten is added.
TEST_F(Untrained, LeavesOutTheQueryItselfAndItsNearDuplicates) {
  const DemoRetriever retriever = retriever_of({{"same", "t", "One two three, four", "x"},
                                                {"order", "t", "four three two one", "x"},
                                                {"part", "t", "one two", "x"}});
  DemoQuery query{.text = "one TWO three four!"};
  EXPECT_THAT(ids_of(retriever.retrieve(query)), ElementsAre("same", "order", "part"));
  query.exclude = Exclude::kSame;
  EXPECT_THAT(ids_of(retriever.retrieve(query)), ElementsAre("order", "part"));
  query.exclude = Exclude::kNear;
  EXPECT_THAT(ids_of(retriever.retrieve(query)), ElementsAre("part"));
  query.without = {"part", "absent"};
  EXPECT_THAT(retriever.retrieve(query), IsEmpty());
}

TEST_F(Untrained, CountsNineTenthsOfTheWordsAsNear) {
  const std::string nine = "a1 a2 a3 a4 a5 a6 a7 a8 a9";
  const DemoRetriever retriever =
      retriever_of({{"ten", "t", nine + " b", "x"}, {"eleven", "t", nine + " b c", "x"}});
  EXPECT_THAT(ids_of(retriever.retrieve({.text = nine, .exclude = Exclude::kNear})),
              ElementsAre("eleven"));
}

TEST_F(Untrained, LooksBeyondThePoolForWhatIsLeftOut) {
  std::vector<Demonstration> demos;
  for (int i = 0; i < 60; ++i)
    demos.push_back({.id = std::string("same-").append(std::to_string(i)),
                     .task = "t",
                     .input = "cat",
                     .output = "x"});
  demos.push_back({.id = "other", .task = "t", .input = "cat and very much else", .output = "x"});
  const DemoRetriever retriever = retriever_of(demos);
  EXPECT_THAT(
      ids_of(retriever.retrieve({.text = "cat", .k = 2, .pool = 3, .exclude = Exclude::kSame})),
      ElementsAre("other"));
}

TEST_F(Untrained, LetsOutputsTakeTurns) {
  const DemoRetriever retriever = retriever_of({{"1", "t", "cat", "x"},
                                                {"2", "t", "cat one", "x"},
                                                {"3", "t", "cat a b", "x"},
                                                {"4", "t", "cat a b c", "y"},
                                                {"5", "t", "cat a b c d", "y"}});
  EXPECT_THAT(ids_of(retriever.retrieve({.text = "cat", .k = 3})), ElementsAre("1", "2", "3"));
  EXPECT_THAT(ids_of(retriever.retrieve({.text = "cat", .k = 4, .balanced = true})),
              ElementsAre("1", "4", "2", "5"));
}

// Words with the output: 2, 6 and 3. Of 5 the second is passed over.
TEST_F(Untrained, KeepsABudgetOfWords) {
  const DemoRetriever retriever = retriever_of({{"1", "t", "cat", "x"},
                                                {"2", "t", "cat  one two three", "x y"},
                                                {"3", "t", "a cat b cat c d e f g", ""}});
  DemoQuery query{.text = "cat", .words = 11};
  EXPECT_THAT(ids_of(retriever.retrieve(query)), ElementsAre("1", "3"));
  query.words = 8;
  EXPECT_THAT(ids_of(retriever.retrieve(query)), ElementsAre("1", "2"));
  query.words = 1;
  EXPECT_THAT(retriever.retrieve(query), IsEmpty());
}

TEST_F(Untrained, GivesTheSoftmaxOfTheScores) {
  const DemoRetriever retriever = retriever_of(demos_);
  const auto found = retriever.retrieve({.text = "red", .task = "a"});
  ASSERT_EQ(found.size(), 3u);
  EXPECT_THAT(ids_of(found), ElementsAre("a3", "a1", "a2"));
  float sum = 0;
  for (const FoundDemo& each : found) sum += std::exp(each.score);
  for (const FoundDemo& each : found)
    EXPECT_NEAR(each.probability, std::exp(each.score) / sum, 1e-6);
}

TEST_F(Untrained, DrawsTheSameByChanceForTheSameSeedAndText) {
  const DemoRetriever retriever = retriever_of(tiny::demonstrations());
  DemoQuery query{.text = "a text", .task = "topic", .k = 5, .strategy = "random"};
  const Texts first = ids_of(retriever.retrieve(query));
  EXPECT_EQ(std::set<std::string>(first.begin(), first.end()).size(), 5u);
  EXPECT_THAT(first, Each(::testing::StartsWith("train-")));
  EXPECT_EQ(ids_of(retriever.retrieve(query)), first);
  query.options.seed = 2;
  EXPECT_NE(ids_of(retriever.retrieve(query)), first);
}

class Trained : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TempDir;
    const auto store = tiny::bank_store(folder_->path(), tiny::demonstrations());
    tiny::train_bank(store);
    retriever_ = new DemoRetriever(DemoRetriever::open(store));
  }
  static void TearDownTestSuite() {
    delete retriever_;
    delete folder_;
  }
  static std::vector<FoundDemo> retrieve(const DemoQuery& query) {
    return retriever_->retrieve(query);
  }

  static TempDir* folder_;
  static DemoRetriever* retriever_;
};
TempDir* Trained::folder_ = nullptr;
DemoRetriever* Trained::retriever_ = nullptr;

TEST_F(Trained, FindsDemonstrationsWithTheSameOutput) {
  EXPECT_EQ(retriever_->default_strategy(), "dense");
  EXPECT_THAT(outputs_of(retrieve({.text = "The players scored goals.", .task = "topic", .k = 2})),
              Each("football"));
  EXPECT_THAT(outputs_of(retrieve({.text = "When ?", .task = "question", .k = 2})), Each("time"));
}

TEST_F(Trained, FindsItselfFirstWithACosineOfOne) {
  const std::string text = tiny::demonstrations().front().input;
  const auto found = retrieve({.text = text, .k = 3});
  EXPECT_EQ(found[0].demo->input, text);
  EXPECT_NEAR(found[0].score, 1, 1e-5);
  EXPECT_GE(found[0].score, found[1].score);
  EXPECT_NE(retrieve({.text = text, .k = 3, .exclude = Exclude::kSame})[0].demo->input, text);
}

TEST_F(Trained, KeepsToTheTaskWhateverTheStrategy) {
  for (const DemoStrategy& strategy : demo_strategies()) {
    SCOPED_TRACE(strategy.name);
    const auto found = retrieve({.text = "Who plays the violin in a train ?",
                                 .task = "question",
                                 .k = 4,
                                 .strategy = std::string(strategy.name)});
    EXPECT_EQ(found.size(), 4u);
    float sum = 0;
    for (const FoundDemo& each : found) {
      EXPECT_EQ(each.demo->task, "question");
      sum += each.probability;
    }
    EXPECT_NEAR(sum, 1, 1e-5);
    EXPECT_EQ(
        std::set<const Demonstration*>({found[0].demo, found[1].demo, found[2].demo, found[3].demo})
            .size(),
        4u);
  }
}

// 1 / (60 + rank) from each list that has it, and the sums in order.
TEST_F(Trained, FusesByReciprocalRank) {
  const DemoQuery query{.text = "Trains and tickets at the station", .k = 100};
  DemoQuery asked = query;
  std::map<std::string, double> expected;
  for (const char* strategy : {"dense", "bm25"}) {
    asked.strategy = strategy;
    double rank = 0;
    for (const std::string& id : ids_of(retrieve(asked))) expected[id] += 1 / (60 + ++rank);
  }
  asked.strategy = "hybrid";
  const auto found = retrieve(asked);
  EXPECT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i].score, expected[found[i].demo->id], 1e-6);
    EXPECT_LE(found[i].score, found[i == 0 ? 0 : i - 1].score);
  }
}

TEST_F(Trained, LetsOutputsTakeTurnsWhateverTheStrategy) {
  for (const DemoStrategy& strategy : demo_strategies()) {
    SCOPED_TRACE(strategy.name);
    const Texts outputs = outputs_of(retrieve({.text = "Who or where or when does the train ?",
                                               .task = "question",
                                               .k = 3,
                                               .strategy = std::string(strategy.name),
                                               .balanced = true}));
    EXPECT_THAT(outputs, AllOf(Contains("person"), Contains("place"), Contains("time")));
  }
}

TEST_F(Trained, AnswersNothingToATextOfUnknownWords) {
  EXPECT_THAT(retrieve({.text = "xyzzy"}), IsEmpty());
}

TEST_F(Trained, AnswersAlikeInThreads) {
  const DemoRetriever fresh = DemoRetriever::open(*folder_ / "store");
  const DemoQuery query{.text = "Rain and a train", .k = 4, .strategy = "dpp"};
  const Texts expected = ids_of(retrieve(query));
  std::vector<Texts> found(4);
  std::vector<std::thread> threads;
  for (Texts& each : found) threads.emplace_back([&] { each = ids_of(fresh.retrieve(query)); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(found, Each(expected));
}

TEST(DemoRetriever, TakesTheEncoderOfTheStoresLabels) {
  const TempDir folder;
  tiny::indexed_store(folder.path());
  const auto store = tiny::bank_store(folder.path(), tiny::demonstrations());
  const DemoRetriever retriever = DemoRetriever::open(store);
  EXPECT_TRUE(retriever.has_encoder());
  EXPECT_THAT(outputs_of(retriever.retrieve(
                  {.text = "The players scored goals.", .task = "topic", .k = 2})),
              Each("football"));
}

TEST(DemoRetriever, SaysWhatToRunWhereThereIsNoBank) {
  const TempDir folder;
  tiny::import_store(folder.path());
  expect_error(
      ErrorKind::kNotFound, [&] { DemoRetriever::open(folder / "store"); }, "dexter demos import");
}

}  // namespace
}  // namespace dexter
