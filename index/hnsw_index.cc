// A graph of near neighbours, walked from coarse layers to the finest.
#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/utils/random.h>

#include <algorithm>
#include <numeric>

#include <spdlog/fmt/fmt.h>

#include "index/code_rows.h"
#include "index/faiss_backed.h"
#include "index/graph_walk.h"

namespace dexter {
namespace {

// Tuned ef stays in this range: below, the margin of the answers fills it; above, flat is cheaper.
constexpr int kSmallestEf = 16;
constexpr int kLargestEf = 4096;

const faiss::IndexFlat* stored_rows(const faiss::IndexHNSWFlat& index) {
  return dynamic_cast<const faiss::IndexFlat*>(index.storage);
}

class HnswIndex final : public FaissBacked {
 public:
  HnswIndex(IndexCore core, std::unique_ptr<faiss::IndexHNSWFlat> index)
      : FaissBacked(std::move(core)), index_(std::move(index)), codes_(stored_view()) {}

  void tune(const SortedRows& rows, EmbeddingView queries) {
    measure(rows, queries, {"ef", &IndexOptions::ef, &SearchOptions::ef, kSmallestEf, kLargestEf});
  }

 protected:
  const faiss::Index& faiss_index() const override { return *index_; }
  std::size_t row_bytes() const override {
    const faiss::HNSW& graph = index_->hnsw;
    return core().ids.size() * static_cast<std::size_t>(core().dim) * sizeof(float) +
           graph.neighbors.size() * sizeof(faiss::HNSW::storage_idx_t) +
           graph.offsets.size() * sizeof(std::size_t) + graph.levels.size() * sizeof(int) +
           codes_.bytes();
  }

  std::vector<std::vector<Hit>> exact_hits(
      EmbeddingView queries, const Wanted& wanted,
      const std::vector<std::uint32_t>* allowed) const override {
    if (allowed != nullptr) return code_scan(queries, wanted, codes_, stored_view(), *allowed);
    std::vector<std::uint32_t> all(core().ids.size());
    std::iota(all.begin(), all.end(), 0U);
    return code_scan(queries, wanted, codes_, stored_view(), all);
  }

  std::vector<Candidate> candidates(EmbeddingView queries, int k,
                                    const SearchOptions& options) const override {
    const int ef = options.ef > 0 ? options.ef : core().options.ef;
    const std::size_t rows = core().ids.size();
    const std::size_t each = std::min(with_margin(k), rows);
    const std::size_t width = std::min(std::max(static_cast<std::size_t>(ef), each), rows);
    const EmbeddingView stored = stored_view();
    const GraphView graph = graph_view();
    std::vector<Candidate> found(queries.rows() * each);
#pragma omp parallel for schedule(dynamic) if (queries.rows() > 1)
    for (std::size_t i = 0; i < queries.rows(); ++i) {
      const std::vector<Hit> hits = walk(graph, codes_, queries.row(i), width);
      for (std::size_t j = 0; j < std::min(each, hits.size()); ++j)
        found[i * each + j] = {stored.row(hits[j].row).data(), hits[j].row};
    }
    return found;
  }

 private:
  EmbeddingView stored_view() const {
    return {stored_rows(*index_)->get_xb(), core().ids.size(), core().dim};
  }
  GraphView graph_view() const {
    const faiss::HNSW& graph = index_->hnsw;
    return {.links = {graph.neighbors.data(), graph.neighbors.size()},
            .offsets = {graph.offsets.data(), graph.offsets.size()},
            .layer_begins = graph.cum_nneighbor_per_level,
            .entry = graph.entry_point,
            .top_layer = graph.max_level};
  }

  std::unique_ptr<faiss::IndexHNSWFlat> index_;
  CodeRows codes_;  // walked by; FAISS's rows give the scores
};

std::unique_ptr<faiss::IndexHNSWFlat> linked(const IndexOptions& options, const SortedRows& rows) {
  auto index = std::make_unique<faiss::IndexHNSWFlat>(rows.dim(), options.links,
                                                      faiss::METRIC_INNER_PRODUCT);
  index->hnsw.efConstruction = options.ef_construction;
  index->hnsw.efSearch = 1;  // a search brings its own
  index->hnsw.rng = faiss::RandomGenerator(options.seed);
  EmbeddingMatrix copy;
  if (rows.size() > 0) index->add(static_cast<FaissId>(rows.size()), rows.matrix(copy).data());
  return index;
}

// Every link inside the graph.
void check_graph(const faiss::IndexHNSWFlat& index) {
  const faiss::HNSW& graph = index.hnsw;
  const auto rows = static_cast<std::size_t>(index.ntotal);
  const faiss::IndexFlat* stored = stored_rows(index);
  const auto inside = [&](auto row) { return row >= -1 && row < index.ntotal; };
  const std::size_t layers = graph.cum_nneighbor_per_level.size();
  bool whole =
      stored != nullptr && stored->d == index.d && stored->ntotal == index.ntotal &&
      graph.levels.size() == rows && graph.offsets.size() == rows + 1 &&
      graph.offsets.front() == 0 && graph.offsets.back() == graph.neighbors.size() &&
      inside(graph.entry_point) && (rows == 0) == (graph.entry_point < 0) &&
      graph.max_level < static_cast<int>(layers) &&
      std::ranges::all_of(std::span(graph.neighbors.data(), graph.neighbors.size()), inside);
  for (std::size_t i = 0; whole && i < rows; ++i) {
    const int level = graph.levels[i];
    whole = level >= 1 && static_cast<std::size_t>(level) < layers &&
            graph.offsets[i + 1] ==
                graph.offsets[i] + static_cast<std::size_t>(graph.cum_nneighbor_per_level[level]);
  }
  ensure(whole && (rows == 0 || graph.levels[graph.entry_point] == graph.max_level + 1),
         ErrorKind::kCorrupt,
         fmt::format(
             "loading an hnsw index: the graph of {} rows names rows that are not there; build the "
             "index again",
             rows));
}

}  // namespace

std::unique_ptr<VectorIndex> build_hnsw_index(IndexCore core, const SortedRows& rows,
                                              EmbeddingView tuning_queries) {
  auto graph = translated(ErrorKind::kInternal, "building an hnsw index",
                          [&] { return linked(core.options, rows); });
  core.reason += fmt::format("; {} links", core.options.links);
  auto index = std::make_unique<HnswIndex>(std::move(core), std::move(graph));
  index->tune(rows, tuning_queries);
  return index;
}

std::unique_ptr<VectorIndex> load_hnsw_index(IndexCore core,
                                             std::shared_ptr<const SectionFileReader> reader) {
  auto parsed = read_faiss(*reader, core);
  auto* hnsw = dynamic_cast<faiss::IndexHNSWFlat*>(parsed.get());
  ensure(hnsw != nullptr, ErrorKind::kCorrupt,
         "loading an hnsw index: FAISS holds another kind; build the index again");
  check_graph(*hnsw);
  parsed.release();
  return std::make_unique<HnswIndex>(std::move(core), std::unique_ptr<faiss::IndexHNSWFlat>(hnsw));
}

}  // namespace dexter
