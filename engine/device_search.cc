// The vectors of an index on a device of the encoders' library.
#include "engine/device_search.h"

#include <mutex>
#include <utility>

#include "encoders/device_rows.h"

namespace dexter {
namespace {

class OnDevice final : public RowAccelerator {
 public:
  OnDevice(EmbeddingView rows, const std::string& device, bool half) : rows_(rows, device, half) {}

  Found best(EmbeddingView queries, std::size_t count) const override {
    const std::lock_guard turn(mutex_);
    DeviceRows::Found found = rows_.best(queries, count);
    return {std::move(found.rows), std::move(found.scores)};
  }
  float slack(std::span<const float> query) const override { return rows_.slack(query); }

 private:
  mutable std::mutex mutex_;
  DeviceRows rows_;
};

}  // namespace

Accelerate on_device(const std::string& device, bool half) {
  return [=](EmbeddingView rows) { return std::make_unique<const OnDevice>(rows, device, half); };
}

}  // namespace dexter
