#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "index/contenders.h"
#include "index/huge_vector.h"
#include "index/row_source.h"
#include "storage/embedding_matrix.h"

namespace dexter {

// A copy of vectors in one byte a value, row by row, for scores of single rows: component j of row
// i is about scale_i * (code_ij - 128), with the bounds of ByteRows. Rows are padded to 64 bytes.
// Immutable; safe from many threads.
class CodeRows final : public CompactRows {
 public:
  struct Query {
    std::vector<std::int8_t> codes;
    ByteQuery bytes;
  };

  CodeRows() = default;
  // Makes the copy, with OpenMP threads.
  explicit CodeRows(EmbeddingView rows);
  // A copy of what `codes()` [rows x stride] and `bounds()` [rows] of another gave.
  CodeRows(int dim, std::span<const std::uint8_t> codes, std::span<const ByteVector> bounds);
  static std::size_t stride(int dim);  // bytes of a row

  std::span<const std::uint8_t> codes() const { return codes_; }
  std::vector<ByteVector> bounds() const;
  Query query(std::span<const float> vector) const;
  // Row `row` as a query, from its bytes.
  void query_of(std::size_t row, Query& query) const;
  // Inner product of the query and row `row`, to about a percent of their lengths.
  float score(const Query& query, std::size_t row) const;
  // Scores of some rows, [rows].
  void score_all(const Query& query, std::span<const std::int32_t> rows,
                 std::span<float> scores) const;
  // Where their inner product surely lies.
  Interval interval(const Query& query, std::uint32_t row) const;
  void prefetch(std::size_t row) const;
  void decode(std::size_t row, std::span<float> out) const override;

  std::size_t bytes() const { return codes_.size() + 3 * scales_.size() * sizeof(float); }

 private:
  void set_bounds(std::size_t row, const ByteVector& bounds);
  void measure();

  std::size_t stride_ = 0;
  HugeVector<std::uint8_t> codes_;     // [rows x stride]
  HugeVector<float> scales_;           // [rows]
  std::vector<float> errors_, norms_;  // [rows]
  float largest_norm_ = 0;             // no vector is longer
};

// Exact search over some rows of `codes`, whose vectors are `vectors`, in two looks:
// those of `allowed`, which ascend. Scores are RowScan's, bit for bit. Answers of each query, in
// order. Uses OpenMP threads, over the rows.
std::vector<std::vector<Hit>> code_scan(EmbeddingView queries, const Wanted& wanted,
                                        const CodeRows& codes, const RowSource& vectors,
                                        std::span<const std::uint32_t> allowed);

}  // namespace dexter
