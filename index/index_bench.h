#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "index/accelerated_index.h"
#include "index/vector_index.h"

namespace dexter {

// What a user asks of one kind of index on his own vectors and queries.
struct IndexMeasurement {
  std::string kind;
  std::string setting;  // "exact", "1,024 lists, 24 probes", "32 links, ef 96, byte"
  int batch = 0;
  double filter = 1;              // share of the vectors that were searched
  double queries_per_second = 0;  // best of three passes over the queries
  double recall = 0;              // share of the exact k best that were found
  double build_seconds = 0;
  double bytes_per_vector = 0;
};

struct IndexBenchOptions {
  int k = 10;
  std::vector<std::string> kinds;  // in this order
  std::vector<int> batches = {1, 64};
  double filter = 1;   // below 1: each search is measured again among this share of the vectors
  IndexOptions index;  // of each kind; `kind` is not read
  // Where kinds are measured that an entry takes, one after the other; no entry takes a kind: on
  // the processors.
  struct Device {
    std::string name;  // for `setting`
    Accelerate accelerate;
  };
  std::vector<Device> devices = {};
  void validate() const;  // kInvalidInput
};

// Measures each kind in each batch size over `base` [rows x dim] with `queries` [n x dim]. Settings
// that are 0 are tuned on the first half of the queries, and everything is measured on the second;
// with a single query on that one. Filtered searches take vectors drawn at random. One at a time
// takes at most 256 queries. `report` gets each measurement as soon as it stands. kInvalidInput for
// empty input or dimensions that differ; kInterrupted as build_index.
void measure_indexes(const IndexBenchOptions& options, EmbeddingView base, EmbeddingView queries,
                     const std::function<void(const IndexMeasurement&)>& report,
                     const Progress& progress = {});

}  // namespace dexter
