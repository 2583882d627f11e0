#include "index/row_blocks.h"

#include <algorithm>
#include <cassert>
#include <new>

namespace dexter {
namespace {

constexpr std::align_val_t kCacheLine{64};

}  // namespace

void RowBlocks::Free::operator()(float* p) const { ::operator delete[](p, kCacheLine); }

RowBlocks::RowBlocks(std::size_t rows, int dim) : rows_(rows), dim_(dim) {
  const std::size_t count = values(rows, dim);
  owned_.reset(static_cast<float*>(::operator new[](count * sizeof(float), kCacheLine)));
  std::fill_n(owned_.get(), count, 0.0F);
  values_ = owned_.get();
}

RowBlocks::RowBlocks(const float* values, std::size_t rows, int dim)
    : values_(values), rows_(rows), dim_(dim) {}

std::size_t RowBlocks::values(std::size_t rows, int dim) {
  constexpr std::size_t panel_rows = kLanes * kPanel;
  return (rows + panel_rows - 1) / panel_rows * panel_rows * static_cast<std::size_t>(dim);
}

std::size_t RowBlocks::blocks() const {
  return (rows_ + kLanes * kPanel - 1) / (kLanes * kPanel) * kPanel;
}

void RowBlocks::set_row(std::size_t row, std::span<const float> vector) {
  assert(owned_ && row < rows_ && vector.size() == width());
  float* lane = owned_.get() + row / kLanes * kLanes * width() + row % kLanes;
  for (std::size_t j = 0; j < width(); ++j) lane[j * kLanes] = vector[j];
}

}  // namespace dexter
