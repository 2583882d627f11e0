#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace dexter {

// Vectors laid out for scanning: blocks of 16 rows, component by component, so that one vector
// register holds the same component of 16 rows and a dot product needs no sum across lanes.
// Value (row, component) stands at ((row / 16) * dim + component) * 16 + row % 16. Zero rows fill
// the last panel of 4 blocks, and kernels may read them.
class RowBlocks {
 public:
  static constexpr std::size_t kLanes = 16;
  static constexpr std::size_t kPanel = 4;

  RowBlocks() = default;
  // All zero, 64-byte aligned, owned.
  RowBlocks(std::size_t rows, int dim);
  // Borrows values(rows, dim) floats in the layout above; their owner must outlive this.
  RowBlocks(const float* values, std::size_t rows, int dim);

  // Floats that `rows` vectors take.
  static std::size_t values(std::size_t rows, int dim);

  std::size_t rows() const { return rows_; }
  int dim() const { return dim_; }
  std::size_t blocks() const;
  const float* block(std::size_t b) const { return values_ + b * kLanes * width(); }
  std::span<const float> values() const { return {values_, values(rows_, dim_)}; }
  // Only of an owner. `vector` is [dim].
  void set_row(std::size_t row, std::span<const float> vector);

 private:
  struct Free {
    void operator()(float* p) const;
  };
  std::size_t width() const { return static_cast<std::size_t>(dim_); }

  std::unique_ptr<float[], Free> owned_;
  const float* values_ = nullptr;
  std::size_t rows_ = 0;
  int dim_ = 0;
};

}  // namespace dexter
