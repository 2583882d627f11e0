// An allocator in front of LibTorch's own, which counts and refuses.
#include "tests/encoders/limited_memory.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <unordered_map>

namespace dexter::testing {

struct LimitedMemory::Account {
  std::size_t limit = 0;
  std::atomic<std::size_t> held = 0, peak = 0, refusals = 0;
};

namespace {

thread_local std::shared_ptr<LimitedMemory::Account> own_account;

// What is held for an account, by address.
struct Held {
  std::size_t bytes;
  std::shared_ptr<LimitedMemory::Account> account;
};
std::mutex held_mutex;
std::unordered_map<void*, Held> held;  // guarded by held_mutex

void give_back(void* data) {
  {
    const std::scoped_lock lock(held_mutex);
    if (const auto found = held.find(data); found != held.end()) {
      found->second.account->held -= found->second.bytes;
      held.erase(found);
    }
  }
  c10::GetDefaultCPUAllocator()->raw_deallocate(data);
}

class LimitingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    const auto account = own_account;
    if (account != nullptr && account->held + bytes > account->limit) {
      ++account->refusals;
      refuse();
    }
    void* const data = system_->raw_allocate(bytes);
    if (account != nullptr && data != nullptr) {
      const std::scoped_lock lock(held_mutex);
      held[data] = {bytes, account};
      account->held += bytes;
      account->peak = std::max<std::size_t>(account->peak, account->held);
    }
    return {data, data, &give_back, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

 private:
  // With the error of LibTorch's own allocator for what no machine has.
  void refuse() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)  // end the process at such a size
    C10_THROW_ERROR(Error, "DefaultCPUAllocator: can't allocate memory");
#else
    system_->allocate(std::size_t{1} << 60);
#endif
  }

  c10::Allocator* const system_ = c10::GetDefaultCPUAllocator();
};

}  // namespace

LimitedMemory::LimitedMemory(std::size_t bytes) : account_(std::make_shared<Account>()) {
  static LimitingAllocator allocator;
  static const bool set = (c10::SetCPUAllocator(&allocator, /*priority=*/255), true);
  static_cast<void>(set);
  account_->limit = bytes;
  own_account = account_;
}

LimitedMemory::~LimitedMemory() { own_account.reset(); }

std::size_t LimitedMemory::peak() const { return account_->peak; }
std::size_t LimitedMemory::refusals() const { return account_->refusals; }

}  // namespace dexter::testing
