#include "engine/demo_index.h"

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/demo_retriever.h"
#include "engine/training_corpus.h"
#include "tests/engine/tiny_bank.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace dexter {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using testing::expect_error;
using ::testing::Field;
using testing::flip_byte;
using ::testing::IsEmpty;
using testing::TempDir;

namespace fs = std::filesystem;
using Answers = std::vector<std::pair<std::string, float>>;

Answers answers_of(const DemoRetriever& retriever) {
  Answers answers;
  for (const DemoStrategy& strategy : demo_strategies())
    for (const char* task : {"", "topic"})
      for (const FoundDemo& found :
           retriever.retrieve({.text = "Rain, and a train with two players",
           .task = task,
           .k = 5,
           .strategy = std::string(strategy.name)}))
        answers.emplace_back(found.demo->id, found.score);
  return answers;
}

class BankIndex : public ::testing::Test {
 protected:
  BankIndex() : store_(tiny::bank_store(folder_.path(), tiny::demonstrations())) {}

  BankIndexInfo files() const {
    return bank_index(open_bank(store_, OpenMode::kRead)).value_or(BankIndexInfo{});
  }
  void index() {
    Catalog bank = open_bank(store_, OpenMode::kWrite);
    index_bank(store_, bank, {}, {}, {});
  }

  const TempDir folder_;
  const fs::path store_;
};

TEST_F(BankIndex, OfAnImportHasTheWords) {
  EXPECT_FALSE(files().words.name.empty());
  EXPECT_FALSE(files().vectors);
  EXPECT_THAT(verify_store(bank_folder(store_)), IsEmpty());
}

TEST_F(BankIndex, AnswersAsOneMadeInMemoryDoes) {
  tiny::train_bank(store_);
  const Answers expected = answers_of(DemoRetriever::open(store_));
  const FileRef words = files().words;
  index();
  ASSERT_TRUE(files().vectors);
  EXPECT_EQ(files().words, words);
  EXPECT_EQ(files().vectors->index_kind, "flat");
  EXPECT_EQ(answers_of(DemoRetriever::open(store_)), expected);
  EXPECT_THAT(verify_store(bank_folder(store_)), IsEmpty());
}

TEST_F(BankIndex, IsNotUsedWithAnotherEncoder) {
  tiny::train_bank(store_);
  index();
  const Answers former = answers_of(DemoRetriever::open(store_));
  {
    Catalog bank = open_bank(store_, OpenMode::kWrite);
    Config config = tiny::config();
    config.train.seed = 99;
    train(bank, config, /*resume=*/false, {}, {});
  }
  const Answers now = answers_of(DemoRetriever::open(store_));
  EXPECT_NE(now, former);
  index();
  EXPECT_EQ(answers_of(DemoRetriever::open(store_)), now);
}

TEST_F(BankIndex, IsMadeAgainByAnImport) {
  tiny::train_bank(store_);
  index();
  tiny::bank_store(folder_.path(), std::vector<Demonstration>{{"new", "topic", "A whale", "sea"}});
  EXPECT_FALSE(files().vectors);  // the encoder went with the former corpus
  const DemoRetriever retriever = DemoRetriever::open(store_);
  const auto found = retriever.retrieve({.text = "whale"});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].demo->id, "new");
}

TEST_F(BankIndex, IsOfInputsBehindTheirInstruction) {
  const std::vector<fs::path> again = {folder_ / "demos.jsonl"};
  import_demonstrations(store_, again, {}, std::nullopt, {{"question", "A train of players:"}});
  {
    const TrainingSet set =
        load_training_set(open_bank(store_, OpenMode::kRead), 0, {}, /*without=*/"topic");
    for (const Example& example : set.train)
      EXPECT_TRUE(example.text.starts_with("A train of players: Wh")) << example.text;
    EXPECT_EQ(set.train.size(), 6u);
  }
  tiny::train_bank(store_);
  const Answers expected = answers_of(DemoRetriever::open(store_));
  index();
  const DemoRetriever retriever = DemoRetriever::open(store_);
  EXPECT_EQ(answers_of(retriever), expected);
  // An input asks for itself: the same text on both sides where the query has the instruction too.
  const auto nearest = [&](const std::string& task) {
    return retriever.retrieve({.text = "Who plays the violin ?", .task = task, .k = 40});
  };
  EXPECT_EQ(nearest("question")[0].demo->id, "question-0");
  EXPECT_NEAR(nearest("question")[0].score, 1, 1e-5);
  for (const FoundDemo& found : nearest(""))
    EXPECT_TRUE(found.demo->id != "question-0" || found.score < 0.999F);
  const BankEncoder encoder = find_bank_encoder(store_, open_bank(store_, OpenMode::kRead));
  EXPECT_EQ(files().vectors->fingerprint, encoder.fingerprint);
  EXPECT_NE(encoder.fingerprint, encoder.encoder->fingerprint());
}

TEST_F(BankIndex, IsOfTheStemmerAskedFor) {
  const auto ids_of = [&](const std::optional<Bm25Options>& words) {
    return DemoRetriever::open(store_, words).retrieve({.text = "painting"}).size();
  };
  const std::vector<Demonstration> demos = {{"1", "t", "he paints", "x"}};
  testing::write_bytes(folder_ / "more.jsonl", tiny::jsonl_of(demos));
  const std::vector<fs::path> more = {folder_ / "more.jsonl"};
  import_demonstrations(store_, more, {}, Bm25Options{.stemmer = "none"});
  EXPECT_EQ(ids_of(std::nullopt), 0u);
  EXPECT_EQ(ids_of(Bm25Options{.stemmer = "english"}), 1u);
  import_demonstrations(store_, more, {});
  EXPECT_EQ(ids_of(std::nullopt), 0u);  // an import keeps the former's
}

TEST_F(BankIndex, LeavesOutInputsOfUnknownFeatures) {
  tiny::bank_store(folder_.path(), std::vector<Demonstration>{{"odd", "topic", "?!", "none"}});
  tiny::train_bank(store_);
  index();
  const DemoRetriever retriever = DemoRetriever::open(store_);
  EXPECT_EQ(retriever.size(), tiny::demonstrations().size() + 1);
  for (const FoundDemo& found : retriever.retrieve({.text = "the cat", .k = 100}))
    EXPECT_NE(found.demo->id, "odd");
}

TEST_F(BankIndex, NamesADamagedFile) {
  tiny::train_bank(store_);
  index();
  for (const std::string& name :
       {files().words.name, files().vectors->index.name, files().vectors->rows.name}) {
    SCOPED_TRACE(name);
    const fs::path file = bank_folder(store_) / name;
    flip_byte(file, fs::file_size(file) / 2);
    EXPECT_THAT(verify_store(bank_folder(store_)), Contains(Field(&Damage::file, name)));
    expect_error(
        ErrorKind::kCorrupt, [&] { DemoRetriever::open(store_).prepare(); },
        fs::path(name).filename().string());
    flip_byte(file, fs::file_size(file) / 2);
  }
}

}  // namespace
}  // namespace dexter
