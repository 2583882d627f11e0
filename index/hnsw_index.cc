// A graph of near neighbours, walked from coarse layers to the finest.
#include <algorithm>
#include <numeric>

#include <spdlog/fmt/fmt.h>

#include "index/code_rows.h"
#include "index/graph_builder.h"
#include "index/graph_walk.h"
#include "index/ranked_index.h"

namespace dexter {
namespace {

// Tuned ef stays in this range: below, the margin of the answers fills it; above, flat is cheaper.
constexpr int kSmallestEf = 16;
constexpr int kLargestEf = 4096;

// Rows scored in float32 for k answers: the walk's bytes misplace some beyond the k-th.
std::size_t with_margin(int k) {
  return static_cast<std::size_t>(k) + 16 + static_cast<std::size_t>(k) / 8;
}

template <class T>
std::span<const std::byte> bytes_of(const T& values) {
  return std::as_bytes(std::span(values.data(), values.size()));
}

class HnswIndex final : public RankedIndex {
 public:
  HnswIndex(IndexCore core, EmbeddingMatrix rows, const Progress& progress)
      : RankedIndex(std::move(core)),
        codes_(rows),
        rows_(this->core().options.storage, std::move(rows), codes_) {
    const IndexOptions& options = this->core().options;
    graph_ = build_graph(
        codes_, rows_.size(),
        {.links = options.links, .ef_construction = options.ef_construction, .seed = options.seed},
        progress);
  }
  // `reader` owns the rows.
  HnswIndex(IndexCore core, CodeRows codes, Graph graph,
            std::shared_ptr<const SectionFileReader> reader)
      : RankedIndex(std::move(core)),
        reader_(std::move(reader)),
        codes_(std::move(codes)),
        rows_(this->core().options.storage, *reader_, this->core().ids.size(), this->core().dim,
              codes_),
        graph_(std::move(graph)) {}

  void tune(const SortedRows& rows, EmbeddingView queries) {
    measure(rows, queries, {"ef", &IndexOptions::ef, &SearchOptions::ef, kSmallestEf, kLargestEf});
  }

 protected:
  std::vector<Hit> hits(EmbeddingView queries, int k, const SearchOptions& options) const override {
    const auto ef = static_cast<std::size_t>(options.ef > 0 ? options.ef : core().options.ef);
    const std::size_t each = std::min(with_margin(k), rows_.size());
    const std::size_t kept = std::min(std::max(ef, each), rows_.size());
    const auto width = static_cast<std::size_t>(k);
    std::vector<Hit> best(queries.rows() * width);
#pragma omp parallel for schedule(dynamic) if (queries.rows() > 1)
    for (std::size_t i = 0; i < queries.rows(); ++i) {
      const std::vector<Hit> found = walk(graph_.view(), codes_, queries.row(i), kept);
      std::vector<Place> places;
      for (const Hit& hit : std::span(found).first(std::min(each, found.size())))
        places.push_back({hit.row, hit.row});
      rescore(queries.row(i), rows_.source(), places, std::span(best).subspan(i * width, width));
    }
    return best;
  }
  std::vector<std::vector<Hit>> exact_hits(
      EmbeddingView queries, const Wanted& wanted,
      const std::vector<std::uint32_t>* allowed) const override {
    if (allowed != nullptr) return code_scan(queries, wanted, codes_, rows_.source(), *allowed);
    std::vector<std::uint32_t> all(rows_.size());
    std::iota(all.begin(), all.end(), 0U);
    return code_scan(queries, wanted, codes_, rows_.source(), all);
  }
  std::size_t row_bytes() const override {
    return rows_.bytes() + codes_.bytes() + bytes_of(graph_.base).size() +
           bytes_of(graph_.upper_begins).size() + bytes_of(graph_.upper).size();
  }
  void save_rows(SectionFileWriter& writer) const override {
    rows_.save(writer);
    writer.add("codes", std::as_bytes(codes_.codes()));
    writer.add("bounds", bytes_of(codes_.bounds()));
    writer.add("links", bytes_of(graph_.base));
    writer.add("upper_begins", bytes_of(graph_.upper_begins));
    writer.add("upper_links", bytes_of(graph_.upper));
    writer.add("entry", std::as_bytes(std::span(&graph_.entry, 1)));
  }

