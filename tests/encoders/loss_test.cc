// Every loss against finite differences, its double twin, and values worked out by hand.
#include "encoders/loss.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "tests/support/expect_error.h"

namespace dexter {
namespace {

using Columns = std::vector<std::uint32_t>;

std::unique_ptr<LossFunction> loss_of(const std::string& name) {
  return make_loss({.name = name, .temperature = 0.05});
}

std::vector<double> random_scores(std::size_t count, double spread, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(0, spread);
  std::vector<double> scores(count);
  for (double& score : scores) score = normal(random);
  return scores;
}

template <class Real>
struct Result {
  double loss = 0;
  std::vector<Real> gradient;
};

template <class Real>
Result<Real> backward(const LossFunction& loss, const std::vector<double>& scores,
                      const Columns& positives) {
  Result<Real> result{0, std::vector<Real>(scores.begin(), scores.end())};
  result.loss = loss.backward(std::span<Real>(result.gradient), positives);
  return result;
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const LossKind& row : loss_kinds()) all.emplace_back(row.name);
  return all;
}

class Loss : public ::testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<LossFunction> loss_ = loss_of(GetParam());
};

INSTANTIATE_TEST_SUITE_P(Every, Loss, ::testing::ValuesIn(names()),
                         [](const auto& param) { return param.param; });

TEST_P(Loss, GradientIsThatOfCentralDifferences) {
  for (const Columns& positives : {Columns{3}, Columns{0, 7, 28}, Columns{1, 2, 3, 4, 5}}) {
    const std::vector<double> scores = random_scores(29, 3, positives.size());
    const auto exact = backward<double>(*loss_, scores, positives);
    for (std::size_t j = 0; j < scores.size(); ++j) {
      constexpr double kStep = 1e-4;
      std::vector<double> above = scores, below = scores;
      above[j] += kStep;
      below[j] -= kStep;
      const double slope = (backward<double>(*loss_, above, positives).loss -
                            backward<double>(*loss_, below, positives).loss) /
                           (2 * kStep);
      EXPECT_NEAR(exact.gradient[j], slope, 1e-6 * std::max(std::abs(slope), 1e-2)) << j;
    }
  }
}

