#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "index/row_source.h"
#include "storage/embedding_matrix.h"

namespace dexter {

inline constexpr std::uint32_t kNoRow = std::numeric_limits<std::uint32_t>::max();

// A copy of vectors in one byte a value, for a first look at a quarter of the memory: component j
// of row i is about scale_i * (code_ij - 128), and `error`, `norm` bound what the copy hides:
//   |x_i - scale_i (code_i - 128)| <= error_i,   |scale_i (code_i - 128)| <= norm_i.
// Codes stand in blocks of 16 rows, four components of each row side by side: code (i, j) at
// ((i / 16 * groups + j / 4) * 16 + i % 16) * 4 + j % 4. Rows of zero fill the last panel of 8
// blocks, and kernels may read them. Immutable; safe from many threads.
class ByteRows final : public CompactRows {
 public:
  static constexpr std::size_t kLanes = 16;
  static constexpr std::size_t kPanel = 8;
  static constexpr int kLimit = 127;  // codes are 128 and at most this more or less

  // What a block's rows are known by, lane by lane.
  struct Bounds {
    float scale[kLanes];
    float error[kLanes];
    float norm[kLanes];
  };

  ByteRows() = default;
  ByteRows(ByteRows&&) = default;  // the spans move with what they span
  ByteRows& operator=(ByteRows&&) = default;
  // Makes the copy, with OpenMP threads. `slots` tells which row stands at each place of it, or
  // kNoRow; without it row i stands at i. A place without a row has an error of NaN, which no
  // comparison lets through.
  explicit ByteRows(EmbeddingView rows);
  ByteRows(EmbeddingView rows, std::span<const std::uint32_t> slots);
  // Borrows what `codes()` and `bounds()` of another gave; their owner must outlive this. The
  // lengths must be `code_bytes` and `block_count` of the shape.
  ByteRows(std::size_t rows, int dim, std::span<const std::uint8_t> codes,
           std::span<const Bounds> bounds);

  static std::size_t block_count(std::size_t rows);
  static std::size_t code_bytes(std::size_t rows, int dim);

  std::size_t rows() const { return rows_; }      // places
  std::size_t groups() const { return groups_; }  // of four components
  std::size_t blocks() const { return bounds_.size(); }
  const std::uint8_t* block(std::size_t b) const { return &codes_[b * groups_ * kLanes * 4]; }
  const Bounds& bounds(std::size_t b) const { return bounds_[b]; }
  std::span<const std::uint8_t> codes() const { return codes_; }
  std::span<const Bounds> bounds() const { return bounds_; }
  void decode(std::size_t row, std::span<float> out) const override;
  float largest_norm() const { return largest_norm_; }  // no vector is longer

 private:
  ByteRows(EmbeddingView rows, std::size_t places, std::span<const std::uint32_t> slots);
  void measure();

  std::size_t rows_ = 0;
  std::size_t groups_ = 0;
  std::vector<std::uint8_t> own_codes_;
  std::vector<Bounds> own_bounds_;
  std::span<const std::uint8_t> codes_;
  std::span<const Bounds> bounds_;
  float largest_norm_ = 0;
};

// A vector as `scale * code` with codes from -limit to limit, and the same bounds. Codes [groups x
// 4] of the components, zero beyond them.
struct ByteVector {
  float scale = 0;
  float error = 0;
  float norm = 0;
};
ByteVector to_bytes(std::span<const float> vector, int limit, std::span<std::int8_t> codes);

}  // namespace dexter
