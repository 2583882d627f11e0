// Queries a second and recall@10 of every kind of index, beside plain faiss::IndexFlatIP.
#include <benchmark/benchmark.h>
#include <faiss/IndexFlat.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "index/vector_index.h"

namespace dexter {
namespace {

constexpr int kDim = 256;
constexpr int kHits = 10;
constexpr std::size_t kQueries = 1024;

// Unit vectors and queries of 24 free dimensions with a little noise in all 256, as embeddings of
// text lie: recall on vectors without structure says nothing about text.
constexpr int kFreeDims = 24;
constexpr float kNoise = 0.4F;

class Corpus {
 public:
  explicit Corpus(std::size_t rows) : vectors_(rows, kDim), queries_(kQueries, kDim), ids_(rows) {
    std::iota(ids_.begin(), ids_.end(), 0);
    EmbeddingMatrix basis(kFreeDims, kDim);
    for (std::size_t i = 0; i < basis.rows(); ++i)
      for (float& v : basis.row(i)) v = normal_(random_);
    for (std::size_t i = 0; i < rows; ++i) fill(vectors_.row(i), basis);
    for (std::size_t i = 0; i < kQueries; ++i) fill(queries_.row(i), basis);
  }
  static const Corpus& of(std::size_t rows) {
    static std::map<std::size_t, Corpus> corpora;
    return corpora.try_emplace(rows, rows).first->second;
  }
  EmbeddingView vectors() const { return vectors_; }
  EmbeddingView queries() const { return queries_; }
  const VectorIndex& index(const std::string& kind) const {
    auto& index = indexes_[kind];
    if (!index) index = build_index({.kind = kind}, vectors_, ids_, queries_);
    return *index;
  }

 private:
  void fill(std::span<float> row, EmbeddingView basis) {
    const float scale = kNoise * std::sqrt(static_cast<float>(kFreeDims));
    for (float& v : row) v = scale * normal_(random_);
    for (std::size_t i = 0; i < basis.rows(); ++i) {
      const float weight = normal_(random_);
      for (std::size_t j = 0; j < row.size(); ++j) row[j] += weight * basis.row(i)[j];
    }
    const float norm = std::sqrt(std::inner_product(row.begin(), row.end(), row.begin(), 0.0F));
    for (float& v : row) v /= norm;
  }

  std::mt19937 random_{7};
  std::normal_distribution<float> normal_{0, 1};
  EmbeddingMatrix vectors_, queries_;
  std::vector<std::int64_t> ids_;
  mutable std::map<std::string, std::unique_ptr<VectorIndex>> indexes_;
};

template <class Search>
void run_batches(benchmark::State& state, const Corpus& corpus, const Search& search) {
  const auto batch = static_cast<std::size_t>(state.range(1));
  std::size_t first = 0;
  for (auto _ : state) {
    search(corpus.queries().rows(first, batch));
    first = (first + batch) % (kQueries - batch + 1);
  }
  state.counters["queries_per_second"] = benchmark::Counter(
      static_cast<double>(state.iterations() * state.range(1)), benchmark::Counter::kIsRate);
}

void search_kind(benchmark::State& state, const std::string& kind) {
  const Corpus& corpus = Corpus::of(static_cast<std::size_t>(state.range(0)));
  const VectorIndex& index = corpus.index(kind);
  run_batches(state, corpus, [&](EmbeddingView queries) {
    benchmark::DoNotOptimize(index.search(queries, kHits));
  });
  const auto exact = corpus.index("flat").search(corpus.queries(), kHits);
  const auto found = index.search(corpus.queries(), kHits);
  std::size_t right = 0;
  for (std::size_t i = 0; i < found.ids.size(); ++i) {
    const auto row = exact.ids.begin() + static_cast<std::ptrdiff_t>(i / kHits * kHits);
    right += static_cast<std::size_t>(std::count(row, row + kHits, found.ids[i]));
  }
  const IndexDescription description = index.describe();
  state.counters["recall@10"] = static_cast<double>(right) / static_cast<double>(exact.ids.size());
  state.counters["bytes_per_vector"] =
      static_cast<double>(description.bytes) / static_cast<double>(description.size);
  state.SetLabel(description.reason);
}

void search_faiss_flat(benchmark::State& state) {
  const Corpus& corpus = Corpus::of(static_cast<std::size_t>(state.range(0)));
  faiss::IndexFlatIP index(kDim);
  index.add(static_cast<long>(corpus.vectors().rows()), corpus.vectors().data());
  std::vector<float> scores(kQueries * kHits);
  std::vector<decltype(index.ntotal)> rows(kQueries * kHits);
  run_batches(state, corpus, [&](EmbeddingView queries) {
    index.search(static_cast<long>(queries.rows()), queries.data(), kHits, scores.data(),
                 rows.data());
    benchmark::DoNotOptimize(rows.data());
  });
}

void sizes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"rows", "batch"})->UseRealTime();
  for (const long rows : {27'754, 200'000})
    for (const long batch : {1, 8, 64, 256}) bench->Args({rows, batch});
}

const int registered = [] {
  benchmark::RegisterBenchmark("search/faiss_flat", search_faiss_flat)->Apply(sizes);
  for (const IndexKind& kind : index_kinds()) {
    const std::string name(kind.name);
    benchmark::RegisterBenchmark(("search/" + name).c_str(), [name](benchmark::State& state) {
      search_kind(state, name);
    })->Apply(sizes);
  }
  return 0;
}();

}  // namespace
}  // namespace dexter

BENCHMARK_MAIN();
