// From the entry down the layers to the best row of each, then the nearest rows of the lowest.
#include "index/graph_walk.h"

#include <algorithm>
#include <functional>

namespace dexter {
namespace {

struct Scored {
  float score;
  std::int32_t row;
  bool operator<(const Scored& other) const { return score < other.score; }
  bool operator>(const Scored& other) const { return score > other.score; }
};

std::span<const std::int32_t> links_of(const GraphView& graph, std::int32_t row, int layer) {
  const auto at = static_cast<std::size_t>(layer);
  const std::size_t first = graph.offsets[static_cast<std::size_t>(row)];
  const auto links = graph.links.subspan(
      first + static_cast<std::size_t>(graph.layer_begins[at]),
      static_cast<std::size_t>(graph.layer_begins[at + 1] - graph.layer_begins[at]));
  return links.first(static_cast<std::size_t>(std::ranges::find(links, -1) - links.begin()));
}

// Marks of the rows one walk has seen; emptied by counting on.
class Seen {
 public:
  void start(std::size_t rows) {
    if (marks_.size() < rows) marks_.resize(rows);
    if (++walk_ == 0) {
      std::ranges::fill(marks_, 0u);
      walk_ = 1;
    }
  }
  bool first_time(std::int32_t row) {
    std::uint32_t& mark = marks_[static_cast<std::size_t>(row)];
    if (mark == walk_) return false;
    mark = walk_;
    return true;
  }

 private:
  std::vector<std::uint32_t> marks_;
  std::uint32_t walk_ = 0;
};

Scored descend(const GraphView& graph, const CodeRows& rows, const CodeRows::Query& query) {
  Scored best{rows.score(query, static_cast<std::size_t>(graph.entry)), graph.entry};
  for (int layer = graph.top_layer; layer > 0; --layer)
    for (bool moved = true; moved;) {
      moved = false;
      for (const std::int32_t row : links_of(graph, best.row, layer)) {
        const float score = rows.score(query, static_cast<std::size_t>(row));
        if (score > best.score) {
          best = {score, row};
          moved = true;
        }
      }
    }
  return best;
}

}  // namespace

std::vector<Hit> walk(const GraphView& graph, const CodeRows& rows, std::span<const float> query,
                      std::size_t ef) {
  thread_local Seen seen;
  thread_local std::vector<Scored> open, best;  // heaps: the best of open, the worst of best, first
  thread_local std::vector<std::int32_t> fresh;
  open.clear();
  best.clear();
  if (graph.entry < 0) return {};
  seen.start(graph.offsets.size() - 1);
  const CodeRows::Query codes = rows.query(query);
  const Scored start = descend(graph, rows, codes);
  seen.first_time(start.row);
  open.push_back(start);
  best.push_back(start);
  while (!open.empty()) {
    std::pop_heap(open.begin(), open.end());
    const Scored nearest = open.back();
    open.pop_back();
    if (best.size() == ef && nearest.score < best.front().score) break;
    fresh.clear();
    for (const std::int32_t row : links_of(graph, nearest.row, 0))
      if (seen.first_time(row)) {
        rows.prefetch(static_cast<std::size_t>(row));
        fresh.push_back(row);
      }
    for (const std::int32_t row : fresh) {
      const float score = rows.score(codes, static_cast<std::size_t>(row));
      if (best.size() == ef && score <= best.front().score) continue;
      open.push_back({score, row});
      std::push_heap(open.begin(), open.end());
      best.push_back({score, row});
      std::push_heap(best.begin(), best.end(), std::greater<>());
      if (best.size() > ef) {
        std::pop_heap(best.begin(), best.end(), std::greater<>());
        best.pop_back();
      }
    }
  }
  std::ranges::sort(best, [](const Scored& a, const Scored& b) {
    return a.score != b.score ? a.score > b.score : a.row < b.row;
  });
  std::vector<Hit> found;
  found.reserve(best.size());
  for (const Scored& scored : best)
    found.push_back({scored.score, static_cast<std::uint32_t>(scored.row)});
  return found;
}

}  // namespace dexter
