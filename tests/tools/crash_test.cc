// Killed at every named step and at random moments, a verb leaves a store that is whole: the old
// state or the new one, and queries that are answered or say which command to run.
// DEXTER_CRASH_ROUNDS=1000 kills at so many random moments instead of a few.
#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "engine/retrieval_engine.h"
#include "storage/catalog.h"
#include "storage/error.h"
#include "tests/tools/tiny_run.h"

namespace dexter::testing {
namespace {

using ::testing::HasSubstr;

struct Operation {
  std::string name;
  bool on_whole_store;  // begins with a store that answers
  bool always_answers;  // and must answer whenever it is killed
  std::vector<std::string> (*arguments)(const TinyRun& tiny);
  bool on_changes = false;  // begins with labels changed since the index was built
};

std::vector<std::string> import_arguments(const TinyRun& tiny) {
  return {"import",
          "--store",
          tiny.store,
          "--train",
          tiny.files.train.string(),
          "--test",
          tiny.files.test.string(),
          "--labels",
          tiny.files.labels.string(),
          "--replace"};
}

std::vector<std::string> train_arguments(const TinyRun& tiny) {
  std::vector<std::string> arguments = {"train", "--store", tiny.store};
  for (const std::string& word : tiny_settings("3")) arguments.push_back(word);
  return arguments;
}

std::vector<std::string> index_arguments(const TinyRun& tiny) {
  return {"index", "--store", tiny.store, "--threads", "1"};
}

std::vector<std::string> add_arguments(const TinyRun& tiny) {
  return {"labels", "add", "--store", tiny.store, "added", "--text", "piano and snow"};
}

std::vector<std::string> compact_arguments(const TinyRun& tiny) {
  return {"compact", "--store", tiny.store};
}

void prepare(const TinyRun& tiny, const Operation& operation) {
  if (operation.on_whole_store) tiny.make_all();
  if (operation.on_changes) run_ok(add_arguments(tiny));
}

// The distinct steps of an undisturbed run, in the order they are first reached.
std::vector<std::string> steps_of(const Operation& operation) {
  const TinyRun tiny;
  prepare(tiny, operation);
  const std::filesystem::path list = tiny.folder / "steps";
  run_ok(operation.arguments(tiny), {.env = {{"DEXTER_CRASH_LIST", list.string()}}});
  std::vector<std::string> steps;
  std::ifstream lines(list);
  for (std::string step; std::getline(lines, step);)
    if (std::find(steps.begin(), steps.end(), step) == steps.end()) steps.push_back(step);
  return steps;
}

void expect_answer(const TinyRun& tiny, bool must_answer) {
  const std::vector<std::string> texts = {"a slow song for piano and voice"};
  try {
    const RetrievalEngine engine = RetrievalEngine::open(tiny.store);
    const std::vector<LabelRanking> rankings = engine.rank(texts, 1);
    ASSERT_EQ(rankings.at(0).size(), 1u);
    EXPECT_EQ(engine.labels(rankings[0]).at(0).key, "music");
  } catch (const Error& error) {
    EXPECT_FALSE(must_answer) << error.what();
    EXPECT_EQ(error.kind(), ErrorKind::kNotFound) << error.what();
    EXPECT_THAT(error.what(), HasSubstr("dexter "));
  }
}

void expect_whole(const TinyRun& tiny, bool must_answer) {
  if (!std::filesystem::exists(tiny.store)) {
    EXPECT_FALSE(must_answer);
    return;
  }
  try {
    for (const Damage& damage : verify_store(tiny.store))
      ADD_FAILURE() << damage.file << ": " << damage.what;
  } catch (const Error& error) {  // killed before there was a store
    EXPECT_FALSE(must_answer) << error.what();
    EXPECT_EQ(error.kind(), ErrorKind::kNotFound) << error.what();
    return;
  }
  expect_answer(tiny, must_answer);
}

class Crash : public ::testing::TestWithParam<Operation> {};

TEST_P(Crash, AtEveryNamedStepLeavesAWholeStoreOnWhichTheVerbRunsAgain) {
  const Operation& operation = GetParam();
  const std::vector<std::string> steps = steps_of(operation);
  ASSERT_GE(steps.size(), 4u);
  for (const std::string& step : steps) {
    SCOPED_TRACE(step);
    const TinyRun tiny;
    prepare(tiny, operation);
    const std::vector<std::string> arguments = operation.arguments(tiny);
    const Outcome killed = run(arguments, {.env = {{"DEXTER_CRASH_AT", step}}});
    EXPECT_EQ(killed.signal, SIGKILL) << killed.err;
    expect_whole(tiny, operation.always_answers);
    const Outcome again = run(arguments);
    EXPECT_EQ(again.code, 0) << again.err;
    expect_whole(tiny, operation.always_answers);
  }
}

TEST_P(Crash, AtRandomMomentsInARowLeavesAWholeStore) {
  const Operation& operation = GetParam();
  const char* given = std::getenv("DEXTER_CRASH_ROUNDS");
  const int rounds = given == nullptr ? 4 : std::atoi(given);
  const auto seed = given == nullptr ? 1u : std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const TinyRun tiny;
  prepare(tiny, operation);
  const std::vector<std::string> arguments = operation.arguments(tiny);
  const auto start = std::chrono::steady_clock::now();
  run_ok(arguments);
  const auto whole_run = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - start);
  std::uniform_int_distribution<long> moment(1, std::max<long>(2, whole_run.count()));
  for (int round = 0; round < rounds; ++round) {
    Process process(arguments);
    if (!process.ends_within(std::chrono::milliseconds(moment(random)))) process.send(SIGKILL);
    process.finish();
    expect_whole(tiny, operation.always_answers);
  }
  run_ok(arguments);
  expect_whole(tiny, operation.always_answers);
}

INSTANTIATE_TEST_SUITE_P(
    Of, Crash,
    ::testing::Values(Operation{"FirstImport", false, false, &import_arguments},
                      Operation{"ReplacingImport", true, false, &import_arguments},
                      Operation{"Train", true, true, &train_arguments},
                      Operation{"Index", true, true, &index_arguments},
                      Operation{"LabelsAdd", true, true, &add_arguments},
                      Operation{"Compact", true, true, &compact_arguments, true}),
    [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace dexter::testing
