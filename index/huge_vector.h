#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <new>
#include <vector>

namespace dexter {

// Memory that is read here and there: aligned to cache lines, and where it is large, in pages of
// two megabytes if the system has them, since most of its reads would miss the address cache
// otherwise.
template <class T>
struct HugeAllocator {
  using value_type = T;
  HugeAllocator() = default;
  template <class U>
  HugeAllocator(const HugeAllocator<U>&) {}  // NOLINT: rebinding converts

  static std::align_val_t alignment(std::size_t bytes) {
    constexpr std::size_t kPage = std::size_t{2} << 20, kLine = 64;
    return std::align_val_t{bytes >= 2 * kPage ? kPage : kLine};
  }
  T* allocate(std::size_t count) {
    const std::size_t bytes = count * sizeof(T);
    void* at = ::operator new(bytes, alignment(bytes));
    if (alignment(bytes) != alignment(0)) ::madvise(at, bytes, MADV_HUGEPAGE);  // a wish
    return static_cast<T*>(at);
  }
  void deallocate(T* at, std::size_t count) { ::operator delete(at, alignment(count * sizeof(T))); }
  bool operator==(const HugeAllocator&) const { return true; }
};

template <class T>
using HugeVector = std::vector<T, HugeAllocator<T>>;

}  // namespace dexter
