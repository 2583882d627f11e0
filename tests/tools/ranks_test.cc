// Several processes of `dexter train` on one store, started by the variables that torchrun sets.
#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <csignal>
#include <memory>

#include "storage/catalog.h"
#include "tests/encoders/tiny_transformer.h"
#include "tests/support/free_port.h"
#include "tests/tools/tiny_run.h"

namespace dexter::testing {
namespace {

using ::testing::HasSubstr;

class Ranks : public ::testing::Test {
 protected:
  Ranks() {
    write_tiny_checkpoint(tiny_.folder / "weights");
    tiny_.import();
  }
  std::vector<std::string> arguments(const std::string& epochs,
                                     const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all = {"train",
                                    "--store",
                                    tiny_.store,
                                    "--encoder",
                                    "transformer",
                                    "--weights",
                                    (tiny_.folder / "weights").string(),
                                    "--json"};
    for (const std::string& word : tiny_settings(epochs)) all.push_back(word);
    all.insert(all.end(), {"--set", "transformer.learning_rate=0.001", "--set",
                           "transformer.chunk_tokens=64"});
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  static RunOptions rank(int rank, int size, int port) {
    return {.env = {{"RANK", std::to_string(rank)},
                    {"WORLD_SIZE", std::to_string(size)},
                    {"MASTER_ADDR", "127.0.0.1"},
                    {"MASTER_PORT", std::to_string(port)}}};
  }
  // The outcome of rank 0.
  Outcome run_ranks(int size, const std::vector<std::string>& words) const {
    const int port = free_port();
    std::vector<std::unique_ptr<Process>> others;
    for (int i = 1; i < size; ++i)
      others.push_back(std::make_unique<Process>(words, rank(i, size, port)));
    Outcome first = run(words, rank(0, size, port));
    for (const auto& other : others) {
      const Outcome outcome = other->finish();
      EXPECT_EQ(outcome.code, first.code) << outcome.err;
      EXPECT_EQ(outcome.out, "");
    }
    return first;
  }
  static std::vector<double> losses(const Outcome& outcome) {
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    std::vector<double> all;
    const boost::json::value report = boost::json::parse(outcome.out);
    for (const auto& epoch : report.at("history").as_array())
      all.push_back(epoch.at("loss").to_number<double>());
    return all;
  }

  TinyRun tiny_;
};

TEST_F(Ranks, LearnWhatOneProcessLearns) {
  const std::vector<double> alone = losses(run(arguments("3")));
  const std::vector<double> together = losses(run_ranks(2, arguments("3")));
  ASSERT_EQ(alone.size(), 3u);
  EXPECT_LT(alone[2], alone[0]);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(together.at(i), alone[i], 1e-3 * alone[i]);
  EXPECT_TRUE(verify_store(tiny_.store).empty());
  tiny_.index();
}

// These hold the vectors of all labels of a step, which each process has encoded a part of.
TEST_F(Ranks, LearnWhatOneProcessLearnsFromWholeVectors) {
  const std::vector<std::vector<std::string>> cases = {
      {"--loss", "in_batch"}, {"--loss", "triplet"}, {"--set", "transformer.stale_labels=true"}};
  for (const auto& more : cases) {
    SCOPED_TRACE(more.back());
    const auto words = arguments("3", more);
    const std::vector<double> alone = losses(run(words));
    const std::vector<double> together = losses(run_ranks(3, words));
    ASSERT_EQ(alone.size(), 3u);
    EXPECT_LT(alone[2], alone[0]);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(together.at(i), alone[i], 4e-3 * alone[i]);
  }
}

TEST_F(Ranks, EndWithOneThatIsKilledAndResumeInAnotherNumber) {
  const std::vector<double> whole = losses(run(arguments("6")));
  const int port = free_port();
  const auto words = arguments("6", {"--set", "runtime.rank_timeout=20"});
  Process first(words, rank(0, 2, port)), second(words, rank(1, 2, port));
  ASSERT_TRUE(first.wait_for_error("epoch 3/6")) << first.finish().err;
  second.send(SIGKILL);
  second.finish();
  const Outcome ended = first.finish();
  EXPECT_EQ(ended.code, 6) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("rank 0 of 2"));
  EXPECT_THAT(ended.err, HasSubstr("one of them ended"));
  const Outcome resumed = run(arguments("6", {"--resume"}));
  const std::vector<double> found = losses(resumed);
  EXPECT_TRUE(boost::json::parse(resumed.out).at("resumed").as_bool());
  ASSERT_EQ(found.size(), 6u);
  for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(found[i], whole[i], 2e-3 * whole[i]);
}

TEST_F(Ranks, RefuseWhatTheyCannotShare) {
  const Outcome lone = run(arguments("1"), {.env = {{"WORLD_SIZE", "2"}}});
  EXPECT_EQ(lone.code, 2);
  EXPECT_THAT(lone.err, HasSubstr("RANK is not"));
  const Outcome bad = run(arguments("1"), {.env = {{"WORLD_SIZE", "2"}, {"RANK", "2"}}});
  EXPECT_EQ(bad.code, 2);
  EXPECT_THAT(bad.err, HasSubstr("RANK is \"2\""));
  auto bag = arguments("1");
  bag[4] = "bag";
  EXPECT_THAT(run_ranks(2, bag).err, HasSubstr("training in 2 processes: the encoder is bag"));
  const int port = free_port();
  Process other(arguments("2"), rank(1, 2, port));
  EXPECT_NE(run(arguments("3"), rank(0, 2, port)).code, 0);
  const Outcome outcome = other.finish();
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("are not those of rank 0"));
}

}  // namespace
}  // namespace dexter::testing
