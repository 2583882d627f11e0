// Choice of the device, and loading what it needs.
#include "encoders/transformer_device.h"

#include <ATen/detail/CUDAHooksInterface.h>
#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>

#include "storage/error.h"

namespace dexter {
namespace {

// LibTorch's CUDA library registers itself when it is loaded. It is large, so a machine without a
// driver never sees it.
bool has_gpu() {
  static const bool found = [] {
    if (!at::hasCUDA() && dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL) != nullptr)
      dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL);
    return at::hasCUDA() && at::detail::getCUDAHooks().deviceCount() > 0;
  }();
  return found;
}

// Of the processes on this machine, as their starter counts them.
int local_rank() {
  for (const char* name : {"LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_RANK"})
    if (const char* text = std::getenv(name)) return std::max(0, std::atoi(text));
  return 0;
}

}  // namespace

at::Device device_named(const std::string& name) {
  if (name == "cpu" || (name == "auto" && !has_gpu())) return at::kCPU;
  ensure(
      has_gpu(), ErrorKind::kInvalidInput,
      "choosing a device: " + name +
          " was asked for, but no GPU, driver or CUDA library of LibTorch was found; choose cpu");
  const int count = at::detail::getCUDAHooks().deviceCount();
  return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(local_rank() % count));
}

at::Tensor staging(at::IntArrayRef sizes, at::ScalarType type, at::Device device) {
  return at::empty(sizes, at::TensorOptions().dtype(type).pinned_memory(device.is_cuda()));
}

}  // namespace dexter
