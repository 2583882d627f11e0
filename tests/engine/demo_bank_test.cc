#include "engine/demo_bank.h"

#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/engine/tiny_bank.h"
#include "tests/support/expect_error.h"
#include "tests/support/gzip_file.h"
#include "tests/support/temp_dir.h"

namespace dexter {
namespace {

using ::testing::ElementsAre;
using testing::expect_error;
using ::testing::Pair;
using testing::TempDir;
using testing::write_bytes;

class Bank : public ::testing::Test {
 protected:
  BankImport import(const std::string& lines, const std::string& name = "demos.jsonl") {
    write_bytes(folder_ / name, lines);
    const std::vector<std::filesystem::path> files = {folder_ / name};
    return import_demonstrations(store_, files, {});
  }
  std::vector<Demonstration> all() const { return load_bank(open_bank(store_, OpenMode::kRead)); }

  const TempDir folder_;
  const std::filesystem::path store_ = folder_ / "store";
};

TEST_F(Bank, KeepsDemonstrationsOfManyTasksInTheirOrder) {
  const std::vector<Demonstration> demos = tiny::demonstrations();
  const BankImport report = import(tiny::jsonl_of(demos));
  EXPECT_EQ(report.added, demos.size());
  EXPECT_EQ(report.replaced, 0u);
  EXPECT_THAT(report.tasks, ElementsAre(Pair("question", 6u), Pair("topic", demos.size() - 6)));
  EXPECT_EQ(all(), demos);
}

TEST_F(Bank, TellsEqualOutputsOfTwoTasksApart) {
  import(
      "{\"input\":\"a\",\"output\":\"yes\",\"task\":\"one\",\"id\":\"1\"}\n"
      "{\"input\":\"b\",\"output\":\"yes\",\"task\":\"two\",\"id\":\"2\"}\n");
  EXPECT_THAT(all(), ElementsAre(Demonstration{"1", "one", "a", "yes"},
                                 Demonstration{"2", "two", "b", "yes"}));
}

TEST_F(Bank, KeepsAnEmptyOutputBesideOneThatIsTheTasksName) {
  import(
      "{\"input\":\"a\",\"output\":\"\",\"task\":\"t\",\"id\":\"1\"}\n"
      "{\"input\":\"b\",\"output\":\"t\",\"task\":\"t\",\"id\":\"2\"}\n");
  EXPECT_THAT(all(),
              ElementsAre(Demonstration{"1", "t", "a", ""}, Demonstration{"2", "t", "b", "t"}));
}

TEST_F(Bank, ReplacesByIdAndByContentAndAddsTheRest) {
  import(
      "{\"input\":\"a\",\"output\":\"x\",\"id\":\"1\"}\n"
      "{\"input\":\"b\",\"output\":\"y\"}\n");
  const BankImport report = import(
      "{\"input\":\"b\",\"output\":\"y\"}\n"
      "{\"input\":\"new\",\"output\":\"z\",\"id\":1}\n"
      "{\"input\":\"c\",\"output\":\"x\"}\n");
  EXPECT_EQ(report.replaced, 2u);
  EXPECT_EQ(report.added, 1u);
  EXPECT_EQ(report.demonstrations, 3u);
  const std::vector<Demonstration> demos = all();
  EXPECT_EQ(demos[0], (Demonstration{"1", "default", "new", "z"}));
  EXPECT_EQ(demos[1].input, "b");
  EXPECT_EQ(demos[2].input, "c");
}

TEST_F(Bank, ReadsACorpusOfBeir) {
  testing::write_gzip(folder_ / "corpus.jsonl.gz",
                      "{\"_id\":\"4983\",\"title\":\"Cells\",\"text\":\"They divide.\"}\n"
                      "{\"_id\":\"5836\",\"title\":\"\",\"text\":\"No title.\"}\n");
  const std::vector<std::filesystem::path> files = {folder_ / "corpus.jsonl.gz"};
  import_demonstrations(store_, files, {});
  EXPECT_THAT(all(), ElementsAre(Demonstration{"4983", "default", "Cells They divide.", ""},
                                 Demonstration{"5836", "default", "No title.", ""}));
}

TEST_F(Bank, NamesTheBadLineAndStaysAsItWas) {
  const std::string good = "{\"input\":\"a\",\"output\":\"x\",\"id\":\"1\"}\n";
  const struct {
    const char* line;
    const char* what;
  } cases[] = {{"{\"output\":\"x\"}", "\"input\" is missing"},
               {"{\"input\":\" \",\"output\":\"x\"}", "\"input\" is empty"},
               {"{\"input\":\"a\"}", "\"output\" is missing"},
               {"{\"input\":7,\"output\":\"x\"}", "\"input\""},
               {"{\"input\":\"a\",\"output\":\"x\"", "demos.jsonl:2: "},
               {"[]", "demos.jsonl:2: "}};
  for (const auto& each : cases) {
    SCOPED_TRACE(each.line);
    expect_error(
        ErrorKind::kInvalidInput, [&] { import(good + each.line + "\n"); },
        "demos.jsonl:2: ", each.what);
    EXPECT_FALSE(std::filesystem::exists(store_));
  }
  import(good);
  expect_error(
      ErrorKind::kInvalidInput, [&] { import("{\"input\":\"b\",\"output\":\"y\"}\n{}\n"); },
      "demos.jsonl:2: ");
  EXPECT_THAT(all(), ElementsAre(Demonstration{"1", "default", "a", "x"}));
}

TEST_F(Bank, KeepsTheInstructionsOfItsTasks) {
  const auto instruct = [&](const Instructions& given) {
    write_bytes(folder_ / "demos.jsonl", tiny::jsonl_of(tiny::demonstrations()));
    const std::vector<std::filesystem::path> files = {folder_ / "demos.jsonl"};
    import_demonstrations(store_, files, {}, std::nullopt, given);
    return load_instructions(open_bank(store_, OpenMode::kRead));
  };
  expect_error(
      ErrorKind::kInvalidInput,
      [&] {
        instruct({{"topics", "Name it."}});
      },
      "'topics'", "the nearest is 'topic'");
  EXPECT_FALSE(std::filesystem::exists(store_));
  EXPECT_THAT(instruct({}), ElementsAre());
  EXPECT_THAT(instruct({{"topic", "Name it."}, {"question", "What is asked?"}}),
              ElementsAre(Pair("question", "What is asked?"), Pair("topic", "Name it.")));
  EXPECT_THAT(instruct({{"topic", "Say it."}, {"question", ""}}),
              ElementsAre(Pair("topic", "Say it.")));
  EXPECT_THAT(instruct({}), ElementsAre(Pair("topic", "Say it.")));
  EXPECT_EQ(all(), tiny::demonstrations());
}

TEST_F(Bank, TakesNoneOfTheFilesWhereOneIsBad) {
  write_bytes(folder_ / "good.jsonl", "{\"input\":\"a\",\"output\":\"x\"}\n");
  write_bytes(folder_ / "empty.jsonl", "");
  const std::vector<std::filesystem::path> files = {folder_ / "good.jsonl",
                                                    folder_ / "empty.jsonl"};
  expect_error(
      ErrorKind::kInvalidInput, [&] { import_demonstrations(store_, files, {}); }, "empty.jsonl",
      "no demonstration");
  EXPECT_FALSE(std::filesystem::exists(store_));
}

TEST_F(Bank, LeavesACorpusBesideItAlone) {
  tiny::import_store(folder_.path());
  import("{\"input\":\"a\",\"output\":\"x\",\"id\":\"1\"}\n");
  EXPECT_EQ(Catalog::open(store_, OpenMode::kRead).label_count(), tiny::kLabels);
  EXPECT_TRUE(verify_store(store_).empty());
  EXPECT_TRUE(verify_store(bank_folder(store_)).empty());
}

TEST_F(Bank, SaysWhatToRunWhereThereIsNone) {
  expect_error(
      ErrorKind::kNotFound, [&] { open_bank(store_, OpenMode::kRead); }, "dexter demos import");
}

TEST_F(Bank, ReadsInputsWithoutOutputsForEvaluation) {
  write_bytes(folder_ / "queries.jsonl", "{\"_id\":\"q\",\"text\":\"a\"}\n{\"input\":\"b\"}\n");
  const std::vector<Demonstration> rows = read_demonstrations(folder_ / "queries.jsonl", {});
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0], (Demonstration{"q", "default", "a", ""}));
  EXPECT_EQ(rows[1].input, "b");
}

}  // namespace
}  // namespace dexter
