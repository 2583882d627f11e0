// What LibTorch says where memory ran out.
#include "encoders/memory_shortage.h"

#include <string_view>

namespace dexter {

// Only the allocator of a device has a type of its own for it.
bool tells_of_memory(const c10::Error& error) {
  if (dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr) return true;
  const std::string_view text = error.what_without_backtrace();
  for (const char* said : {"DefaultCPUAllocator: can't allocate memory",
                           "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED"})
    if (text.find(said) != std::string_view::npos) return true;
  return false;
}

bool tells_of_memory(const std::exception& error) {
  return std::string_view(error.what()) == "could not create a primitive";
}

}  // namespace dexter
