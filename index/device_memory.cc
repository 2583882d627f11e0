// What a copy on a device takes, and what it may take.
#include "index/device_memory.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <spdlog/fmt/fmt.h>

#include "storage/error.h"

namespace dexter {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;
constexpr std::size_t kBlock = 32;  // rows of a list that stand side by side on a GPU
// cudaMalloc gives multiples of the first, and from half of the second on multiples of that.
constexpr std::size_t kAllocation = 512;
constexpr std::size_t kPage = 2 * kMiB;
constexpr std::size_t kListPointers =
    48;  // its place in three vectors, doubled at most, and a norm

std::size_t rounded_up(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

std::size_t allocated(std::size_t bytes) {
  return rounded_up(bytes, bytes < kPage / 2 ? kAllocation : kPage);
}

std::size_t mebibytes(std::size_t bytes) { return rounded_up(bytes, kMiB) / kMiB; }

}  // namespace

std::size_t allowed_bytes(double memory, std::size_t free) {
  ensure(memory > 0 && std::isfinite(memory), ErrorKind::kInvalidInput,
         fmt::format("bounding a device's memory: {} is neither a share of what is free, up to 1, "
                     "nor a number of MiB",
                     memory));
  const double bytes =
      memory <= 1 ? memory * static_cast<double>(free) : memory * static_cast<double>(kMiB);
  return bytes < static_cast<double>(free) ? static_cast<std::size_t>(bytes) : free;
}

void ensure_fits(const DeviceNeed& need, double memory, std::size_t free,
                 const std::string& where) {
  const std::size_t allowed = allowed_bytes(memory, free);
  ensure(need.copy <= allowed && need.work <= allowed - need.copy, ErrorKind::kInvalidInput,
         fmt::format("putting vectors on {}: they take {} MiB and searches up to {} MiB, {} MiB "
                     "together, but {} MiB are allowed ({} of {} MiB free); allow more, keep them "
                     "in half precision, share them among more devices, or search on the cpu",
                     where, mebibytes(need.copy), mebibytes(need.work),
                     mebibytes(need.copy + need.work), allowed / kMiB,
                     memory <= 1 ? fmt::format("{:.0f} %", 100 * memory)
                                 : fmt::format("{:.0f} MiB", memory),
                     free / kMiB));
}

std::size_t listed_bytes(std::span<const std::size_t> list_sizes, std::size_t code_bytes, int dim) {
  std::size_t bytes = allocated(list_sizes.size() * static_cast<std::size_t>(dim) * sizeof(float)) +
                      list_sizes.size() * kListPointers;
  for (const std::size_t size : list_sizes) {
    const std::size_t codes = rounded_up(size, kBlock) * code_bytes;
    ensure(codes <= static_cast<std::size_t>(std::numeric_limits<int>::max()),
           ErrorKind::kInvalidInput,
           fmt::format("putting vectors on a device: an inverted list of {} rows takes {} MiB, and "
                       "FAISS has no longer ones than 2047 MiB on a GPU; build the index with more "
                       "lists",
                       size, mebibytes(codes)));
    bytes += allocated(codes) + allocated(size * sizeof(int));
  }
  return bytes;
}

std::size_t queries_within(std::size_t work, std::size_t lists, int dim, std::size_t count) {
  // FAISS gathers the centroids of a query's lists, and keeps the best of each list.
  const std::size_t each =
      std::max<std::size_t>(1, lists) *
      (static_cast<std::size_t>(dim) * sizeof(float) + count * (sizeof(float) + sizeof(int)));
  return std::max<std::size_t>(1, work / each);
}

}  // namespace dexter
