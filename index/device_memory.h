#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace dexter {

// What a device takes for a copy of vectors, in bytes.
struct DeviceNeed {
  std::size_t copy = 0;
  std::size_t work = 0;  // for searches, at most
};

// What an index may take of a device with `free` bytes: up to 1 `memory` is a share of them, above
// a number of MiB, which never is more than what is free. kInvalidInput where it is not positive.
std::size_t allowed_bytes(double memory, std::size_t free);

// kInvalidInput, with what is needed and what is allowed, where the need is more than
// allowed_bytes. `where` names the device.
void ensure_fits(const DeviceNeed& need, double memory, std::size_t free, const std::string& where);

// The lists of an ivf index on a GPU of FAISS's: [lists] rows of `code_bytes` each, in blocks of
// 32, their numbers, and the centroids. kInvalidInput where a list is longer than FAISS takes (2
// GiB), which would end the process there.
std::size_t listed_bytes(std::span<const std::size_t> list_sizes, std::size_t code_bytes, int dim);

// Queries that read `lists` lists for `count` rows each, to be searched together on a GPU of
// FAISS's within `work` bytes; at least 1.
std::size_t queries_within(std::size_t work, std::size_t lists, int dim, std::size_t count);

}  // namespace dexter
