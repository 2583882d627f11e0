#include "index/graph_walk.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/index/vectors.h"

namespace dexter {
namespace {

using testing::random_matrix;

TEST(CodeRows, ScoreWithinTheRoundingOfBothSides) {
  for (const int dim : {1, 30, 64, 100, 256}) {
    const EmbeddingMatrix rows = random_matrix(50, dim, 1), queries = random_matrix(5, dim, 2);
    const CodeRows codes(rows);
    for (std::size_t q = 0; q < queries.rows(); ++q) {
      const CodeRows::Query query = codes.query(queries.row(q));
      for (std::size_t i = 0; i < rows.rows(); ++i) {
        // Values lie in [-1, 1]: a row's are off by at most 1/254, a query's by at most 1/126.
        const double most = dim * (1.0 / 254 + 1.0 / 126 + 1.0 / (254 * 126)) + 1e-4;
        EXPECT_NEAR(codes.score(query, i), testing::dot(rows.row(i), queries.row(q)), most)
            << dim << " dimensions";
      }
    }
  }
}

TEST(CodeRows, ScoreARowOfZeroAsZero) {
  const EmbeddingMatrix zero(2, 70);
  const CodeRows codes(zero);
  EXPECT_EQ(codes.score(codes.query(random_matrix(1, 70, 3).row(0)), 1), 0);
  EXPECT_EQ(codes.score(codes.query(zero.row(0)), 1), 0);
}

// Rows on a line of unit vectors, each linked to its neighbours, the fifth also in a second layer.
class Line : public ::testing::Test {
 protected:
  static constexpr int kRows = 40;
  Line() {
    for (int i = 0; i < kRows; ++i) {
      const float angle = 0.03F * static_cast<float>(i);
      matrix_.row(static_cast<std::size_t>(i))[0] = std::cos(angle);
      matrix_.row(static_cast<std::size_t>(i))[1] = std::sin(angle);
      offsets_.push_back(links_.size());
      links_.push_back(i > 0 ? i - 1 : i + 1);
      links_.push_back(i > 0 && i + 1 < kRows ? i + 1 : -1);
      if (i == 5) links_.insert(links_.end(), {-1, -1});
    }
    offsets_.push_back(links_.size());
  }
  GraphView view() const {
    return {
        .links = links_, .offsets = offsets_, .layer_begins = begins_, .entry = 5, .top_layer = 1};
  }

  EmbeddingMatrix matrix_{kRows, 2};
  std::vector<std::int32_t> links_;
  std::vector<std::size_t> offsets_;
  const std::vector<int> begins_{0, 2, 4};
};

TEST_F(Line, IsWalkedToItsNearestRows) {
  const CodeRows codes(matrix_);
  for (const std::size_t target : {0U, 5U, 17U, 39U}) {
    const std::vector<Hit> found = walk(view(), codes, matrix_.row(target), 8);
    ASSERT_EQ(found.size(), 8U);
    // Bytes may swap rows whose angles differ by 0.03, not more.
    EXPECT_NEAR(static_cast<double>(found[0].row), static_cast<double>(target), 2);
    for (std::size_t i = 1; i < found.size(); ++i) EXPECT_GE(found[i - 1].score, found[i].score);
  }
}

TEST_F(Line, GivesEveryRowOnceWhenAskedForMoreThanThereAre) {
  const CodeRows codes(matrix_);
  const std::vector<Hit> found = walk(view(), codes, matrix_.row(20), 1000);
  ASSERT_EQ(found.size(), static_cast<std::size_t>(kRows));
  std::vector<bool> seen(kRows);
  for (const Hit& hit : found) seen[hit.row] = true;
  EXPECT_EQ(std::count(seen.begin(), seen.end(), true), kRows);
}

TEST(GraphWalk, FindsNothingInAnEmptyGraph) {
  const std::vector<std::size_t> offsets{0};
  const std::vector<int> begins{0};
  const EmbeddingMatrix none(0, 4);
  EXPECT_TRUE(walk({.links = {}, .offsets = offsets, .layer_begins = begins}, CodeRows(none),
                   random_matrix(1, 4, 1).row(0), 5)
                  .empty());
}

}  // namespace
}  // namespace dexter
