#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "storage/embedding_matrix.h"

namespace dexter {

// Whether LibTorch finds a GPU here; loads its CUDA library where there is a driver.
bool finds_gpu();

// A copy of vectors on a device of LibTorch's, for the first half of an exact search there: the
// rows of largest product, by tiles of a matrix product and their best. Immutable; one search at a
// time.
class DeviceRows {
 public:
  // `device` is auto, cpu or cuda; in `half` precision the copy takes two bytes a value. Errors:
  // kInvalidInput for "cuda" without a GPU, for a value beyond what fits, and where the device has
  // no memory for the copy or fails.
  DeviceRows(EmbeddingView rows, const std::string& device, bool half);
  ~DeviceRows();
  DeviceRows(const DeviceRows&) = delete;
  DeviceRows& operator=(const DeviceRows&) = delete;

  static constexpr std::size_t kMost = 65536;
  struct Found {
    std::vector<std::int64_t> rows;  // [queries x count], best first
    std::vector<float> scores;
  };
  // 1 <= count <= rows, kMost. Many queries are asked in parts. kInternal where LibTorch fails.
  Found best(EmbeddingView queries, std::size_t count) const;
  // No score of `best` is further from the float32 inner product than this.
  float slack(std::span<const float> query) const;
  std::size_t bytes() const;  // on the device
  // What a copy of vectors will take, and what its searches may take beside it.
  static std::size_t bytes_of(std::size_t rows, int dim, bool half);
  static std::size_t work_bytes(bool half);
  // Of a GPU; nullopt of the processors. kInvalidInput as the constructor.
  static std::optional<std::size_t> free_bytes(const std::string& device);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dexter
