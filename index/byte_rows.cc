// Rounding of vectors to bytes, and what the rounding hides.
#include "index/byte_rows.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

namespace dexter {
namespace {

constexpr double kRoundUp = 1 + 1e-6;  // of a bound on its way to float32

std::size_t groups_of(int dim) { return (static_cast<std::size_t>(dim) + 3) / 4; }

}  // namespace

ByteVector to_bytes(std::span<const float> vector, int limit, std::span<std::int8_t> codes) {
  float largest = 0;
  for (const float v : vector) largest = std::max(largest, std::abs(v));
  ByteVector bytes{.scale = largest / static_cast<float>(limit)};
  // Below the normal numbers a quotient means nothing: the vector counts as zero.
  if (bytes.scale < std::numeric_limits<float>::min()) bytes.scale = 0;
  double error = 0, norm = 0;
  std::fill(codes.begin(), codes.end(), std::int8_t{0});
  for (std::size_t j = 0; j < vector.size(); ++j) {
    const float code = bytes.scale > 0 ? std::nearbyint(vector[j] / bytes.scale) : 0;
    codes[j] = static_cast<std::int8_t>(
        std::clamp(code, -static_cast<float>(limit), static_cast<float>(limit)));
    const double copy = static_cast<double>(bytes.scale) * codes[j];
    error += (static_cast<double>(vector[j]) - copy) * (static_cast<double>(vector[j]) - copy);
    norm += copy * copy;
  }
  bytes.error = static_cast<float>(std::sqrt(error) * kRoundUp);
  bytes.norm = static_cast<float>(std::sqrt(norm) * kRoundUp);
  return bytes;
}

std::size_t ByteRows::block_count(std::size_t rows) {
  constexpr std::size_t kPanelRows = kLanes * kPanel;
  return (rows + kPanelRows - 1) / kPanelRows * kPanel;
}

std::size_t ByteRows::code_bytes(std::size_t rows, int dim) {
  return block_count(rows) * kLanes * 4 * groups_of(dim);
}

ByteRows::ByteRows(EmbeddingView rows) : ByteRows(rows, rows.rows(), {}) {}

ByteRows::ByteRows(EmbeddingView rows, std::span<const std::uint32_t> slots)
    : ByteRows(rows, slots.size(), slots) {}

ByteRows::ByteRows(EmbeddingView rows, std::size_t places, std::span<const std::uint32_t> slots)
    : rows_(places),
      groups_(groups_of(rows.dim())),
      own_codes_(code_bytes(places, rows.dim()), 128),
      own_bounds_(block_count(places)),
      codes_(own_codes_),
      bounds_(own_bounds_) {
#pragma omp parallel if (rows_ > 1024)
  {
    std::vector<std::int8_t> codes(groups_ * 4);
#pragma omp for schedule(static)
    for (std::size_t i = 0; i < own_bounds_.size() * kLanes; ++i) {
      Bounds& bounds = own_bounds_[i / kLanes];
      const std::size_t lane = i % kLanes;
      const std::size_t row = i >= places ? kNoRow : slots.empty() ? i : slots[i];
      if (row == kNoRow) {
        bounds.error[lane] = std::numeric_limits<float>::quiet_NaN();
        continue;
      }
      const ByteVector bytes = to_bytes(rows.row(row), kLimit, codes);
      bounds.scale[lane] = bytes.scale;
      bounds.error[lane] = bytes.error;
      bounds.norm[lane] = bytes.norm;
      std::uint8_t* out = &own_codes_[(i / kLanes * groups_ * kLanes + lane) * 4];
      for (std::size_t g = 0; g < groups_; ++g)
        for (std::size_t c = 0; c < 4; ++c)
          out[g * kLanes * 4 + c] = static_cast<std::uint8_t>(codes[g * 4 + c] + 128);
    }
  }
  measure();
}

ByteRows::ByteRows(std::size_t rows, int dim, std::span<const std::uint8_t> codes,
                   std::span<const Bounds> bounds)
    : rows_(rows), groups_(groups_of(dim)), codes_(codes), bounds_(bounds) {
  assert(codes.size() == code_bytes(rows, dim) && bounds.size() == block_count(rows));
  measure();
}

void ByteRows::decode(std::size_t row, std::span<float> out) const {
  const std::size_t lane = row % kLanes;
  const std::uint8_t* const codes = block(row / kLanes) + lane * 4;
  const float scale = bounds_[row / kLanes].scale[lane];
  for (std::size_t j = 0; j < out.size(); ++j)
    out[j] = scale * static_cast<float>(codes[j / 4 * kLanes * 4 + j % 4] - 128);
}

void ByteRows::measure() {
  for (const Bounds& b : bounds_)
    for (std::size_t lane = 0; lane < kLanes; ++lane)
      largest_norm_ = std::max(largest_norm_, b.norm[lane] + b.error[lane]);  // never a NaN
}

}  // namespace dexter
