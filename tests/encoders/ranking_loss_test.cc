// The loss of a scorer's order, and an encoder that learns it.
#include "encoders/ranking_loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "encoders/encoder.h"
#include "encoders/feedback_trainer.h"
#include "tests/encoders/tiny_training.h"
#include "tests/support/expect_error.h"

namespace dexter {
namespace {

using testing::expect_error;
using testing::TempDir;

double loss_of(double weight, std::vector<double> scores, std::vector<std::uint32_t> best_first) {
  return make_ranking_loss(weight)->backward(std::span<double>(scores), best_first);
}

// Two candidates with scores 1 and 0 in the wrong order, and a column of 0 beside them: the pair
// weighs 1 - 1/2.
TEST(RankingLoss, IsTheWrittenOutFormula) {
  const double e = std::exp(1.0);
  EXPECT_NEAR(loss_of(1, {1, 0, 0}, {1, 0}), 0.5 * std::log(1 + e), 1e-12);
  EXPECT_NEAR(loss_of(1, {1, 0, 0}, {0, 1}), 0.5 * std::log(1 + 1 / e), 1e-12);
  EXPECT_NEAR(loss_of(0, {1, 0, 0}, {1, 0}), std::log(e + 2), 1e-12);
  EXPECT_NEAR(loss_of(0.8, {1, 0, 0}, {1, 0}), 0.8 * 0.5 * std::log(1 + e) + 0.2 * std::log(e + 2),
              1e-12);
  // Three alike: the pairs weigh 1/2, 2/3 and 1/6, their mean loss is 4/9 log 2.
  EXPECT_NEAR(loss_of(1, {0, 0, 0}, {2, 0, 1}), (0.5 + 2.0 / 3 + 1.0 / 6) / 3 * std::log(2.0),
              1e-12);
}

TEST(RankingLoss, GradientsAreThoseOfCentralDifferences) {
  std::mt19937_64 random(3);
  std::normal_distribution<double> normal(0, 3);
  for (const double weight : {0.0, 0.3, 0.8, 1.0})
    for (const std::vector<std::uint32_t>& order :
         {std::vector<std::uint32_t>{4}, {6, 2}, {1, 7, 3, 0, 5}}) {
      std::vector<double> scores(9);
      for (double& score : scores) score = normal(random);
      std::vector<double> gradient = scores;
      make_ranking_loss(weight)->backward(std::span<double>(gradient), order);
      for (std::size_t j = 0; j < scores.size(); ++j) {
        constexpr double kStep = 1e-5;
        std::vector<double> above = scores, below = scores;
        above[j] += kStep;
        below[j] -= kStep;
        const double slope =
            (loss_of(weight, above, order) - loss_of(weight, below, order)) / (2 * kStep);
        EXPECT_NEAR(gradient[j], slope, 1e-8) << weight << ' ' << j;
      }
    }
}

TEST(RankingLoss, StaysFiniteAtExtremeScoresAndIsNothingWithoutCandidates) {
  std::vector<float> scores{800, -800, 0};
  EXPECT_NEAR(make_ranking_loss(0.5)->backward(std::span(scores), std::vector<std::uint32_t>{1, 0}),
              0.5 * 0.5 * 1600 + 0.5 * 1600, 1e-2);
  for (const float each : scores) EXPECT_TRUE(std::isfinite(each));
  EXPECT_EQ(make_ranking_loss(0.5)->backward(std::span(scores), {}), 0);
  EXPECT_EQ(scores, std::vector<float>(3, 0));
  expect_error(
      ErrorKind::kInvalidInput, [] { make_ranking_loss(1.5); }, "0 to 1");
}

// Inputs "left 0", "left 1", ... whose scorer likes the demonstrations that say "right" and not
// those that say "left", which a fresh encoder finds nearer.
class Feedback : public ::testing::Test {
 protected:
  Feedback() {
    training_.set = {};
    training_.set.labels = {{.id = {}, .key = "a", .name = "a", .text = "a"},
                            {.id = LabelId{1}, .key = "b", .name = "b", .text = "b"}};
    for (std::uint32_t i = 0; i < kInputs; ++i) {
      set_.texts.push_back("left x" + std::to_string(i));
      set_.texts.push_back("right y" + std::to_string(i));
    }
    for (std::uint32_t i = 0; i < 2 * kInputs; ++i)
      training_.set.train.push_back({.id = DocumentId{i},
                                     .key = std::to_string(i),
                                     .text = set_.texts[i],
                                     .labels = {LabelId{i / 2 % 2}},
                                     .excluded = {}});
    training_.options.epochs = 1;
    training_.options.learning_rate = 0;
    start_ = training_.run(folder_.path()).encoder.file;
    for (std::uint32_t i = 0; i < kInputs; ++i) {
      RankedList list{.query = 2 * i, .candidates = {}, .scores = {}, .task = 0};
      for (std::uint32_t j = 1; j < 4; ++j) {
        list.candidates.push_back((2 * (i + j) + 1) % (2 * kInputs));
        list.scores.push_back(1 - 0.01 * j);
      }
      for (std::uint32_t j = 1; j < 4; ++j) {
        list.candidates.push_back(2 * (i + j) % (2 * kInputs));
        list.scores.push_back(0.5 - 0.01 * j);
      }
      set_.lists.push_back(list);
    }
  }

