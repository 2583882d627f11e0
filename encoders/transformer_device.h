#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>

namespace dexter {

// The device of "auto", "cpu" or "cuda"; auto is the GPU where one is there: that of LOCAL_RANK
// where several processes share a machine. LibTorch's CUDA library is loaded when it is first asked
// for, if this machine has a driver. kInvalidInput for "cuda" without a GPU.
at::Device device_named(const std::string& name);

// Memory of this machine to fill and hand to on(): a GPU copies from it while the processor goes
// on.
at::Tensor staging(at::IntArrayRef sizes, at::ScalarType type, at::Device device);
// What was staged, on the device; on a GPU perhaps not yet, but before what is asked of it next.
inline at::Tensor on(at::Device device, const at::Tensor& staged) {
  return staged.to(device, /*non_blocking=*/true);
}
template <class Number>
at::Tensor on(at::Device device, std::span<const Number> values) {
  const at::Tensor staged = staging({static_cast<std::int64_t>(values.size())},
                                    c10::CppTypeToScalarType<Number>::value, device);
  std::copy(values.begin(), values.end(), staged.mutable_data_ptr<Number>());
  return on(device, staged);
}

}  // namespace dexter
