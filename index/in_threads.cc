// A loop over independent rows.
#include "index/in_threads.h"

#include <exception>
#include <mutex>

namespace dexter {

void in_threads(std::size_t count, const std::function<void(std::size_t)>& work) {
  std::exception_ptr failure;
  std::mutex lock;
#pragma omp parallel for schedule(dynamic) if (count > 1)
  for (std::size_t i = 0; i < count; ++i) {
    try {
      work(i);
    } catch (...) {
      const std::lock_guard locked(lock);
      if (!failure) failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace dexter
