// Candidates, scores of files, and rounds of training by a scorer.
#include "engine/demo_feedback.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/demo_lists.h"
#include "tests/engine/tiny_bank.h"
#include "tests/support/expect_error.h"

namespace dexter {
namespace {

using ::testing::Contains;
using ::testing::Each;
using testing::expect_error;
using ::testing::Not;
using testing::TempDir;
using testing::write_bytes;

std::vector<std::uint32_t> all_rows(const std::vector<Demonstration>& bank) {
  std::vector<std::uint32_t> rows(bank.size());
  for (std::uint32_t i = 0; i < rows.size(); ++i) rows[i] = i;
  return rows;
}

TEST(CandidateMiner, KeepsToTheTaskAndLeavesOutTheInputItself) {
  const std::vector<Demonstration> bank = {
      {.id = "0", .task = "a", .input = "red apple", .output = "fruit"},
      {.id = "1", .task = "a", .input = "Red, apple!", .output = "fruit"},  // the same words
      {.id = "2", .task = "a", .input = "green apple", .output = "fruit"},
      {.id = "3", .task = "b", .input = "red apple pie", .output = "fruit"},
      {.id = "4", .task = "a", .input = "blue sea", .output = "fruit"},
      {.id = "5", .task = "a", .input = "blue sky", .output = "air"}};
  const CandidateMiner miner(bank, all_rows(bank));
  // 2 shares a word of the input and the output, 4 the output alone, 5 nothing.
  EXPECT_EQ(miner.nearest(0, 8), (std::vector<std::uint32_t>{2, 4}));
  EXPECT_EQ(miner.nearest(0, 1), (std::vector<std::uint32_t>{2}));
}

TEST(CandidateMiner, MinesByAnEncoderOnceItHasOne) {
  const TempDir folder;
  const auto store = tiny::bank_store(folder.path(), tiny::demonstrations());
  tiny::train_bank(store);
  const Catalog catalog = open_bank(store, OpenMode::kRead);
  const std::vector<Demonstration> bank = load_bank(catalog);
  CandidateMiner miner(bank, all_rows(bank));
  const auto encoder = load_encoder(catalog.path(), catalog.manifest().trained->file);
  miner.use(*encoder);
  for (std::uint32_t row = 0; row < bank.size(); ++row) {
    const std::vector<std::uint32_t> found = miner.nearest(row, 4);
    ASSERT_EQ(found.size(), 4U);
    EXPECT_THAT(found, Not(Contains(row)));
    float before = 2;
    for (const std::uint32_t other : found) {
      EXPECT_EQ(bank[other].task, bank[row].task);
      const std::vector<std::string> texts{bank[row].input, bank[other].input};
      const EmbeddingMatrix vectors = encoder->encode(texts);
      float cosine = 0;
      for (int c = 0; c < vectors.dim(); ++c) cosine += vectors.row(0)[c] * vectors.row(1)[c];
      EXPECT_LE(cosine, before + 1e-5F);
      before = cosine;
    }
  }
}

class ScoreFile : public ::testing::Test {
 protected:
  std::vector<ScoredInput> read(const std::string& lines) {
    write_bytes(folder_ / "scores.jsonl", lines);
    return read_scores(folder_ / "scores.jsonl", bank_, {});
  }
  const TempDir folder_;
  const std::vector<Demonstration> bank_ = {{.id = "x", .task = "a", .input = "x", .output = "1"},
                                            {.id = "7", .task = "a", .input = "y", .output = "1"},
                                            {.id = "z", .task = "b", .input = "z", .output = "1"}};
};

TEST_F(ScoreFile, IsReadByInputAndTheLastOfAPairCounts) {
  const auto inputs = read(
      "{\"query\": \"x\", \"demonstration\": 7, \"score\": 1}\n"
      "{\"query\": 7, \"demonstration\": \"x\", \"score\": -2.5, \"more\": []}\n"
      "{\"query\": \"x\", \"demonstration\": \"7\", \"score\": 0.25}\n");
  ASSERT_EQ(inputs.size(), 2U);
  EXPECT_EQ(inputs[0].row, 0U);
  ASSERT_EQ(inputs[0].demos.size(), 1U);
  EXPECT_EQ(inputs[0].demos[0].row, 1U);
  EXPECT_EQ(inputs[0].demos[0].score, 0.25);
  EXPECT_EQ(inputs[1].demos[0].score, -2.5);
}

TEST_F(ScoreFile, ErrorsNameFileAndLine) {
  const std::string good = "{\"query\": \"x\", \"demonstration\": 7, \"score\": 1}\n";
  for (const auto& [line, what] : std::vector<std::pair<const char*, const char*>>{
           {"{\"query\": \"x\", \"score\": 1}", "\"demonstration\" is missing"},
           {"{\"query\": \"w\", \"demonstration\": 7, \"score\": 1}", "no demonstration \"w\""},
           {"{\"query\": \"x\", \"demonstration\": 7}", "\"score\" is missing"},
           {"{\"query\": \"x\", \"demonstration\": 7, \"score\": \"1\"}", "a number is expected"},
           {"{\"query\": \"x\", \"demonstration\": \"z\", \"score\": 1}", "of the task"},
           {"[1]", "a JSON object is expected"}})
    expect_error(
        ErrorKind::kInvalidInput, [&] { read(good + line + "\n"); }, "scores.jsonl:2: ", what);
}

// Likes the demonstrations whose number has the input's parity, the opposite of their outputs.
class Parity final : public DemoScorer {
 public:
  std::vector<double> score(const Demonstration& query, std::span<const Demonstration* const> demos,
                            const Progress&) override {
    std::vector<double> scores;
    for (const Demonstration* demo : demos) {
      scores.push_back((number(*demo) % 2 == number(query) % 2 ? 1 : 0) + 1e-3 * number(*demo));
      ++given;
    }
    return scores;
  }
  std::uint64_t identity(const Demonstration&) const override { return version; }
  static int number(const Demonstration& demo) { return std::stoi(demo.id); }

