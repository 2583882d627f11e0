#include "engine/demo_prompt.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/expect_error.h"

namespace dexter {
namespace {

using testing::expect_error;

class Prompt : public ::testing::Test {
 protected:
  const Demonstration best_{.id = "1", .task = "trec", .input = "Who is it ?", .output = "human"};
  const Demonstration next_{
      .id = "2", .task = "trec", .input = "Is {output} it ?", .output = "thing"};
  const std::vector<FoundDemo> found_ = {{&best_, 0.9F, 0.8F}, {&next_, 0.5F, 0.2F}};
};

TEST_F(Prompt, PutsTheBestLastAndTheQueryBehindIt) {
  EXPECT_EQ(assemble_prompt(found_, "Who was he ?"),
            "Input: Is {output} it ?\nOutput: thing\n\n"
            "Input: Who is it ?\nOutput: human\n\n"
            "Input: Who was he ?\nOutput:");
}

TEST_F(Prompt, FollowsThePattern) {
  EXPECT_EQ(assemble_prompt(found_, "Why ?", "[{task}] {input} => {output};\n"),
            "[trec] Is {output} it ? => thing;\n[trec] Who is it ? => human;\n[trec] Why ? =>");
}

TEST_F(Prompt, IsTheQueryAloneWithoutDemonstrations) {
  EXPECT_EQ(assemble_prompt({}, "Why ?"), "Input: Why ?\nOutput:");
}

TEST_F(Prompt, NeedsAPlaceForTheInputBeforeOneForTheOutput) {
  for (const char* pattern : {"{input}", "{output}", "", "{output} {input}"})
    expect_error(
        ErrorKind::kInvalidInput, [&] { assemble_prompt(found_, "Why ?", pattern); },
        std::string("'") + pattern + "'", "{input}", "{output}");
}

TEST_F(Prompt, VotesForTheCommonestOutputAndOfEqualsTheNearest) {
  EXPECT_EQ(majority_output(found_), "human");
  EXPECT_EQ(majority_output({{&best_, 0.9F, 0}, {&next_, 0.5F, 0}, {&next_, 0.4F, 0}}), "thing");
  EXPECT_EQ(majority_output({{&next_, 0.4F, 0}, {&best_, 0.9F, 0}}), "human");
  EXPECT_EQ(majority_output({}), "");
}

}  // namespace
}  // namespace dexter
