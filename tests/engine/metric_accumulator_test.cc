#include "engine/metric_accumulator.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/expect_error.h"

namespace dexter {
namespace {

LabelRanking ranking(std::initializer_list<std::pair<std::uint32_t, float>> answers) {
  LabelRanking result;
  for (const auto& [id, score] : answers) result.push_back({LabelId{id}, score});
  return result;
}

std::vector<LabelId> ids(std::initializer_list<std::uint32_t> values) {
  std::vector<LabelId> result;
  for (const std::uint32_t id : values) result.push_back(LabelId{id});
  return result;
}

// 1, 0, 1, 0: s^2 = 4 * 0.25 / 3, s = 0.5773503; 1.959964 * 0.5773503 / sqrt(4) = 0.5657928.
TEST(MeanEstimate, GivesTheNormalInterval) {
  MeanEstimate estimate;
  for (const double x : {1.0, 0.0, 1.0, 0.0}) estimate.add(x);
  EXPECT_DOUBLE_EQ(estimate.mean(), 0.5);
  EXPECT_NEAR(estimate.half_width(), 0.5657928, 1e-7);
}

TEST(MeanEstimate, HasNoIntervalOverOneRow) {
  MeanEstimate estimate;
  EXPECT_DOUBLE_EQ(estimate.mean(), 0);
  estimate.add(0.25);
  EXPECT_DOUBLE_EQ(estimate.mean(), 0.25);
  EXPECT_DOUBLE_EQ(estimate.half_width(), 0);
}

// (1,2), (3,3), (0,1): R = 2/3; residuals x - R y = -1/3, 1, -2/3 with squares 14/9; over n - 1 = 2
// and n = 3: sqrt(7/27) = 0.5091751; over the mean of y, 2, times 1.959964: 0.4989824.
TEST(RatioEstimate, GivesTheDeltaMethodsInterval) {
  RatioEstimate estimate;
  estimate.add(1, 2);
  estimate.add(3, 3);
  estimate.add(0, 1);
  EXPECT_DOUBLE_EQ(estimate.ratio(), 2.0 / 3);
  EXPECT_NEAR(estimate.half_width(), 0.4989824, 1e-7);
}

TEST(RatioEstimate, OfProportionalRowsHasNoWidth) {
  RatioEstimate estimate;
  estimate.add(1, 2);
  estimate.add(2, 4);
  EXPECT_DOUBLE_EQ(estimate.ratio(), 0.5);
  EXPECT_NEAR(estimate.half_width(), 0, 1e-12);
}

// Three documents over six labels with 0, 3, 6, 51, 50 and 5 training documents:
//   ranked 3, 1, 0   truth 0, 3   hits at ranks 1 and 3
//   ranked 2, 4      truth 1, 4   a hit at rank 2; label 1 is never found
//   ranked 5         truth -
// Propensities with A = 1, B = 1, N = 20 are q = 1 + C / (N_l + 1), C = 3.9914645:
// q0 = 4.9914645, q1 = 1.9978661, q3 = 1.0767589, q4 = 1.0782640.
class ThreeDocuments : public ::testing::Test {
 protected:
  ThreeDocuments() : accumulator({1, 3}, {0, 3, 6, 51, 50, 5}, 20, {.a = 1, .b = 1}) {
    accumulator.add(ranking({{3, 0.91f}, {1, 0.52f}, {0, 0.13f}}), ids({0, 3}));
    accumulator.add(ranking({{2, 1.0f}, {4, 0.53f}}), ids({1, 4}));
    accumulator.add(ranking({{5, -0.21f}}), {});
    report = accumulator.report();
  }
  MetricAccumulator accumulator;
  Report report;
};

TEST_F(ThreeDocuments, KeepRowsWithoutPositivesInTheMeans) {
  EXPECT_EQ(report.documents, 3u);
  EXPECT_EQ(report.documents_without_labels, 1u);
  ASSERT_EQ(report.precision.size(), 2u);
  EXPECT_EQ(report.precision[0].k, 1);
  EXPECT_NEAR(report.precision[0].value, 100.0 / 3, 1e-9);              // 1, 0, 0
  EXPECT_NEAR(report.precision[1].value, 100.0 * (2.0 + 1) / 9, 1e-9);  // 2/3, 1/3, 0
  // (1 + 0.5) / 1.6309298 and 0.6309298 / 1.6309298, over three documents
  EXPECT_NEAR(report.ndcg[1].value, 100 * (1.5 + 0.6309298) / 1.6309298 / 3, 1e-5);
}

TEST_F(ThreeDocuments, GiveRecallAtTheRanksAndAtTen) {
  ASSERT_EQ(report.recall.size(), 3u);
  EXPECT_EQ(report.recall[2].k, 10);
  EXPECT_NEAR(report.recall[0].value, 50.0 / 3, 1e-9);   // 1/2, 0, 0
  EXPECT_NEAR(report.recall[1].value, 150.0 / 3, 1e-9);  // 1, 1/2, 0
  EXPECT_NEAR(report.recall[2].value, 150.0 / 3, 1e-9);
}

// PSP@1: gained q3 over attainable q0 + q1; PSP@3: q3 + q0 + q4 over q0 + q3 + q1 + q4.
TEST_F(ThreeDocuments, GivePspAsTheRatioOfMeans) {
  EXPECT_NEAR(report.psp[0].value, 100 * 1.0767589 / (4.9914645 + 1.9978661), 1e-5);
  EXPECT_NEAR(
      report.psp[1].value,
      100 * (1.0767589 + 4.9914645 + 1.0782640) / (1.0767589 + 4.9914645 + 1.9978661 + 1.0782640),
      1e-5);
}

TEST_F(ThreeDocuments, GroupThePairsByTrainingDocuments) {
  ASSERT_EQ(report.bands.size(), 4u);
  const char* const names[] = {"none", "1-5", "6-50", ">50"};
  const double found[] = {100, 0, 100, 100};  // labels 0, 1, 4 and 3
  for (std::size_t i = 0; i < 4; ++i) {
    SCOPED_TRACE(names[i]);
    EXPECT_EQ(report.bands[i].name, names[i]);
    EXPECT_EQ(report.bands[i].labels, 1u);
    EXPECT_EQ(report.bands[i].positives, 1u);
    EXPECT_DOUBLE_EQ(report.bands[i].recall_at_5, found[i]);
    EXPECT_DOUBLE_EQ(report.bands[i].recall_at_10, found[i]);
  }
  EXPECT_DOUBLE_EQ(report.coverage_at_5, 75.0);
}

// Bins are 0.05 wide from -1: 0.91 falls into 38, 0.13 into 22, 0.53 into 30; 1.0 into the
// last, 39.
TEST_F(ThreeDocuments, CountScoresOfHitsAndMisses) {
  ASSERT_EQ(report.score_histogram_hits.size(), 40u);
  ASSERT_EQ(report.score_histogram_misses.size(), 40u);
  std::vector<std::uint64_t> hits(40), misses(40);
  hits[38] = hits[22] = hits[30] = 1;
  misses[30] = misses[39] = misses[15] = 1;
  EXPECT_EQ(report.score_histogram_hits, hits);
  EXPECT_EQ(report.score_histogram_misses, misses);
}

TEST(MetricAccumulator, TellsTheFirstFiveFromTheFirstTen) {
  MetricAccumulator accumulator({1}, std::vector<std::uint32_t>(20, 1), 20, {});
  LabelRanking answers;
  for (std::uint32_t id = 0; id < 12; ++id) answers.push_back({LabelId{id}, 0.5f});
  accumulator.add(answers, ids({4, 5, 9, 10}));
  const Report report = accumulator.report();
  EXPECT_DOUBLE_EQ(report.bands[1].recall_at_5, 25.0);
  EXPECT_DOUBLE_EQ(report.bands[1].recall_at_10, 75.0);
  EXPECT_DOUBLE_EQ(report.coverage_at_5, 25.0);
  EXPECT_EQ(std::accumulate(report.score_histogram_misses.begin(),
                            report.score_histogram_misses.end(), std::uint64_t{0}),
            4u);  // of the first five answers
}

TEST(MetricAccumulator, DoesNotRepeatRecallAtTen) {
  MetricAccumulator accumulator({5, 10, 20}, {1}, 20, {});
  const Report report = accumulator.report();
  ASSERT_EQ(report.recall.size(), 3u);
  EXPECT_EQ(report.recall[1].k, 10);
}

TEST(MetricAccumulator, RefusesALabelOfAnotherStore) {
  MetricAccumulator accumulator({1}, {3, 4}, 20, {});
  testing::expect_error(
      ErrorKind::kInvalidInput,
      [&] {
        accumulator.add({}, ids({0, 2}));
      },
      "label 2", "2 labels");
}

}  // namespace
}  // namespace dexter
