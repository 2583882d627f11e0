#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "index/code_rows.h"
#include "index/row_scan.h"

namespace dexter {

// A hierarchical small-world graph (Malkov and Yashunin, 2018). A row stands in the lowest layer
// and in upper_begins[i + 1] - upper_begins[i] layers above; its links in each are ended by -1
// where there are fewer than the layer has room for.
struct GraphView {
  int links = 0;                       // of a row in an upper layer; twice that in the lowest
  std::span<const std::int32_t> base;  // [rows x 2 links]
  std::span<const std::uint32_t> upper_begins;  // [rows + 1]
  std::span<const std::int32_t> upper;          // [upper_begins.back() x links]
  std::int32_t entry = -1;                      // in the highest layer; -1 without rows

  std::size_t rows() const { return upper_begins.empty() ? 0 : upper_begins.size() - 1; }
  int top_layer() const { return entry < 0 ? 0 : layers_above(entry); }
  int layers_above(std::int32_t row) const {
    const auto i = static_cast<std::size_t>(row);
    return static_cast<int>(upper_begins[i + 1] - upper_begins[i]);
  }
  // Where the links of a row in one of its layers stand in `base` (layer 0) or `upper`.
  std::size_t links_begin(std::int32_t row, int layer) const {
    const auto i = static_cast<std::size_t>(row), width = static_cast<std::size_t>(links);
    return layer == 0 ? i * 2 * width
                      : (upper_begins[i] + static_cast<std::size_t>(layer - 1)) * width;
  }
  std::size_t room(int layer) const {
    return static_cast<std::size_t>(layer == 0 ? 2 * links : links);
  }
};

// The `ef` rows nearest to the query that a walk finds by the scores of `rows`, best first; fewer
// only where the graph has fewer within reach. One thread's.
std::vector<Hit> walk(const GraphView& graph, const CodeRows& rows, std::span<const float> query,
                      std::size_t ef);

}  // namespace dexter