 private:
  std::shared_ptr<const SectionFileReader> reader_;
  CodeRows codes_;  // walked by; `rows_` give the scores
  RowStore rows_;
  Graph graph_;
};

// Every link names a row of its layer, so that a walk stays inside the arrays.
bool is_whole(const Graph& graph, std::size_t rows) {
  const auto& begins = graph.upper_begins;
  if (begins.front() != 0 || !std::ranges::is_sorted(begins)) return false;
  const GraphView view = graph.view();
  const auto stands_in = [&](std::int32_t row, int layer) {
    return row >= 0 && static_cast<std::size_t>(row) < rows && view.layers_above(row) >= layer;
  };
  if (rows == 0 ? graph.entry != -1 : !stands_in(graph.entry, 0)) return false;
  const auto are_whole = [&](auto links, int layer) {
    return std::ranges::all_of(
        links, [&](std::int32_t row) { return row == -1 || stands_in(row, layer); });
  };
  if (!are_whole(std::span(graph.base), 0)) return false;
  for (std::size_t i = 0; i < rows; ++i)
    for (int layer = 1; layer <= view.layers_above(static_cast<std::int32_t>(i)); ++layer)
      if (!are_whole(view.upper.subspan(view.links_begin(static_cast<std::int32_t>(i), layer),
                                        view.room(layer)),
                     layer))
        return false;
  return true;
}

template <class Vector>
void copy_section(const SectionFileReader& reader, std::string_view name, std::size_t count,
                  Vector& out) {
  const auto values = section_of<typename Vector::value_type>(reader, name, count);
  out.assign(values.begin(), values.end());
}

// Copied, since memory of our own is read faster here and there than a mapped file.
Graph loaded_graph(const SectionFileReader& reader, int links, std::size_t rows) {
  const auto width = static_cast<std::size_t>(std::clamp(links, 1, 1 << 16));
  Graph graph;
  graph.links = static_cast<int>(width);
  copy_section(reader, "links", rows * 2 * width, graph.base);
  copy_section(reader, "upper_begins", rows + 1, graph.upper_begins);
  copy_section(reader, "upper_links", graph.upper_begins.back() * width, graph.upper);
  graph.entry = section_of<std::int32_t>(reader, "entry", 1)[0];
  ensure(is_whole(graph, rows), ErrorKind::kCorrupt,
         fmt::format("loading an hnsw index: the graph of {} rows names rows that are not there; "
                     "build the index again",
                     rows));
  return graph;
}

}  // namespace

std::unique_ptr<VectorIndex> build_hnsw_index(IndexCore core, const SortedRows& rows,
                                              EmbeddingView tuning_queries,
                                              const Progress& progress) {
  core.reason += fmt::format("; {} links", core.options.links);
  auto index = std::make_unique<HnswIndex>(std::move(core), rows.copy(), progress);
  index->tune(rows, tuning_queries);
  return index;
}

std::unique_ptr<VectorIndex> load_hnsw_index(IndexCore core,
                                             std::shared_ptr<const SectionFileReader> reader) {
  ensure(
      !reader->has("faiss"), ErrorKind::kIncompatible,
      "loading an hnsw index: an earlier version of dexter wrote it, and this one has a graph of "
      "its own; build the index again");
  const std::size_t rows = core.ids.size();
  CodeRows codes(core.dim,
                 section_of<std::uint8_t>(*reader, "codes", rows * CodeRows::stride(core.dim)),
                 section_of<ByteVector>(*reader, "bounds", rows));
  Graph graph = loaded_graph(*reader, core.options.links, rows);
  return std::make_unique<HnswIndex>(std::move(core), std::move(codes), std::move(graph),
                                     std::move(reader));
}

}  // namespace dexter
