#include "index/row_scan.h"

#include <gtest/gtest.h>
#include <omp.h>

#include "tests/index/vectors.h"

namespace dexter {
namespace {

using testing::blocks_of;
using testing::random_matrix;

std::vector<Hit> scan(const RowBlocks& rows, EmbeddingView queries, int k, Isa isa = best_isa()) {
  RowScan scan(queries, k, isa);
  scan.add(rows);
  return scan.take();
}

TEST(RowScan, FindsTheBestRowsOfEveryShape) {
  for (const int dim : {1, 3, 17, 64}) {
    for (const std::size_t rows : {1U, 15U, 16U, 17U, 64U, 65U, 300U}) {
      const EmbeddingMatrix matrix = random_matrix(rows, dim, 1);
      const RowBlocks blocks = blocks_of(matrix);
      const EmbeddingMatrix queries = random_matrix(13, dim, 2);
      const int k = static_cast<int>(std::min<std::size_t>(rows, 7));
      const std::vector<Hit> found = scan(blocks, queries, k);
      std::vector<std::int64_t> numbers(rows);
      std::iota(numbers.begin(), numbers.end(), 0);
      for (std::size_t q = 0; q < queries.rows(); ++q) {
        const auto expected = testing::brute_force(matrix, numbers, queries.row(q));
        for (int i = 0; i < k; ++i) {
          const Hit& hit = found[q * k + i];
          ASSERT_LT(hit.row, rows);
          EXPECT_NEAR(hit.score, expected[i].score, 1e-5);
          EXPECT_NEAR(hit.score, testing::dot(matrix.row(hit.row), queries.row(q)), 1e-5);
        }
      }
    }
  }
}

TEST(RowScan, GivesTheSameBitsUnderEveryInstructionSet) {
  if (best_isa() == Isa::kAvx2) GTEST_SKIP() << "this processor has no AVX-512";
  const RowBlocks blocks = blocks_of(random_matrix(777, 50, 3));
  for (const std::size_t queries : {1U, 4U, 6U, 8U, 23U}) {
    const EmbeddingMatrix matrix = random_matrix(queries, 50, 4);
    EXPECT_EQ(scan(blocks, matrix, 20, Isa::kAvx2), scan(blocks, matrix, 20, Isa::kAvx512));
  }
}

TEST(RowScan, GivesTheSameBitsForEveryBatchSize) {
  const RowBlocks blocks = blocks_of(random_matrix(500, 33, 5));
  const EmbeddingMatrix queries = random_matrix(21, 33, 6);
  const std::vector<Hit> all = scan(blocks, queries, 9);
  for (std::size_t batch = 1; batch <= 9; ++batch) {
    std::vector<Hit> parts;
    for (std::size_t q = 0; q < queries.rows(); q += batch) {
      const auto part =
          scan(blocks, queries.view().rows(q, std::min(batch, queries.rows() - q)), 9);
      parts.insert(parts.end(), part.begin(), part.end());
    }
    EXPECT_EQ(parts, all) << "batches of " << batch;
  }
}

TEST(RowScan, GivesTheSameBitsOnEveryThreadCount) {
  // 12,000 x 40 values are worth several threads for one query, and make several tasks.
  const RowBlocks blocks = blocks_of(random_matrix(12'000, 40, 7));
  const EmbeddingMatrix queries = random_matrix(5, 40, 8);
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  const std::vector<Hit> alone = scan(blocks, queries, 15);
  for (const int threads : {2, 3, 8}) {
    omp_set_num_threads(threads);
    EXPECT_EQ(scan(blocks, queries, 15), alone) << threads << " threads";
  }
  omp_set_num_threads(before);
}

TEST(RowScan, KeepsTheFirstOfEqualRowsWhateverTheirNumber) {
  const EmbeddingMatrix same = [] {
    EmbeddingMatrix matrix(5000, 4);
    for (std::size_t i = 0; i < matrix.rows(); ++i) matrix.row(i)[0] = 1;
    return matrix;
  }();
  EmbeddingMatrix query(1, 4);
  query.row(0)[0] = 2;
  const std::vector<Hit> found = scan(blocks_of(same), query, 30);
  for (std::uint32_t i = 0; i < 30; ++i) EXPECT_EQ(found[i].row, i);
}

TEST(RowScan, NeverOffersThePaddingOfTheLastBlock) {
  EmbeddingMatrix rows(3, 2);  // all scores below the zeros of the padding
  for (std::size_t i = 0; i < 3; ++i) rows.row(i)[0] = -1.0F - static_cast<float>(i);
  EmbeddingMatrix query(1, 2);
  query.row(0)[0] = 1;
  const std::vector<Hit> expected = {{-1, 0}, {-2, 1}, {-3, 2}, Hit{}, Hit{}};
  EXPECT_EQ(scan(blocks_of(rows), query, 5), expected);
}

TEST(RowScan, NumbersTheRowsOfLaterPiecesOnward) {
  const EmbeddingMatrix rows = random_matrix(200, 8, 10);
  const EmbeddingMatrix queries = random_matrix(3, 8, 11);
  RowScan pieces(queries, 12);
  pieces.add(blocks_of(rows.view().rows(0, 70)), 0);
  pieces.add(blocks_of(rows.view().rows(70, 130)), 70);
  EXPECT_EQ(pieces.take(), scan(blocks_of(rows), queries, 12));
}

TEST(Rescore, ScoresCandidatesBitForBitAsTheScan) {
  const EmbeddingMatrix rows = random_matrix(150, 37, 12);
  const EmbeddingMatrix queries = random_matrix(4, 37, 13);
  const std::vector<Hit> expected = scan(blocks_of(rows), queries, 10);
  std::vector<Place> places(150);
  for (std::uint32_t i = 0; i < 150; ++i) places[i] = {149 - i, 149 - i};
  for (std::size_t q = 0; q < queries.rows(); ++q) {
    std::vector<Hit> best(10);
    rescore(queries.row(q), rows, places, best);
    EXPECT_EQ(best, std::vector<Hit>(expected.begin() + static_cast<long>(q * 10),
                                     expected.begin() + static_cast<long>(q * 10 + 10)));
  }
  std::vector<Hit> few(3);
  rescore(queries.row(0), rows, std::vector<Place>{{9, 5}}, few);
  EXPECT_EQ(few[0].row, 5U);
  EXPECT_EQ(few[1], Hit{});
}

}  // namespace
}  // namespace dexter
