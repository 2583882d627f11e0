#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace dexter {

// Which process of several this one is, by RANK and WORLD_SIZE, or mpirun's variables. None where
// there is one process. kInvalidInput where one is missing or no such number.
struct Rank {
  int rank = 0;
  int size = 1;
};
std::optional<Rank> rank_from_environment();

// How the processes of a training meet.
struct RankOptions {
  int rank = 0;
  int size = 1;
  std::string host;  // of rank 0
  int port = 0;
  bool store_is_there = false;   // the starter keeps the meeting point, as torchrun does
  std::string attempt = {};      // the starter's count of restarts: attempts do not meet
  double timeout_seconds = 600;  // of one exchange, and of the first meeting
};

// Of rank_from_environment, MASTER_ADDR and MASTER_PORT, as torchrun and Kubernetes' training
// operators set them. None where there is one process.
// kInvalidInput where they contradict each other or one is missing.
std::optional<RankOptions> ranks_from_environment();

// The processes of one training, over TCP. Every process calls the same functions in the same
// order; each returns once all have called it, and throws kUnavailable when one of them is gone or
// the timeout is over. One caller a process.
class ProcessGroup {
 public:
  // Meets the others.
  explicit ProcessGroup(const RankOptions& options);
  ~ProcessGroup();

  int rank() const { return options_.rank; }
  int size() const { return options_.size; }
  // This process's part [first, last) of `count` things; the parts of all make up the whole.
  std::pair<std::size_t, std::size_t> part_of(std::size_t count) const;

  // Each value becomes its sum, or its maximum, over all processes.
  void sum(std::span<float> values) const;
  void sum(std::span<double> values) const;
  void maximum(std::span<double> values) const;
  // What rank 0 gives.
  std::string from_first(std::string bytes) const;

 private:
  struct Impl;
  RankOptions options_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dexter