  std::uint64_t version = 1;
  std::uint64_t given = 0;
};

class Rounds : public ::testing::Test {
 protected:
  Rounds() {
    for (int i = 0; i < 60; ++i) {
      const std::string word = i % 2 == 0 ? "even" : "odd";
      demos_.push_back({.id = std::to_string(i),
                        .task = i < 40 ? "a" : "b",
                        .input = "common " + word + " number w" + std::to_string(i),
                        .output = i % 3 == 0 ? "yes" : "no"});
    }
    store_ = tiny::bank_store(folder_.path(), demos_);
    tiny::train_bank(store_);
    config_ = tiny::config();
    config_.train.validation_fraction = 0.2;
    config_.demos.rounds = 2;
    config_.demos.epochs = 1;
    config_.demos.candidates = 12;
    config_.demos.batch = 8;
    config_.demos.learning_rate = 0.02;
    config_.demos.feature_dropout = 0;
  }

  FeedbackReport train(DemoScorer& scorer) {
    Catalog bank = open_bank(store_, OpenMode::kWrite);
    return train_by_scorer(bank, config_, scorer, {}, {});
  }

  const TempDir folder_;
  std::vector<Demonstration> demos_;
  std::filesystem::path store_;
  Config config_;
};

TEST_F(Rounds, BringHeldOutPairsIntoTheScorersOrder) {
  Parity scorer;
  config_.demos.epochs = 12;
  const FeedbackReport report = train(scorer);
  ASSERT_EQ(report.rounds.size(), 2U);
  EXPECT_GT(report.rounds[1].order_after, report.rounds[0].order_before + 10);
  EXPECT_GT(report.rounds[1].order_after, 70);
  EXPECT_EQ(report.rounds[0].asked, report.rounds[0].scores);
  EXPECT_EQ(report.rounds[0].asked + report.rounds[1].asked, scorer.given);
  const Catalog bank = open_bank(store_, OpenMode::kRead);
  EXPECT_EQ(bank.manifest().trained->fingerprint, report.encoder.fingerprint);
}

TEST_F(Rounds, AskForNoScoreTwice) {
  Parity scorer;
  config_.demos.rounds = 1;
  train(scorer);
  const std::uint64_t first = scorer.given;
  EXPECT_EQ(train(scorer).rounds[0].asked, 0U);
  EXPECT_EQ(scorer.given, first);
  // An import keeps the scores.
  write_bytes(folder_ / "more.jsonl",
              "{\"id\": \"60\", \"task\": \"c\", \"input\": \"new\", \"output\": \"no\"}\n");
  const std::vector<std::filesystem::path> files = {folder_ / "more.jsonl"};
  import_demonstrations(store_, files, {});
  tiny::train_bank(store_);
  EXPECT_EQ(train(scorer).rounds[0].asked, 0U);
  scorer.version = 2;  // another model
  EXPECT_EQ(train(scorer).rounds[0].asked, first);
}

TEST_F(Rounds, ScoreSoManyInputsOfEachTaskAsAsked) {
  Parity scorer;
  config_.demos.rounds = 1;
  config_.demos.inputs = 8;
  EXPECT_EQ(train(scorer).rounds[0].inputs, 2U * (8 + 1));
}

TEST_F(Rounds, LearnNothingOfATaskLeftOut) {
  Parity scorer;
  config_.demos.rounds = 1;
  config_.demos.without_task = "b";
  EXPECT_EQ(train(scorer).rounds[0].inputs, 40U);
}

TEST_F(Rounds, StopBetweenInputsAndGoOnWithWhatWasScored) {
  Parity scorer;
  config_.demos.rounds = 1;
  std::stop_source stop;
  Progress progress;
  progress.stop = stop.get_token();
  progress.report = [&](const ProgressEvent& event) {
    if (event.stage == "scoring demonstrations" && event.done == 5) stop.request_stop();
  };
  {
    Catalog bank = open_bank(store_, OpenMode::kWrite);
    expect_error(
        ErrorKind::kInterrupted, [&] { train_by_scorer(bank, config_, scorer, {}, progress); },
        "scoring");
  }
  const std::uint64_t before = scorer.given;
  EXPECT_EQ(before, 5U * 12);
  const FeedbackReport report = train(scorer);
  EXPECT_EQ(report.rounds[0].asked, report.rounds[0].scores - before);
}

TEST_F(Rounds, LearnFromScoresThatAreGiven) {
  std::vector<ScoredInput> scores;
  for (std::uint32_t i = 0; i < 40; ++i) {
    scores.push_back({i, {}});
    for (std::uint32_t j = 0; j < 40; ++j)
      if (j != i) scores.back().demos.push_back({j, i % 2 == j % 2 ? 1.0 : 0.0});
  }
  config_.demos.epochs = 12;
  Catalog bank = open_bank(store_, OpenMode::kWrite);
  const FeedbackReport report = train_by_scores(bank, config_, scores, {}, {});
  ASSERT_EQ(report.rounds.size(), 1U);
  EXPECT_GT(report.rounds[0].order_after, 80);
}

TEST_F(Rounds, NeedAnEncoderToStartFrom) {
  const TempDir other;
  const auto store = tiny::bank_store(other.path(), demos_);
  Catalog bank = open_bank(store, OpenMode::kWrite);
  Parity scorer;
  expect_error(
      ErrorKind::kNotFound, [&] { train_by_scorer(bank, config_, scorer, {}, {}); },
      "--scorer knn first");
}

}  // namespace
}  // namespace dexter
