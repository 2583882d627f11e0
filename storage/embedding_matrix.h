#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <span>
#include <vector>

namespace dexter {

// Whether all values are 0: the vector of a text of which the encoder knows nothing.
inline bool is_zero(std::span<const float> row) {
  return std::all_of(row.begin(), row.end(), [](float x) { return x == 0; });
}

// Borrowed row-major float32 matrix [rows x dim]. The owner must outlive it.
class EmbeddingView {
 public:
  EmbeddingView() = default;
  EmbeddingView(const float* data, std::size_t rows, int dim)
      : data_(data), rows_(rows), dim_(dim) {}

  std::size_t rows() const { return rows_; }
  int dim() const { return dim_; }
  const float* data() const { return data_; }
  std::span<const float> row(std::size_t i) const {
    assert(i < rows_);
    return {data_ + i * static_cast<std::size_t>(dim_), static_cast<std::size_t>(dim_)};
  }
  // Rows [first, first + count).
  EmbeddingView rows(std::size_t first, std::size_t count) const {
    assert(first + count <= rows_);
    return {data_ + first * static_cast<std::size_t>(dim_), count, dim_};
  }

 private:
  const float* data_ = nullptr;
  std::size_t rows_ = 0;
  int dim_ = 0;
};

// Owning row-major float32 matrix [rows x dim].
class EmbeddingMatrix {
 public:
  EmbeddingMatrix() = default;
  EmbeddingMatrix(std::size_t rows, int dim)
      : values_(rows * static_cast<std::size_t>(dim)), rows_(rows), dim_(dim) {}

  std::size_t rows() const { return rows_; }
  int dim() const { return dim_; }
  float* data() { return values_.data(); }
  const float* data() const { return values_.data(); }
  std::span<float> row(std::size_t i) {
    assert(i < rows_);
    return {values_.data() + i * static_cast<std::size_t>(dim_), static_cast<std::size_t>(dim_)};
  }
  std::span<const float> row(std::size_t i) const { return view().row(i); }
  EmbeddingView view() const { return {values_.data(), rows_, dim_}; }
  operator EmbeddingView() const {
    return view();
  }  // NOLINT: a matrix is a view wherever one is read

 private:
  std::vector<float> values_;
  std::size_t rows_ = 0;
  int dim_ = 0;
};

}  // namespace dexter
