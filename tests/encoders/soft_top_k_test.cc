// SoftTop-k beyond what every loss is tested for: hand-worked rows, and k.
#include "encoders/soft_top_k.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

namespace dexter {
namespace {

// Two scores d apart with k = 1: p = sigmoid(+-a d / 2), so L = log(1 + e^{-a d / 2}) and the
// gradient is that of a logistic of half the slope.
TEST(SoftTopK, OfTwoColumnsIsAsWorkedOutByHand) {
  const auto loss = make_soft_top_k({.name = "soft_top_k", .top_k_slope = 2});
  std::array<double, 2> scores{std::log(3.0), 0};
  EXPECT_NEAR(loss->backward(std::span<double>(scores), std::array<std::uint32_t, 1>{0}),
              std::log(4.0 / 3), 1e-13);
  EXPECT_NEAR(scores[0], -0.25, 1e-13);
  EXPECT_NEAR(scores[1], 0.25, 1e-13);
}

// Equal scores of four columns have p = k / 4 each: L = -log(k / 4); u = -a (1 - k/4) on the
// positive, and all v are equal, so each column takes a quarter of it.
TEST(SoftTopK, OfEqualScoresSharesKAlike) {
  for (const int k : {1, 2, 3}) {
    const auto loss = make_soft_top_k({.name = "soft_top_k", .top_k = k, .top_k_slope = 0.5});
    std::array<float, 4> scores{7, 7, 7, 7};
    EXPECT_NEAR(loss->backward(std::span<float>(scores), std::array<std::uint32_t, 1>{2}),
                -std::log(k / 4.0), 1e-12);
    const float pull = 0.5f * (1 - static_cast<float>(k) / 4);
    EXPECT_NEAR(scores[2], -0.75f * pull, 1e-6);
    for (const std::size_t j : {0u, 1u, 3u}) EXPECT_NEAR(scores[j], 0.25f * pull, 1e-6);
  }
}

// The loss of each column as the only positive gives its p; they sum up to k.
TEST(SoftTopK, SharesSumUpToK) {
  for (const int k : {1, 5, 28}) {
    const auto loss = make_soft_top_k({.name = "soft_top_k", .top_k = k, .top_k_slope = 3});
    double sum = 0;
    for (std::uint32_t p = 0; p < 29; ++p) {
      std::vector<double> scores;
      for (int j = 0; j < 29; ++j) scores.push_back(20 * std::sin(j));
      sum += std::exp(-loss->backward(std::span<double>(scores), std::array{p}));
    }
    EXPECT_NEAR(sum, k, 1e-11);
  }
}

TEST(SoftTopK, OfNoMoreColumnsThanKIsZero) {
  const auto loss = make_soft_top_k({.name = "soft_top_k", .top_k = 3});
  std::array<double, 3> scores{1, 2, 3};
  EXPECT_EQ(loss->backward(std::span<double>(scores), std::array<std::uint32_t, 1>{0}), 0);
  EXPECT_EQ(scores, (std::array<double, 3>{}));
}

}  // namespace
}  // namespace dexter
