#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "storage/embedding_matrix.h"

namespace dexter {

// A copy of vectors in one byte a value, row by row, for scores of single rows: component j of row
// i is about scale_i * (code_ij - 128). Rows are padded to 64 bytes. Immutable; safe from many
// threads.
class CodeRows {
 public:
  struct Query {
    std::vector<std::int8_t> codes;
    float scale = 0;
    std::int32_t offset = 0;  // what the rows' 128 add
  };

  CodeRows() = default;
  // Makes the copy, with OpenMP threads.
  explicit CodeRows(EmbeddingView rows);
  Query query(std::span<const float> vector) const;
  // Inner product of the query and row `row`, to about a percent of their lengths.
  float score(const Query& query, std::size_t row) const;
  void prefetch(std::size_t row) const;

  std::size_t bytes() const { return codes_.size() + scales_.size() * sizeof(float); }

 private:
  std::size_t stride_ = 0;
  std::vector<std::uint8_t> codes_;  // [rows x stride]
  std::vector<float> scales_;        // [rows]
};

}  // namespace dexter
