#pragma once

#include <cstdint>
#include <vector>

#include "index/graph_walk.h"
#include "storage/progress.h"

namespace dexter {

// A graph that owns its links.
struct Graph {
  int links = 0;
  HugeVector<std::int32_t> base;
  std::vector<std::uint32_t> upper_begins;
  std::vector<std::int32_t> upper;
  std::int32_t entry = -1;

  GraphView view() const { return {links, base, upper_begins, upper, entry}; }
};

struct GraphOptions {
  int links = 32;             // M
  int ef_construction = 200;  // candidates kept while a row looks for its neighbours
  int seed = 7;
};

// The graph of `count` rows by the scores of their bytes (Malkov and Yashunin, 2018, algorithms 1
// to 4). Uses OpenMP threads; with more than one the graph differs from run to run. Reports rows of
// the stage "building the graph"; throws kInterrupted soon after a stop was asked for.
Graph build_graph(const CodeRows& rows, std::size_t count, const GraphOptions& options,
                  const Progress& progress = {});

}  // namespace dexter
