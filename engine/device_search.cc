// The vectors of an index on a device of the encoders' library, or of the index's.
#include "engine/device_search.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include <spdlog/spdlog.h>

#include "encoders/device_rows.h"
#include "index/device_memory.h"
#include "index/faiss_search.h"
#include "index/kind_choice.h"
#include "storage/error.h"

namespace dexter {
namespace {

class OnDevice final : public RowAccelerator {
 public:
  OnDevice(EmbeddingView rows, const std::string& device, bool half)
      : count_(rows.rows()), rows_(rows, device, half) {}

  Found best(const Ask& ask) const override {
    const std::lock_guard turn(mutex_);
    DeviceRows::Found found = rows_.best(ask.queries, ask.count);
    return {std::move(found.rows), std::move(found.scores)};
  }
  std::size_t most() const override { return std::min(count_, DeviceRows::kMost); }
  float slack(std::span<const float> query) const override { return rows_.slack(query); }

 private:
  std::size_t count_;
  mutable std::mutex mutex_;
  DeviceRows rows_;
};

std::size_t memory_of_machine() { return static_cast<std::size_t>(available_memory()); }

// Whether to try one: where LibTorch finds a GPU that FAISS cannot use, a warning is to say why.
bool has_gpu_for(const std::string& kind) {
  return (kind == "flat" && finds_gpu()) ||
         (kind == "ivf" && (faiss_without_gpu().empty() || finds_gpu()));
}

}  // namespace

Accelerate on_device(const std::string& device, bool half, double memory) {
  return {.flat =
              [=](EmbeddingView rows) {
                ensure_fits({.copy = DeviceRows::bytes_of(rows.rows(), rows.dim(), half),
                             .work = DeviceRows::work_bytes(half)},
                            memory, DeviceRows::free_bytes(device).value_or(memory_of_machine()),
                            "device " + device);
                return std::make_unique<const OnDevice>(rows, device, half);
              },
          .ivf = {}};
}

void search_on(const DeviceOptions& options, VectorIndex& index) {
  const IndexOptions about = index.describe().options;
  const bool automatic = options.name == "auto";
  if (options.name == "cpu" || (automatic && !has_gpu_for(about.kind))) return;
  const bool half = about.storage != "float32" && options.codes == 0;
  const Accelerate by{.flat = on_device(options.name, half, options.memory).flat,
                      .ivf = by_faiss({.half = half,
                                       .codes = options.codes,
                                       .memory = options.memory,
                                       .replicas = options.replicas})
                                 .ivf};
  try {
    ensure(options.codes == 0 || about.kind == "ivf", ErrorKind::kInvalidInput,
           "searching on a GPU: codes are of an ivf index, this one is " + about.kind);
    accelerate(index, by);
  } catch (const Error& error) {
    if (!automatic || error.kind() != ErrorKind::kInvalidInput) throw;
    spdlog::warn("the index is searched on the processors: {}", error.what());
  }
}

DeviceOptions to_open_again(DeviceOptions options) {
  if (options.name == "cuda") options.name = "auto";
  return options;
}

}  // namespace dexter
