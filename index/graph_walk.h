#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "index/code_rows.h"
#include "index/row_scan.h"

namespace dexter {

// A hierarchical small-world graph (Malkov and Yashunin, 2018) as FAISS lays it out: the links of
// row i in layer l are links[offsets[i] + layer_begins[l], offsets[i] + layer_begins[l + 1]), ended
// by -1 where there are fewer.
struct GraphView {
  std::span<const std::int32_t> links;
  std::span<const std::size_t> offsets;  // [rows + 1]
  std::span<const int> layer_begins;     // of all layers there are, and the end of the last
  std::int32_t entry = -1;               // -1 without rows
  int top_layer = 0;
};

// The `ef` rows nearest to the query that a walk finds by the scores of `rows`, best first; fewer
// only where the graph has fewer within reach. One thread's.
std::vector<Hit> walk(const GraphView& graph, const CodeRows& rows, std::span<const float> query,
                      std::size_t ef);

}  // namespace dexter