  float similarity(const FileRef& file, const char* a, const char* b) const {
    const std::vector<std::string> texts{a, b};
    const EmbeddingMatrix rows = load_encoder(folder_.path(), file)->encode(texts);
    return testing::dot(rows.row(0), rows.row(1));
  }

  static constexpr std::uint32_t kInputs = 24;
  TempDir folder_;
  testing::TinyTraining training_;
  FileRef start_;
  FeedbackSet set_;
  FeedbackOptions options_{.epochs = 30, .batch = 6, .learning_rate = 0.02, .feature_dropout = 0};
};

TEST_F(Feedback, BringsAnInputNearWhatTheScorerLikes) {
  EXPECT_GT(similarity(start_, "left", "left x3"), similarity(start_, "left", "right y3"));
  for (const char* loss : {"udr", "epr"}) {
    options_.loss = loss;
    const FeedbackRun run = train_on_feedback(folder_.path(), start_, loss, set_, options_, 5, {});
    EXPECT_EQ(run.steps, 30U * 24 / 6);
    EXPECT_GT(similarity(run.file, "left x1", "right y3"),
              similarity(run.file, "left x1", "left x3"))
        << loss;
  }
}

TEST_F(Feedback, GivesTheSameEncoderForTheSameSeed) {
  const auto once = train_on_feedback(folder_.path(), start_, "a", set_, options_, 5, {});
  const auto twice = train_on_feedback(folder_.path(), start_, "b", set_, options_, 5, {});
  const auto other = train_on_feedback(folder_.path(), start_, "c", set_, options_, 6, {});
  EXPECT_EQ(once.file.checksum, twice.file.checksum);
  EXPECT_NE(once.file.checksum, other.file.checksum);
}

TEST_F(Feedback, SaysWhatItCannotLearnFrom) {
  const auto run = [&] { train_on_feedback(folder_.path(), start_, "a", set_, options_, 5, {}); };
  for (RankedList& list : set_.lists) list.scores.assign(list.scores.size(), 1);
  expect_error(
      ErrorKind::kInvalidInput, [&] { run(); }, "none of the 24 inputs");
  options_.loss = "udt";
  expect_error(
      ErrorKind::kInvalidInput, [&] { run(); }, "demos.loss is \"udt\"");
}

TEST_F(Feedback, StopsBetweenStepsWhenAsked) {
  std::stop_source stop;
  stop.request_stop();
  expect_error(
      ErrorKind::kInterrupted,
      [&] {
        train_on_feedback(folder_.path(), start_, "a", set_, options_, 5,
                          {.report = {}, .warn = {}, .stop = stop.get_token()});
      },
      "training");
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "a"));
}

}  // namespace
}  // namespace dexter
