#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"
#include "tests/tools/run_dexter.h"

namespace dexter::testing {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct VerbCase {
  std::string name;
  bool needs_store = true;
  std::vector<std::string> valid;  // arguments beside --store that parse
};

const std::vector<VerbCase>& verbs() {
  static const std::vector<VerbCase> all = {
      {"import", true, {"--train", "absent.jsonl", "--format", "jsonl"}},
      {"train", true, {}},
      {"merge", true, {"--from", "a", "b"}},
      {"index", true, {}},
      {"query", true, {"a text"}},
      {"eval", true, {}},
      {"labels add", true, {"key"}},
      {"labels remove", true, {"key"}},
      {"labels list", true, {}},
      {"labels show", true, {"key"}},
      {"compact", true, {}},
      {"info", true, {}},
      {"verify", true, {}},
      {"demos import", true, {"absent.jsonl"}},
      {"demos train", true, {}},
      {"demos choose", true, {"absent.jsonl"}},
      {"demos label", true, {"absent.jsonl"}},
      {"demos retrieve", true, {"a text"}},
      {"demos eval", true, {"--data", "absent.jsonl"}},
      {"export", true, {"--what", "labels", "--out", "out.npy"}},
      {"serve", true, {}},
      {"config", false, {}},
      {"bench index", false, {}},
  };
  return all;
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  return {std::istream_iterator<std::string>(stream), {}};
}

std::vector<std::string> joined(std::vector<std::string> first,
                                const std::vector<std::string>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

std::string last_line(const std::string& text) {
  const std::string trimmed = text.substr(0, text.find_last_not_of('\n') + 1);
  return trimmed.substr(trimmed.find_last_of('\n') + 1);
}

class EveryVerb : public ::testing::TestWithParam<VerbCase> {
 protected:
  std::vector<std::string> words() const { return words_of(GetParam().name); }
};

TEST_P(EveryVerb, TeachesItselfInBothSpellingsOfHelp) {
  const Outcome page = run(joined(words(), {"--help"}));
  EXPECT_EQ(page.code, 0);
  EXPECT_EQ(page.err, "");
  EXPECT_THAT(page.out, StartsWith("dexter " + GetParam().name + ": "));
  for (const char* part : {"\nGeneral:\n", "\nExamples:\n", "\nNext:\n"})
    EXPECT_THAT(page.out, HasSubstr(part));
  EXPECT_EQ(run(joined({"help"}, words())).out, page.out);
}

TEST_P(EveryVerb, RefusesAnUnknownOptionAndNamesTheNearest) {
  const Outcome outcome = run(joined(words(), {"--stroe", "s"}));
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr("--stroe"));
  EXPECT_THAT(outcome.err, HasSubstr("the nearest is --store"));
}

TEST_P(EveryVerb, SaysThatAStoreIsNeededOrNotThere) {
  if (!GetParam().needs_store) GTEST_SKIP() << "works without a store";
  const TempDir folder;
  const RunOptions here{.input = "", .env = {}, .folder = folder.path()};
  const Outcome without = run(joined(words(), GetParam().valid), here);
  EXPECT_EQ(without.code, 2);
  EXPECT_THAT(without.err, HasSubstr("--store is required"));
  const Outcome absent =
      run(joined(joined(words(), GetParam().valid), {"--store", "absent"}), here);
  EXPECT_EQ(absent.code, 3) << absent.err;
  EXPECT_THAT(last_line(absent.err), StartsWith("dexter " + GetParam().name + ": "));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST_P(EveryVerb, GivesExamplesThatParse) {
  const TempDir folder;
  for (const char* file : {"texts.txt", "new-labels.jsonl", "more.jsonl"})
    write_bytes(folder / file, "{\"id\":\"a\",\"name\":\"b\",\"text\":\"c\",\"labels\":[]}\n");
  std::istringstream page(run(joined(words(), {"--help"})).out);
  int examples = 0;
  bool inside = false;
  for (std::string line; std::getline(page, line);) {
    inside = line == "Examples:" || (inside && !line.empty());
    if (!inside || !line.starts_with("  dexter ")) continue;
    ++examples;
    const std::string command = "cd " + folder.path().string() + " && " + DEXTER_BINARY +
                                line.substr(sizeof("  dexter") - 1) + " > out 2> err";
    const int status = std::system(command.c_str());
    EXPECT_NE(WEXITSTATUS(status), 2) << line << '\n' << read_bytes(folder / "err");
  }
  EXPECT_GE(examples, 2);
}

INSTANTIATE_TEST_SUITE_P(CommandLine, EveryVerb, ::testing::ValuesIn(verbs()),
                         [](const auto& param) {
                           std::string name = param.param.name;
                           std::replace(name.begin(), name.end(), ' ', '_');
                           return name;
                         });

TEST(CommandLine, ListsExactlyTheVerbs) {
  const Outcome outcome = run({"--help"});
  EXPECT_EQ(outcome.code, 0);
  const std::size_t begin = outcome.out.find("in this order:\n");
  std::istringstream lines(outcome.out.substr(begin, outcome.out.find("\n\n", begin) - begin));
  std::vector<std::string> listed;
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) listed.push_back(line.substr(2, line.find("  ", 2) - 2));
  std::vector<std::string> expected;
  for (const VerbCase& verb : verbs()) expected.push_back(verb.name);
  expected.emplace_back("help VERB");
  EXPECT_THAT(listed, ElementsAreArray(expected));
}

TEST(CommandLine, ListsTheExitCodes) {
  const std::string page = run({"--help"}).out;
  for (const char* row : {"\n    0  ", "\n    2  ", "\n    3  ", "\n    4  ", "\n    5  ",
                          "\n    6  ", "\n    7  ", "\n   70  ", "\n  130  "})
    EXPECT_THAT(page, HasSubstr(row));
}

TEST(CommandLine, ShowsTheOverviewWhereNothingIsAsked) {
  EXPECT_EQ(run({}).out, run({"--help"}).out);
  EXPECT_EQ(run({"help"}).out, run({"--help"}).out);
}

TEST(CommandLine, SaysItsVersion) {
  const Outcome outcome = run({"--version"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out,
              ::testing::MatchesRegex("dexter [0-9]+\\.[0-9]+\\.[0-9]+ .store format 1.\n"));
}

TEST(CommandLine, NamesTheNearestVerb) {
  const Outcome outcome = run({"imprt", "--store", "s"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(
      outcome.err,
      "dexter: there is no verb `imprt`; the nearest is `dexter import`, and `dexter --help` lists "
      "them\n");
  EXPECT_THAT(run({"labels", "remvoe"}).err, HasSubstr("the nearest is `dexter labels remove`"));
}

TEST(CommandLine, ListsTheVerbsOfAGroup) {
  const Outcome asked = run({"labels", "--help"});
  EXPECT_EQ(asked.code, 0);
  for (const char* verb : {"labels add", "labels remove", "labels list", "labels show"})
    EXPECT_THAT(asked.out, HasSubstr(verb));
  const Outcome unfinished = run({"labels"});
  EXPECT_EQ(unfinished.code, 2);
  EXPECT_EQ(unfinished.out, asked.out);
}

TEST(CommandLine, TakesTheStoreBeforeTheVerbToo) {
  const TempDir folder;
  const std::string absent = (folder / "absent").string();
  EXPECT_EQ(run({"--store", absent, "info"}).code, 3);
  EXPECT_EQ(run({"labels", "--store", absent, "list"}).code, 3);
}

}  // namespace
}  // namespace dexter::testing
