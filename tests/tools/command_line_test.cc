#include "tools/command_line.h"

#include <gmock/gmock.h>

#include <array>

#include "tests/support/expect_error.h"

namespace dexter {
namespace {

using ::testing::ElementsAre;

constexpr std::array<const Verb*, 3> kSome = {&kInfoVerb, &kLabelsAddVerb, &kLabelsListVerb};

TEST(Choose, FindsTheVerbWhereverTheStoreStands) {
  const Choice before = choose(kSome, {"--store", "info", "info", "--json"});
  EXPECT_EQ(before.verb, &kInfoVerb);
  EXPECT_THAT(before.arguments, ElementsAre("--store", "info", "--json"));
  const Choice between = choose(kSome, {"labels", "--store", "s", "add", "list"});
  EXPECT_EQ(between.verb, &kLabelsAddVerb);
  EXPECT_THAT(between.arguments, ElementsAre("--store", "s", "list"));
}

TEST(Choose, TakesAGroupWithoutAVerbForAQuestion) {
  const Choice choice = choose(kSome, {"labels"});
  EXPECT_EQ(choice.verb, nullptr);
  EXPECT_EQ(choice.group, "labels");
  EXPECT_FALSE(choice.help);
  EXPECT_TRUE(choose(kSome, {"help", "labels"}).help);
}

TEST(Choose, RefusesOptionsWithoutAVerb) {
  testing::expect_error(
      ErrorKind::kInvalidInput, [] { choose(kSome, {"--json"}); }, "no verb");
  testing::expect_error(
      ErrorKind::kInvalidInput, [] { choose(kSome, {"inof"}); }, "dexter info");
  testing::expect_error(
      ErrorKind::kInvalidInput,
      [] {
        choose(kSome, {"labels", "ad"});
      },
      "dexter labels add");
}

TEST(Quoted, IsReadBackByAShell) {
  const std::array<std::string, 4> words = {"train", "--set=a.b=c", "two words", "it's"};
  EXPECT_EQ(quoted(words), "train --set=a.b=c 'two words' 'it'\\''s'");
  const std::array<std::string, 1> empty = {""};
  EXPECT_EQ(quoted(empty), "''");
}

}  // namespace
}  // namespace dexter
