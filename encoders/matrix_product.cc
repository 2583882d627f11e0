// Dense products of training, by LibTorch's matrix library.
#include "encoders/matrix_product.h"

#include <ATen/ATen.h>

#include <cassert>
#include <cstring>

#include "encoders/row_kernels.h"

namespace dexter {
namespace {

at::Tensor as_tensor(const ProductMatrix& matrix, Transpose transpose) {
  const auto type = matrix.precision() == Precision::kBfloat16 ? at::kBFloat16 : at::kFloat;
  const auto tensor = at::from_blob(
      const_cast<void*>(matrix.data()),
      {static_cast<std::int64_t>(matrix.rows()), static_cast<std::int64_t>(matrix.columns())},
      at::TensorOptions().dtype(type));
  return transpose == Transpose::kYes ? tensor.t() : tensor;
}

}  // namespace

Precision fastest_precision() {
  static const bool has_bf16 = __builtin_cpu_supports("avx512bf16");
  return has_bf16 ? Precision::kBfloat16 : Precision::kFloat32;
}

std::string_view name_of(Precision precision) {
  return precision == Precision::kBfloat16 ? "bfloat16" : "float32";
}

void ProductMatrix::resize(std::size_t rows, std::size_t columns) {
  rows_ = rows;
  columns_ = columns;
  const std::size_t bytes = rows * columns * bytes_of_value();
  if (storage_.size() < bytes) storage_.resize(bytes);
}

void ProductMatrix::store_row(std::size_t i, const float* values, float scale) {
  std::byte* row = storage_.data() + i * columns_ * bytes_of_value();
  if (precision_ == Precision::kBfloat16) {
    row_kernels().to_bf16(values, scale, reinterpret_cast<std::uint16_t*>(row), columns_);
    return;
  }
  std::memcpy(row, values, columns_ * sizeof(float));
  if (scale != 1) row_kernels().scale(scale, reinterpret_cast<float*>(row), columns_);
}

void ProductMatrix::load_row(std::size_t i, float* values) const {
  const std::byte* row = storage_.data() + i * columns_ * bytes_of_value();
  if (precision_ == Precision::kBfloat16)
    row_kernels().from_bf16(reinterpret_cast<const std::uint16_t*>(row), values, columns_);
  else
    std::memcpy(values, row, columns_ * sizeof(float));
}

void ProductMatrix::store(const float* values, std::size_t rows, std::size_t columns,
                          std::size_t stride, float scale) {
  resize(rows, columns);
#pragma omp parallel for schedule(static)
  for (std::size_t i = 0; i < rows; ++i) store_row(i, values + i * stride, scale);
}

void multiply(const ProductMatrix& a, Transpose transpose_a, const ProductMatrix& b,
              Transpose transpose_b, ProductMatrix& c) {
  assert(a.precision() == b.precision() && a.precision() == c.precision());
  c10::InferenceMode no_graph;
  const at::Tensor left = as_tensor(a, transpose_a), right = as_tensor(b, transpose_b);
  c.resize(static_cast<std::size_t>(left.size(0)), static_cast<std::size_t>(right.size(1)));
  at::Tensor out = as_tensor(c, Transpose::kNo);
  at::mm_out(out, left, right);
}

}  // namespace dexter
