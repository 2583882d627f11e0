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
  const auto result = backward<double>(*loss_, {0.5, 1, -2, 0}, {1});
  EXPECT_GT(result.loss, 0);
  EXPECT_LT(result.gradient[1], 0);
  for (const std::size_t negative : {0u, 2u, 3u}) EXPECT_GT(result.gradient[negative], 0);
  EXPECT_NEAR(std::accumulate(result.gradient.begin(), result.gradient.end(), 0.0), 0, 1e-15);
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

TEST(Losses, UnknownNameIsAnsweredWithTheKnownOnes) {
  testing::expect_error(
      ErrorKind::kInvalidInput, [] { loss_of("sofmax"); }, "loss.name", "sofmax",
      "decoupled_softmax", "softmax");
}

}  // namespace
}  // namespace dexter
