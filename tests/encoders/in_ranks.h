#pragma once

#include <cstdlib>
#include <future>
#include <utility>
#include <vector>

#include "encoders/process_group.h"
#include "tests/support/free_port.h"

namespace dexter::testing {

inline RankOptions rank_of(int rank, int size, int port, double timeout = 60) {
  // Ranks are threads here, and LibTorch's recorder of exchanges, one for all groups of a process,
  // writes down a group before it takes its lock.
  static const int recorder_is_off = ::setenv("TORCH_FR_BUFFER_SIZE", "0", /*replace=*/1);
  static_cast<void>(recorder_is_off);
  return {
      .rank = rank, .size = size, .host = "127.0.0.1", .port = port, .timeout_seconds = timeout};
}

// Runs `task(group)` as each rank of `size`, each a thread, and returns what they return.
template <class Task>
auto in_ranks(int size, const Task& task, double timeout = 60) {
  const int port = free_port();
  using Value = decltype(task(std::declval<const ProcessGroup&>()));
  std::vector<std::future<Value>> running;
  for (int rank = 0; rank < size; ++rank)
    running.push_back(
        std::async(std::launch::async, [&task, own = rank_of(rank, size, port, timeout)] {
          const ProcessGroup group(own);
          return task(group);
        }));
  std::vector<Value> values;
  for (auto& value : running) values.push_back(value.get());
  return values;
}

}  // namespace dexter::testing
