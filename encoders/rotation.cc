// Procrustes' rotation by LibTorch.
#include "encoders/rotation.h"

#include <ATen/ATen.h>

namespace dexter {
namespace {

at::Tensor rows_of(const std::vector<float>& values, std::size_t width) {
  return at::from_blob(
      const_cast<float*>(values.data()),
      {static_cast<std::int64_t>(values.size() / width), static_cast<std::int64_t>(width)},
      at::kFloat);
}

}  // namespace

std::vector<float> rotation_onto(const std::vector<float>& from, const std::vector<float>& to,
                                 std::size_t width) {
  const at::Tensor products =
      at::matmul(rows_of(from, width).t(), rows_of(to, width)).to(at::kDouble);
  const auto [left, stretch, right] = at::linalg_svd(products);
  const at::Tensor rotation = at::matmul(left, right).to(at::kFloat).contiguous();
  const float* first = rotation.const_data_ptr<float>();
  return {first, first + rotation.numel()};
}

void rotate(std::vector<float>& values, const std::vector<float>& rotation, std::size_t width) {
  at::Tensor rows = rows_of(values, width);
  rows.copy_(at::matmul(rows, rows_of(rotation, width)));
}

}  // namespace dexter
