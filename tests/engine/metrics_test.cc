#include "engine/metrics.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

namespace dexter {
namespace {

std::vector<LabelId> ids_of(std::initializer_list<std::uint32_t> values) {
  std::vector<LabelId> result;
  for (const std::uint32_t id : values) result.push_back(LabelId{id});
  return result;
}

// Hits at ranks 2 and 5 of five; one of the three positives is never found.
const std::vector<LabelId> kRanked = ids_of({3, 1, 7, 5, 2});
const std::vector<LabelId> kTruth = ids_of({1, 2, 9});

TEST(Precision, IsTheShareOfTheFirstKThatIsTrue) {
  EXPECT_DOUBLE_EQ(precision_at_k(kRanked, kTruth, 1), 0.0);
  EXPECT_DOUBLE_EQ(precision_at_k(kRanked, kTruth, 2), 1.0 / 2);
  EXPECT_DOUBLE_EQ(precision_at_k(kRanked, kTruth, 3), 1.0 / 3);
  EXPECT_DOUBLE_EQ(precision_at_k(kRanked, kTruth, 5), 2.0 / 5);
}

TEST(Precision, CountsMissingPlacesAsMisses) {
  EXPECT_DOUBLE_EQ(precision_at_k(ids_of({1}), ids_of({1}), 5), 1.0 / 5);
  EXPECT_DOUBLE_EQ(precision_at_k({}, kTruth, 3), 0.0);
}

TEST(Recall, DividesByTheNumberOfPositives) {
  EXPECT_DOUBLE_EQ(recall_at_k(kRanked, kTruth, 1), 0.0);
  EXPECT_DOUBLE_EQ(recall_at_k(kRanked, kTruth, 3), 1.0 / 3);
  EXPECT_DOUBLE_EQ(recall_at_k(kRanked, kTruth, 5), 2.0 / 3);
  EXPECT_DOUBLE_EQ(recall_at_k(kRanked, kTruth, 10), 2.0 / 3);
}

// Discounts 1/log2(j+1): 1, 0.6309298, 0.5, 0.4306766, 0.3868528; the ideal of three positives
// is 2.1309298.
TEST(Ndcg, DiscountsHitsByRankAgainstTheIdealRanking) {
  EXPECT_DOUBLE_EQ(ndcg_at_k(kRanked, kTruth, 1), 0.0);
  EXPECT_NEAR(ndcg_at_k(kRanked, kTruth, 3), 0.6309298 / 2.1309298, 1e-7);
  EXPECT_NEAR(ndcg_at_k(kRanked, kTruth, 5), (0.6309298 + 0.3868528) / 2.1309298, 1e-7);
}

TEST(Ndcg, IsOneForAPerfectRankingShorterThanK) {
  EXPECT_DOUBLE_EQ(ndcg_at_k(ids_of({4, 2}), ids_of({2, 4}), 5), 1.0);
}

// Four positives and k = 2: the ideal holds min(k, positives) = 2 of them.
TEST(Ndcg, BoundsTheIdealByK) {
  EXPECT_NEAR(ndcg_at_k(ids_of({9, 1}), ids_of({1, 2, 3, 4}), 2), 0.6309298 / 1.6309298, 1e-7);
}

TEST(Metrics, AreZeroForARowWithoutPositives) {
  EXPECT_DOUBLE_EQ(precision_at_k(kRanked, {}, 3), 0.0);
  EXPECT_DOUBLE_EQ(recall_at_k(kRanked, {}, 3), 0.0);
  EXPECT_DOUBLE_EQ(ndcg_at_k(kRanked, {}, 3), 0.0);
}

// A = B = 1, N = 20: C = (ln 20 - 1) * 2 = 3.9914645; q = 1 + C / (N_l + 1).
TEST(Propensity, FollowsTheFormulaWithRoundConstants) {
  const std::vector<std::uint32_t> frequencies = {0, 1, 3};
  const std::vector<double> q = inverse_propensities(frequencies, 20, {.a = 1, .b = 1});
  ASSERT_EQ(q.size(), 3u);
  EXPECT_NEAR(q[0], 4.9914645, 1e-7);
  EXPECT_NEAR(q[1], 2.9957323, 1e-7);
  EXPECT_NEAR(q[2], 1.9978661, 1e-7);
}

// A = 0.5, B = 3: (B + 1)^A = 2, so C = 2 (ln 1000 - 1) = 11.8155106; N_l = 1 and 13 give the
// divisors sqrt(4) = 2 and sqrt(16) = 4.
TEST(Propensity, RaisesTheFrequencyToMinusA) {
  const std::vector<std::uint32_t> frequencies = {1, 13};
  const std::vector<double> q = inverse_propensities(frequencies, 1000, {.a = 0.5, .b = 3});
  EXPECT_NEAR(q[0], 6.9077553, 1e-7);
  EXPECT_NEAR(q[1], 3.9538776, 1e-7);
}

TEST(Propensity, IsOneWhereTheModelSaysNothing) {
  const std::vector<std::uint32_t> frequencies = {0, 2};
  for (const std::uint64_t documents : {0u, 1u, 2u})
    for (const double q : inverse_propensities(frequencies, documents, {}))
      EXPECT_DOUBLE_EQ(q, 1.0) << documents << " documents";
}

// q = 4, 2, 1.5, 3 of labels 0 to 3; truth {0, 1, 2}, ranked 3, 1, 2.
TEST(PropensityGain, ComparesTheGainWithTheBestAttainable) {
  const std::vector<double> q = {4, 2, 1.5, 3};
  const std::vector<LabelId> ranked = ids_of({3, 1, 2});
  const std::vector<LabelId> truth = ids_of({0, 1, 2});
  const double gained[] = {0, 2, 3.5};
  const double attainable[] = {4, 6, 7.5};
  for (int k = 1; k <= 3; ++k) {
    const PropensityGain gain = propensity_gain_at_k(ranked, truth, k, q);
    EXPECT_DOUBLE_EQ(gain.gained, gained[k - 1]) << "k = " << k;
    EXPECT_DOUBLE_EQ(gain.attainable, attainable[k - 1]) << "k = " << k;
  }
}

TEST(PropensityGain, OfARowWithFewerPositivesThanKIsBoundedByThem) {
  const std::vector<double> q = {4, 2};
  const PropensityGain gain = propensity_gain_at_k(ids_of({1}), ids_of({1}), 5, q);
  EXPECT_DOUBLE_EQ(gain.gained, 2);
  EXPECT_DOUBLE_EQ(gain.attainable, 2);
}

TEST(PropensityGain, IsNothingWithoutPositives) {
  const std::vector<double> q = {4, 2};
  const PropensityGain gain = propensity_gain_at_k(ids_of({1, 0}), {}, 2, q);
  EXPECT_DOUBLE_EQ(gain.gained, 0);
  EXPECT_DOUBLE_EQ(gain.attainable, 0);
}

}  // namespace
}  // namespace dexter
