#include "index/bounded_scan.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <functional>

#include "tests/index/vectors.h"

namespace dexter {
namespace {

using testing::blocks_of;
using testing::random_matrix;

std::vector<Hit> exact(const EmbeddingMatrix& rows, EmbeddingView queries, int k) {
  RowScan scan(queries, k);
  scan.add(blocks_of(rows));
  return scan.take();
}

std::vector<ByteIsa> isas() {
  if (best_byte_isa() == ByteIsa::kAvx2) return {ByteIsa::kAvx2};
  return {ByteIsa::kAvx2, ByteIsa::kAvx512Vnni};
}

void expect_exact(const EmbeddingMatrix& rows, EmbeddingView queries, int k) {
  const ByteRows bytes(rows);
  const std::vector<Hit> expected = exact(rows, queries, k);
  for (const ByteIsa isa : isas())
    EXPECT_EQ(bounded_scan(queries, k, {&bytes, rows}, isa), expected)
        << rows.rows() << " x " << rows.dim() << ", k " << k << ", kernel "
        << static_cast<int>(isa);
}

TEST(BoundedScan, AnswersBitForBitAsTheExactScanForEveryShape) {
  for (const int dim : {1, 3, 4, 17, 64, 257})
    for (const std::size_t rows : {1U, 16U, 17U, 128U, 129U, 700U}) {
      const EmbeddingMatrix matrix = random_matrix(rows, dim, 1);
      for (const std::size_t queries : {1U, 2U, 5U, 13U})
        for (const std::size_t k : {1U, 7U, 150U})
          expect_exact(matrix, random_matrix(queries, dim, 2),
                       static_cast<int>(std::min<std::size_t>(k, rows)));
    }
}

// Rounding to bytes blurs these most: lengths over ten powers of ten, one giant component, rows
// alike but for the last bits, rows and queries of zero, and values below the normal numbers.
TEST(BoundedScan, StaysExactWhereBytesBlurTheMost) {
  constexpr int kDim = 24;
  const std::function<float(std::size_t, int, float)> shapes[] = {
      [](std::size_t i, int, float v) { return v * std::pow(10.0F, static_cast<float>(i % 11)); },
      [](std::size_t, int j, float v) { return j == 5 ? 1000 * v : v; },
      [](std::size_t, int j, float v) { return 0.25F + (j == 7 ? 1e-7F * v : 0); },
      [](std::size_t i, int, float v) { return i % 3 == 0 ? 0 : v; },
      [](std::size_t, int, float v) { return 1e-39F * v; },
      [](std::size_t i, int, float v) { return (i % 2 == 0 ? 1e-30F : 1e18F) * v; },
  };
  for (const auto& shape : shapes) {
    const auto shaped = [&](std::size_t rows, unsigned seed) {
      EmbeddingMatrix matrix = random_matrix(rows, kDim, seed);
      for (std::size_t i = 0; i < rows; ++i)
        for (int j = 0; j < kDim; ++j)
          matrix.row(i)[static_cast<std::size_t>(j)] =
              shape(i, j, matrix.row(i)[static_cast<std::size_t>(j)]);
      return matrix;
    };
    const EmbeddingMatrix rows = shaped(900, 3);
    expect_exact(rows, shaped(9, 4), 10);
    expect_exact(rows, random_matrix(9, kDim, 5), 10);
  }
}

TEST(BoundedScan, KeepsTheFirstOfEqualRowsWhateverTheirNumber) {
  EmbeddingMatrix same(5000, 4);
  for (std::size_t i = 0; i < same.rows(); ++i) same.row(i)[0] = 0.3F;
  const ByteRows bytes(same);
  const EmbeddingMatrix query = random_matrix(1, 4, 6);
  const std::vector<Hit> found = bounded_scan(query, 30, {&bytes, same});
  for (std::uint32_t i = 0; i < 30; ++i) EXPECT_EQ(found[i].row, i);
}

TEST(BoundedScan, GivesTheSameBitsOnEveryThreadCountAndBatchSize) {
  const EmbeddingMatrix rows = random_matrix(30'000, 40, 7);
  const EmbeddingMatrix queries = random_matrix(11, 40, 8);
  const ByteRows bytes(rows);
  const std::vector<Hit> all = exact(rows, queries, 15);
  const int before = omp_get_max_threads();
  for (const int threads : {1, 2, 3, 8}) {
    omp_set_num_threads(threads);
    EXPECT_EQ(bounded_scan(queries, 15, {&bytes, rows}), all) << threads << " threads";
    for (std::size_t q = 0; q < queries.rows(); ++q)
      EXPECT_EQ(bounded_scan(queries.view().rows(q, 1), 15, {&bytes, rows}),
                std::vector<Hit>(all.begin() + static_cast<long>(q * 15),
                                 all.begin() + static_cast<long>(q * 15 + 15)));
  }
  omp_set_num_threads(before);
}

TEST(ByteRows, BoundWhatTheyHide) {
  const EmbeddingMatrix rows = random_matrix(100, 30, 9);
  const ByteRows bytes(rows);
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    const std::size_t b = i / ByteRows::kLanes, lane = i % ByteRows::kLanes;
    const ByteRows::Bounds& bounds = bytes.bounds(b);
    double error = 0, norm = 0;
    for (std::size_t j = 0; j < 30; ++j) {
      const int code = bytes.block(b)[(j / 4 * ByteRows::kLanes + lane) * 4 + j % 4];
      const double copy = static_cast<double>(bounds.scale[lane]) * (code - 128);
      error += std::pow(static_cast<double>(rows.row(i)[j]) - copy, 2);
      norm += copy * copy;
    }
    EXPECT_GE(bounds.error[lane], std::sqrt(error));
    EXPECT_LE(bounds.error[lane], std::sqrt(error) * 1.0001);
    EXPECT_LT(bounds.error[lane], 0.01 * bounds.norm[lane]);
    EXPECT_GE(bounds.norm[lane], std::sqrt(norm));
    EXPECT_GE(bytes.largest_norm(), bounds.norm[lane]);
  }
}

}  // namespace
}  // namespace dexter
