#pragma once

#include <cstddef>
#include <memory>

namespace dexter::testing {

// While one lives, LibTorch's allocator of the processor refuses this thread what would go beyond
// `bytes` held at once, as it refuses what the system does not have.
class LimitedMemory {
 public:
  explicit LimitedMemory(std::size_t bytes);
  ~LimitedMemory();
  LimitedMemory(const LimitedMemory&) = delete;
  LimitedMemory& operator=(const LimitedMemory&) = delete;

  std::size_t peak() const;      // bytes held at once
  std::size_t refusals() const;  // so far

  struct Account;

 private:
  std::shared_ptr<Account> account_;
};

}  // namespace dexter::testing
