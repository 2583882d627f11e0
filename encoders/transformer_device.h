#pragma once

#include <ATen/ATen.h>

#include <string>

namespace dexter {

// The device of "auto", "cpu" or "cuda"; auto is the GPU where one is there: that of LOCAL_RANK
// where several processes share a machine. LibTorch's CUDA
// library is loaded when it is first asked for, if this machine has a driver. kInvalidInput for
// "cuda" without a GPU.
at::Device device_named(const std::string& name);

}  // namespace dexter
