#include "index/tuning.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tests/index/vectors.h"

namespace dexter {
namespace {

using Recall = Tuning::Recall;

TEST(Tuning, TakesTheSpreadOfQueriesForItsDoubt) {
  // 50 queries found whole, 50 by half: 2.326 * sqrt(0.0625 * 100 / 99 / 100).
  std::vector<double> recalls(100, 1.0);
  std::fill(recalls.begin() + 50, recalls.end(), 0.5);
  const Recall spread = Tuning::estimate(recalls, 10);
  EXPECT_NEAR(spread.mean, 0.75, 1e-12);
  EXPECT_NEAR(spread.mean - spread.surely, 0.058443, 1e-5);
}

TEST(Tuning, DoubtsAtLeastAsMuchAsIndependentHitsWould) {
  // No spread at all, but 1000 hits of which a tenth are missed: 2.326 * sqrt(0.09 / 1000).
  const Recall even = Tuning::estimate(std::vector<double>(100, 0.9), 10);
  EXPECT_NEAR(even.mean - even.surely, 0.022066, 1e-5);
  EXPECT_EQ(Tuning::estimate(std::vector<double>(9, 1.0), 10).surely, 1);
  EXPECT_EQ(Tuning::estimate(std::vector<double>(2, 0.1), 1).surely, 0);
}

class Settings : public ::testing::Test {
 protected:
  Settings() : rows_(vectors_.matrix, vectors_.ids, core_), tuning_(rows_, vectors_.queries, 1) {}
  Tuning::Setting smallest(int first, int last, double target, double doubt) const {
    return tuning_.smallest(first, last, target, [&](int value) {
      const double mean = 1 - 1.0 / value;
      return Recall{mean, mean - doubt};
    });
  }
  const testing::Vectors vectors_{100, 6, 2};
  IndexCore core_;
  const SortedRows rows_;
  const Tuning tuning_;
};

// 1 - 1 / value reaches 0.95 at 20, and surely at 1 / (0.05 - 0.01) = 25; a gap of an eighth may be
// left.
TEST_F(Settings, AreTheSmallestThatSurelyReachTheTarget) {
  const Tuning::Setting certain = smallest(1, 4096, 0.95, 0);
  EXPECT_GE(certain.value, 20);
  EXPECT_LE(certain.value, 23);
  const Tuning::Setting doubtful = smallest(1, 4096, 0.95, 0.01);
  EXPECT_GE(doubtful.value, 25);
  EXPECT_LE(doubtful.value, 28);
  EXPECT_GE(doubtful.recall.surely, 0.95);
}

TEST_F(Settings, EndAtTheLastWhereNoneReachesTheTarget) {
  const Tuning::Setting last = smallest(1, 10, 0.95, 0);
  EXPECT_EQ(last.value, 10);
  EXPECT_NEAR(last.recall.mean, 0.9, 1e-12);
}

TEST_F(Settings, CountTheHitsThatASearchFinds) {
  const auto found = [&](std::size_t kept) {
    return tuning_.recall([&](EmbeddingView queries, int k) {
      std::vector<Hit> hits;
      RowScan scan(queries, k);
      scan.add(rows_.blocks(0, rows_.size()));
      hits = scan.take();
      for (std::size_t i = 0; i < hits.size(); ++i)
        if (i % 10 >= kept) hits[i] = {};
      return hits;
    });
  };
  EXPECT_EQ(found(10).mean, 1);
  EXPECT_NEAR(found(7).mean, 0.7, 1e-9);
  EXPECT_LT(found(7).surely, 0.7);
}

}  // namespace
}  // namespace dexter