TEST_P(Loss, FloatAgreesWithDouble) {
  for (const std::size_t count : {2u, 17u, 1000u, 40'000u}) {
    const Columns positives{0, static_cast<std::uint32_t>(count - 1)};
    const std::vector<double> scores = random_scores(count, 6, count);
    const auto exact = backward<double>(*loss_, scores, positives);
    const auto fast = backward<float>(*loss_, scores, positives);
    EXPECT_NEAR(fast.loss, exact.loss, 1e-4 * (1 + std::abs(exact.loss)));
    for (std::size_t j = 0; j < count; ++j)
      ASSERT_NEAR(fast.gradient[j], exact.gradient[j], 1e-6 + 1e-5 * std::abs(exact.gradient[j]));
  }
}

TEST_P(Loss, FollowsAPermutationOfTheColumns) {
  const std::vector<double> scores = random_scores(50, 4, 8);
  const Columns positives{4, 19, 33};
  std::vector<std::uint32_t> to(scores.size());
  std::iota(to.begin(), to.end(), 0u);
  std::mt19937_64 random(9);
  std::shuffle(to.begin(), to.end(), random);
  std::vector<double> moved(scores.size());
  for (std::size_t j = 0; j < scores.size(); ++j) moved[to[j]] = scores[j];
  Columns moved_positives;
  for (const std::uint32_t p : positives) moved_positives.push_back(to[p]);
  std::reverse(moved_positives.begin(), moved_positives.end());

  const auto before = backward<double>(*loss_, scores, positives);
  const auto after = backward<double>(*loss_, moved, moved_positives);
  EXPECT_NEAR(before.loss, after.loss, 1e-12 * before.loss);
  for (std::size_t j = 0; j < scores.size(); ++j)
    EXPECT_NEAR(before.gradient[j], after.gradient[to[j]], 1e-14);
}

TEST_P(Loss, OfARowWithoutPositivesIsZero) {
  const std::vector<double> scores = random_scores(40, 5, 3);
  const auto exact = backward<double>(*loss_, scores, {});
  const auto fast = backward<float>(*loss_, scores, {});
  EXPECT_EQ(exact.loss, 0);
  EXPECT_EQ(fast.loss, 0);
  EXPECT_EQ(exact.gradient, std::vector<double>(40, 0));
  EXPECT_EQ(fast.gradient, std::vector<float>(40, 0));
}

// Between logits 160 apart one label has all the mass; e^-160 is far below the smallest float.
TEST_P(Loss, StaysExactAtHugeScoreGaps) {
  const std::vector<std::vector<double>> rows{
      {80, -80, -80}, {-80, 80, -80}, {80, 80, -80}, {-80, -80, 80}, {80, -80, 80}, {-80, -80, -80},
  };
  for (const Columns& positives : {Columns{0}, Columns{0, 1}, Columns{0, 1, 2}})
    for (const auto& scores : rows) {
      const auto exact = backward<double>(*loss_, scores, positives);
      const auto fast = backward<float>(*loss_, scores, positives);
      ASSERT_TRUE(std::isfinite(exact.loss));
      EXPECT_NEAR(fast.loss, exact.loss, 1e-4 * (1 + exact.loss));
      for (std::size_t j = 0; j < scores.size(); ++j) {
        ASSERT_TRUE(std::isfinite(exact.gradient[j]));
        EXPECT_NEAR(fast.gradient[j], exact.gradient[j], 1e-5);
      }
    }
}

TEST_P(Loss, PullsAPositiveUpAndPushesANegativeDown) {
  const auto result = backward<double>(*loss_, {0.5, 1, -0.5, 0}, {1});
  EXPECT_GT(result.loss, 0);
  EXPECT_LT(result.gradient[1], 0);
  for (const std::size_t negative : {0u, 2u, 3u}) EXPECT_GT(result.gradient[negative], 0);
}

// What compares labels with each other does not change when all scores rise; what knows a
// threshold does.
TEST_P(Loss, SumsItsGradientUpToZeroWhereItKnowsNoThreshold) {
  const bool has_threshold = GetParam() == "binary_cross_entropy" || GetParam() == "pu" ||
                             GetParam() == "mlcd" || GetParam() == "comic";
  const auto result = backward<double>(*loss_, random_scores(20, 3, 2), {1, 7});
  const double sum = std::accumulate(result.gradient.begin(), result.gradient.end(), 0.0);
  if (has_threshold)
    EXPECT_GT(std::abs(sum), 1e-5);
  else
    EXPECT_NEAR(sum, 0, 1e-14);
}

// e^s = 1, 2, 3 with the first and the last positive.
const std::vector<double> kHandScores{0, std::log(2.0), std::log(3.0)};
const Columns kHandPositives{0, 2};

// L = -ln(1/6) - ln(3/6) = ln 12; softmax = 1/6, 1/3, 1/2; gradient = 2 softmax - [positive].
TEST(SoftmaxLoss, IsAsWorkedOutByHand) {
  const auto result = backward<double>(*loss_of("softmax"), kHandScores, kHandPositives);
  EXPECT_NEAR(result.loss, std::log(12.0), 1e-14);
  EXPECT_NEAR(result.gradient[0], -2.0 / 3, 1e-15);
  EXPECT_NEAR(result.gradient[1], 2.0 / 3, 1e-15);
  EXPECT_NEAR(result.gradient[2], 0, 1e-15);
}

// Z = 2, so the positives have 1/(1+2) and 3/(3+2): L = -(ln 1/3 + ln 3/5) / 2 = ln(5) / 2. A
// positive's gradient is half of 1/3 - 1 and of 3/5 - 1; the negative's is 2 * (1/3 + 1/5) / 2.
TEST(DecoupledSoftmaxLoss, IsAsWorkedOutByHand) {
  const auto result = backward<double>(*loss_of("decoupled_softmax"), kHandScores, kHandPositives);
  EXPECT_NEAR(result.loss, std::log(5.0) / 2, 1e-14);
  EXPECT_NEAR(result.gradient[0], -1.0 / 3, 1e-15);
  EXPECT_NEAR(result.gradient[1], 8.0 / 15, 1e-15);
  EXPECT_NEAR(result.gradient[2], -1.0 / 5, 1e-15);
}

// Of the two positives above that of 3/(3+2) alone.
TEST(DecoupledSoftmaxLoss, TakesThePositivesOfTheHighestScores) {
  const auto of_one = make_loss({.name = "decoupled_softmax", .positives = 1});
  const auto result = backward<double>(*of_one, kHandScores, kHandPositives);
  EXPECT_NEAR(result.loss, std::log(5.0 / 3), 1e-14);
  EXPECT_EQ(result.gradient[0], 0);
  EXPECT_NEAR(result.gradient[1], 2.0 / 5, 1e-15);
  EXPECT_NEAR(result.gradient[2], -2.0 / 5, 1e-15);
}

// The others are left out of the row: here they stand at its end.
TEST(DecoupledSoftmaxLoss, TheOtherPositivesDoNotOccur) {
  std::vector<double> scores = random_scores(30, 2, 5);
  scores[3] = scores[12] = 9;  // alike, so taken together
  scores[28] = 8.9;
  scores[29] = -40;
  for (const std::string name : {"decoupled_softmax", "in_batch"})
    for (const auto& [most, length] : {std::pair{1, 28}, {2, 29}, {3, 30}, {9, 30}}) {
      SCOPED_TRACE(name + " " + std::to_string(most));
      const auto found =
          backward<double>(*make_loss({.name = name, .positives = most}), scores, {3, 12, 28, 29});
      Columns taken{3, 12, 28, 29};
      taken.resize(static_cast<std::size_t>(length - 26));
      auto expected =
          backward<double>(*loss_of(name), {scores.begin(), scores.begin() + length}, taken);
      expected.gradient.resize(30);
      EXPECT_NEAR(found.loss, expected.loss, 1e-14);
      for (std::size_t j = 0; j < 30; ++j)
        EXPECT_NEAR(found.gradient[j], expected.gradient[j], 1e-15) << j;
    }
}

TEST(Losses, OfTheBestPositivesAreOfTheDecoupledSoftmax) {
  testing::expect_error(
      ErrorKind::kInvalidInput, [] { LossOptions{.name = "softmax", .positives = 2}.validate(); },
      "loss.positives is 2", "softmax", "decoupled_softmax");
  LossOptions{.name = "in_batch", .positives = 2}.validate();
}

// With every label positive, softmax pulls towards equal scores: L = -sum ln softmax = ln 36, and
// 3 softmax - 1 = -1/2, 0, 1/2.
TEST(SoftmaxLoss, OfOnlyPositivesPullsThemTogether) {
  const auto result = backward<double>(*loss_of("softmax"), kHandScores, {0, 1, 2});
  EXPECT_NEAR(result.loss, std::log(36.0), 1e-14);
  EXPECT_NEAR(result.gradient[0], -0.5, 1e-15);
  EXPECT_NEAR(result.gradient[1], 0, 1e-15);
  EXPECT_NEAR(result.gradient[2], 0.5, 1e-15);
}

TEST(DecoupledSoftmaxLoss, OfOnlyPositivesIsZero) {
  const auto loss = loss_of("decoupled_softmax");
  for (const double gap : {1.0, 80.0}) {
    const auto exact = backward<double>(*loss, {gap, 0, -gap}, {0, 1, 2});
    const auto fast = backward<float>(*loss, {gap, 0, -gap}, {0, 1, 2});
    EXPECT_EQ(exact.loss, 0);
    EXPECT_EQ(fast.loss, 0);
    EXPECT_EQ(exact.gradient, std::vector<double>(3, 0));
    EXPECT_EQ(fast.gradient, std::vector<float>(3, 0));
  }
}

TEST(DecoupledSoftmaxLoss, GradientOfAPositiveDoesNotDependOnTheOthers) {
  const auto loss = loss_of("decoupled_softmax");
  std::vector<double> scores = random_scores(30, 2, 4);
  const Columns positives{2, 11, 20};
  const auto before = backward<float>(*loss, scores, positives);
  for (const double other : {-60.0, -3.0, 3.0, 60.0, 200.0}) {
    scores[11] = other;
    scores[20] = other / 2;
    const auto after = backward<float>(*loss, scores, positives);
    EXPECT_NEAR(after.gradient[2], before.gradient[2], 1e-6) << other;
  }
}

TEST(SoftmaxLoss, PositivesCompete) {
  const auto loss = loss_of("softmax");
  const auto before = backward<double>(*loss, {0, 0, 0}, {0, 1});
  const auto after = backward<double>(*loss, {0, 5, 0}, {0, 1});
  EXPECT_LT(after.gradient[0], before.gradient[0] - 0.1);
}

// The hand scores again for losses that know a threshold, which at the cosine 0 leaves x = s:
// sigmoid(x) = 1/2, 2/3, 3/4.
Result<double> at_threshold_0(const std::string& name, double focus = 0, double correction = 1) {
  const auto loss =
      make_loss({.name = name, .threshold = 0, .focus = focus, .correction = correction});
  return backward<double>(*loss, kHandScores, kHandPositives);
}

// L = -ln(1/2) - ln(1 - 2/3) - ln(3/4) = ln 8; gradient = p - [positive].
TEST(BinaryCrossEntropyLoss, IsAsWorkedOutByHand) {
  const auto result = at_threshold_0("binary_cross_entropy");
  EXPECT_NEAR(result.loss, std::log(8.0), 1e-14);
  EXPECT_NEAR(result.gradient[0], -0.5, 1e-15);
  EXPECT_NEAR(result.gradient[1], 2.0 / 3, 1e-15);
  EXPECT_NEAR(result.gradient[2], -0.25, 1e-15);
}

// sum p = 23/12, so L = ln(23/24) - ln(3/8) / 2; p (1 - p) = 1/4, 2/9, 3/16 over 23/12, and the
// positives have half of 1 - p = 1/2, 1/4 less.
TEST(PositiveUnlabelledLoss, IsAsWorkedOutByHand) {
  const auto result = at_threshold_0("pu");
  EXPECT_NEAR(result.loss, std::log(23.0 / 24) - std::log(3.0 / 8) / 2, 1e-14);
  EXPECT_NEAR(result.gradient[0], 3.0 / 23 - 1.0 / 4, 1e-15);
  EXPECT_NEAR(result.gradient[1], 8.0 / 69, 1e-15);
  EXPECT_NEAR(result.gradient[2], 9.0 / 92 - 1.0 / 8, 1e-15);
}

// ln(1 + 2) + ln(1 + 1 + 1/3); gradients -1 and -1/3 over 7/3, and 2/3.
TEST(ClusterDiscriminationLoss, IsAsWorkedOutByHand) {
  const auto result = at_threshold_0("mlcd");
  EXPECT_NEAR(result.loss, std::log(7.0), 1e-14);
  EXPECT_NEAR(result.gradient[0], -3.0 / 7, 1e-15);
  EXPECT_NEAR(result.gradient[1], 2.0 / 3, 1e-15);
  EXPECT_NEAR(result.gradient[2], -1.0 / 7, 1e-15);
}

// Without focus and correction it is binary cross-entropy; with focus 2 the negative's ln 3 weighs
// 4/9, and its gradient is 2 (4/9) (1/3) ln 3 + 8/27; corrected it is a positive.
TEST(ComicLoss, IsAsWorkedOutByHand) {
  const auto plain = at_threshold_0("comic"), focused = at_threshold_0("comic", 2),
             corrected = at_threshold_0("comic", 2, 0.6);
  EXPECT_NEAR(plain.loss, std::log(8.0), 1e-14);
  EXPECT_NEAR(plain.gradient[1], 2.0 / 3, 1e-15);
  EXPECT_NEAR(focused.loss, std::log(8.0 / 3) + std::log(3.0) * 4 / 9, 1e-14);
  EXPECT_NEAR(focused.gradient[1], std::log(3.0) * 8 / 27 + 8.0 / 27, 1e-15);
  EXPECT_NEAR(corrected.loss, std::log(8.0 / 3) + std::log(1.5), 1e-14);
  EXPECT_NEAR(corrected.gradient[1], -1.0 / 3, 1e-15);
  for (const auto& result : {plain, focused, corrected}) {
    EXPECT_NEAR(result.gradient[0], -0.5, 1e-15);
    EXPECT_NEAR(result.gradient[2], -0.25, 1e-15);
  }
}

// Cosines by temperature 1. One positive at 0.2; the leads over the four negatives are 0.05, -0.2,
// -0.6 and 0.4, so the lacks are 0.05, 0.4, 0.9 and 0, the slopes 1, 2, 1 and 0.
TEST(TripletLoss, HasADynamicMargin) {
  const std::vector<double> scores{0.2, 0.15, 0.4, 0.8, -0.2};
  const auto run = [&](int hardest) {
    const auto loss = make_loss({.name = "triplet", .temperature = 1, .hardest = hardest});
    return backward<double>(*loss, scores, {0});
  };
  const auto one = run(1), all = run(100);
  EXPECT_NEAR(one.loss, 0.9, 1e-14);
  EXPECT_NEAR(one.gradient[3], 1, 1e-14);
  EXPECT_NEAR(one.gradient[0], -1, 1e-14);
  EXPECT_EQ(one.gradient[2], 0);
  const double sum = std::exp(0.5) + std::exp(4) + std::exp(9) + 1;
  EXPECT_NEAR(all.loss, std::log(sum / 4) / 10, 1e-13);
  EXPECT_NEAR(all.gradient[1], std::exp(0.5) / sum, 1e-14);
  EXPECT_NEAR(all.gradient[2], 2 * std::exp(4) / sum, 1e-14);
  EXPECT_NEAR(all.gradient[3], std::exp(9) / sum, 1e-14);
  EXPECT_EQ(all.gradient[4], 0);
}

TEST(TripletLoss, TakesAsManyOfAlikeNegativesAsItMay) {
  const auto loss = make_loss({.name = "triplet", .temperature = 1, .hardest = 2});
  const auto result = backward<float>(*loss, {0, 0, 0, 0}, {3});
  EXPECT_NEAR(result.loss, 0.1, 1e-7);
  EXPECT_EQ(result.gradient, (std::vector<float>{0.5F, 0.5F, 0, -1}));
}

TEST(Losses, UnknownNameIsAnsweredWithTheKnownOnes) {
  testing::expect_error(
      ErrorKind::kInvalidInput, [] { loss_of("sofmax"); }, "loss.name", "sofmax",
      "decoupled_softmax", "softmax");
}

}  // namespace
}  // namespace dexter
