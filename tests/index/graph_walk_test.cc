#include "index/graph_walk.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <set>

#include "index/graph_builder.h"
#include "tests/index/vectors.h"
#include "tests/support/expect_error.h"

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

TEST(CodeRows, ScoreRowsTogetherAsOneByOne) {
  const EmbeddingMatrix rows = random_matrix(150, 70, 4), queries = random_matrix(1, 70, 5);
  const CodeRows codes(rows);
  const CodeRows::Query query = codes.query(queries.row(0));
  for (const std::size_t count : {0U, 1U, 3U, 4U, 7U, 64U, 65U, 150U}) {
    std::vector<std::int32_t> asked;
    for (std::size_t i = 0; i < count; ++i) asked.push_back(static_cast<std::int32_t>(149 - i));
    std::vector<float> scores(count);
    codes.score_all(query, asked, scores);
    for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(scores[i], codes.score(query, 149 - i));
  }
}

TEST(CodeRows, TakeARowForAQueryAndBoundEveryScore) {
  const EmbeddingMatrix rows = random_matrix(60, 33, 6);
  const CodeRows codes(rows);
  CodeRows::Query query;
  for (std::uint32_t i = 0; i < 60; ++i) {
    codes.query_of(7, query);
    const double exact = testing::dot(rows.row(i), rows.row(7));
    EXPECT_NEAR(codes.score(query, i), exact, 33 * (1.0 / 254 + 1.0 / 63) + 1e-4);
    const Interval interval = codes.interval(codes.query(rows.row(7)), i);
    EXPECT_LE(interval.lower, exact);
    EXPECT_GE(interval.upper, exact);
    EXPECT_LT(interval.upper - interval.lower, 0.5);
  }
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
      base_.push_back(i > 0 ? i - 1 : i + 1);
      base_.push_back(i > 0 && i + 1 < kRows ? i + 1 : -1);
      upper_begins_.push_back(i < 5 ? 0 : 1);
    }
    upper_begins_.push_back(1);
    upper_begins_[5] = 0;
  }
  GraphView view() const { return {1, base_, upper_begins_, upper_, 5}; }

  EmbeddingMatrix matrix_{kRows, 2};
  std::vector<std::int32_t> base_;
  std::vector<std::uint32_t> upper_begins_;
  const std::vector<std::int32_t> upper_{-1};
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
  const EmbeddingMatrix none(0, 4);
  EXPECT_TRUE(walk({}, CodeRows(none), random_matrix(1, 4, 1).row(0), 5).empty());
}

// Every row in reach, no link twice nor to the row itself, upper layers within.
TEST(GraphBuilder, LinksEveryRow) {
  const testing::Vectors vectors(3000, 16, 2);
  const CodeRows codes(vectors.matrix);
  const int before = omp_get_max_threads();
  for (const int threads : {1, 4}) {
    omp_set_num_threads(threads);
    const Graph graph = build_graph(codes, 3000, {.links = 8, .ef_construction = 40, .seed = 3});
    const GraphView view = graph.view();
    EXPECT_GT(view.top_layer(), 1);
    for (std::int32_t row = 0; row < 3000; ++row)
      for (int layer = 0; layer <= view.layers_above(row); ++layer) {
        const auto& all = layer == 0 ? view.base : view.upper;
        std::set<std::int32_t> linked;
        for (const std::int32_t to : all.subspan(view.links_begin(row, layer), view.room(layer))) {
          if (to < 0) break;
          EXPECT_NE(to, row);
          EXPECT_TRUE(linked.insert(to).second);
          EXPECT_GE(view.layers_above(to), layer);
        }
      }
    const auto found = walk(view, codes, vectors.queries.row(0), 3000);
    EXPECT_EQ(found.size(), 3000U) << threads << " threads";
  }
  omp_set_num_threads(before);
}

TEST(GraphBuilder, TellsHowFarItIsAndStops) {
  const testing::Vectors vectors(4000, 16, 2);
  const CodeRows codes(vectors.matrix);
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  std::uint64_t told = 0;
  std::stop_source stop;
  const Progress progress{.report =
                              [&](const ProgressEvent& event) {
                                EXPECT_EQ(event.stage, "building the graph");
                                EXPECT_EQ(event.total, 4000u);
                                EXPECT_GT(event.done, told);
                                told = event.done;
                                if (told > 1000) stop.request_stop();
                              },
                          .warn = {},
                          .stop = stop.get_token()};
  testing::expect_error(
      ErrorKind::kInterrupted, [&] { build_graph(codes, 4000, {.links = 8}, progress); },
      "building the graph");
  EXPECT_GT(told, 1000u);
  EXPECT_LT(told, 1200u);
  omp_set_num_threads(before);
}

TEST(GraphBuilder, BuildsAlikeFromOneSeedOnOneThread) {
  const testing::Vectors vectors(500, 16, 2);
  const CodeRows codes(vectors.matrix);
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  const auto build = [&] { return build_graph(codes, 500, {.links = 4}); };
  EXPECT_EQ(build().base, build().base);
  omp_set_num_threads(before);
  EXPECT_EQ(build_graph(CodeRows(EmbeddingMatrix(0, 4)), 0, {}).entry, -1);
}

}  // namespace
}  // namespace dexter
