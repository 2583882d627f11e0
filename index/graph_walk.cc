// From the entry down the layers to the best row of each, then the nearest rows of the lowest.
#include "index/graph_walk.h"

#include "index/layer_search.h"

namespace dexter {
namespace {

// Visits the links of a row in `layer`.
auto links_in(const GraphView& graph, int layer) {
  return [&graph, layer](std::int32_t row, const auto& visit) {
    const auto& all = layer == 0 ? graph.base : graph.upper;
    for (const std::int32_t to : all.subspan(graph.links_begin(row, layer), graph.room(layer))) {
      if (to < 0) return;
      visit(to);
    }
  };
}

}  // namespace

std::vector<Hit> walk(const GraphView& graph, const CodeRows& rows, std::span<const float> query,
                      std::size_t ef) {
  thread_local LayerScratch scratch;
  if (graph.entry < 0) return {};
  const CodeRows::Query codes = rows.query(query);
  ScoredRow start{rows.score(codes, static_cast<std::size_t>(graph.entry)), graph.entry};
  for (int layer = graph.top_layer(); layer > 0; --layer)
    start = climb(rows, codes, start, scratch, links_in(graph, layer));
  const auto prefetch = [&](std::int32_t row) {
    const std::int32_t* at = &graph.base[graph.links_begin(row, 0)];
    for (std::size_t j = 0; j < graph.room(0); j += 16) __builtin_prefetch(at + j);
  };
  search_layer(rows, graph.rows(), codes, start, ef, scratch, links_in(graph, 0), prefetch);
  std::vector<Hit> found;
  found.reserve(scratch.best.size());
  for (const ScoredRow& scored : scratch.best)
    found.push_back({scored.score, static_cast<std::uint32_t>(scored.row)});
  std::ranges::sort(found, ranks_before);
  return found;
}

}  // namespace dexter
