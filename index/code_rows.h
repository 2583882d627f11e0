#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "index/contenders.h"
#include "storage/embedding_matrix.h"

namespace dexter {

// A copy of vectors in one byte a value, row by row, for scores of single rows: component j of row
// i is about scale_i * (code_ij - 128), with the bounds of ByteRows. Rows are padded to 64 bytes.
// Immutable; safe from many threads.
class CodeRows {
 public:
  struct Query {
    std::vector<std::int8_t> codes;
    ByteQuery bytes;
  };

  CodeRows() = default;
  // Makes the copy, with OpenMP threads.
  explicit CodeRows(EmbeddingView rows);
  Query query(std::span<const float> vector) const;
  // Inner product of the query and row `row`, to about a percent of their lengths.
  float score(const Query& query, std::size_t row) const;
  // Where their inner product surely lies.
  Interval interval(const Query& query, std::uint32_t row) const;
  void prefetch(std::size_t row) const;

  std::size_t bytes() const { return codes_.size() + rows_.size() * sizeof(ByteVector); }

 private:
  std::size_t stride_ = 0;
  std::vector<std::uint8_t> codes_;  // [rows x stride]
  std::vector<ByteVector> rows_;     // [rows]
  float largest_norm_ = 0;           // no vector is longer
};

// Exact search over some rows of `codes`, whose vectors are `vectors`, in two looks:
// those of `allowed`, which ascend. Scores are RowScan's, bit for bit. Answers of each query, in
// order. Uses OpenMP threads, over the rows.
std::vector<std::vector<Hit>> code_scan(EmbeddingView queries, const Wanted& wanted,
                                        const CodeRows& codes, EmbeddingView vectors,
                                        std::span<const std::uint32_t> allowed);

}  // namespace dexter
