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

bool is_searched_on_device(const std::string& device, const std::string& index_kind) {
  if (device == "auto") return index_kind == "flat" && finds_gpu();
  return device != "cpu";
}

Accelerate on_device(const std::string& device, bool half) {
  return [=](EmbeddingView rows) { return std::make_unique<const OnDevice>(rows, device, half); };
}

}  // namespace dexter
