#include "engine/demo_choice.h"

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/engine/tiny_bank.h"
#include "tests/support/expect_error.h"

namespace dexter {
namespace {

using ::testing::ElementsAre;
using testing::expect_error;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

namespace fs = std::filesystem;

class Unsolved : public ::testing::Test {
 protected:
  fs::path write(const std::vector<Demonstration>& inputs) const {
    testing::write_bytes(folder_ / "inputs.jsonl", tiny::jsonl_of(inputs));
    return folder_ / "inputs.jsonl";
  }
  Choice choose(const std::vector<Demonstration>& inputs, const ChoiceOptions& options) const {
    const std::vector<fs::path> files = {write(inputs)};
    return choose_inputs(store_, files, options, {});
  }
  static std::vector<std::string> inputs_of(const Choice& choice) {
    std::vector<std::string> inputs;
    for (const Demonstration& demo : choice.chosen) inputs.push_back(demo.input);
    return inputs;
  }

  const testing::TempDir folder_;
  const fs::path store_ = tiny::bank_store(folder_.path(), tiny::demonstrations());
};

TEST_F(Unsolved, InputsFarFromTheBankAndNearOthersComeFirst) {
  tiny::train_bank(store_);
  const std::vector<Demonstration> inputs = {
      {"a", "question", "Who plays the violin well ?", ""},  // near the bank's own
      {"b", "question", "How many parliament votes ?", ""},  // two that are alike
      {"c", "question", "How many parliament votes now ?", "7"}};
  const Choice choice = choose(inputs, {.count = 1, .neighbours = 1});
  EXPECT_EQ(choice.inputs, 3);
  EXPECT_EQ(choice.solved, 0);
  ASSERT_EQ(choice.chosen.size(), 1);
  EXPECT_THAT(choice.chosen[0].input, HasSubstr("parliament"));
  EXPECT_THAT(choose({inputs[2]}, {}).chosen[0].output, IsEmpty());
}

TEST_F(Unsolved, SolvedAndRepeatedInputsAreNotChosen) {
  tiny::train_bank(store_);
  const Choice choice = choose({{"", "question", "who plays the VIOLIN?", ""},
                                {"", "topic", "who plays the violin?", ""},
                                {"", "topic", "Who plays the violin ?", ""}},
                               {.count = 10});
  EXPECT_EQ(choice.inputs, 2);
  EXPECT_EQ(choice.solved, 1);
  EXPECT_THAT(inputs_of(choice), ElementsAre("who plays the violin?"));
  EXPECT_THAT(choice.chosen[0].id, IsEmpty());  // it had none
}

TEST_F(Unsolved, TextsWithoutAnyKnownFeatureSpeakForNoOther) {
  tiny::train_bank(store_);
  const std::vector<Demonstration> inputs = {{"", "topic", "\xE2\x98\x83", ""},
                                             {"", "topic", "The players scored goals.", ""},
                                             {"", "topic", "The players scored more goals.", ""}};
  EXPECT_THAT(inputs_of(choose(inputs, {.count = 1, .neighbours = 2})),
              ElementsAre(HasSubstr("players")));
  EXPECT_EQ(choose(inputs, {.count = 9, .neighbours = 2}).chosen.size(), 3);
}

TEST_F(Unsolved, WithoutAnEncoderItSaysWhatToRun) {
  expect_error(
      ErrorKind::kNotFound,
      [&] {
        choose({{"", "topic", "goals", ""}}, {});
      },
      "it has no encoder", "dexter demos train");
  expect_error(
      ErrorKind::kInvalidInput,
      [&] {
        choose({{"", "topic", "goals", ""}}, {.count = 0});
      },
      "give 1 or more");
}

}  // namespace
}  // namespace dexter
