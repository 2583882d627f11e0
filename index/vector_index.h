#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "index/id_set.h"
#include "storage/embedding_matrix.h"
#include "storage/progress.h"
#include "storage/section_file.h"

namespace dexter {

inline constexpr std::int64_t kNoId = -1;

struct IndexOptions {
  std::string kind = "auto";  // auto | flat | ivf | hnsw
  int lists = 0;              // ivf: inverted lists; 0 = 4 * sqrt(rows)
  int probes = 0;             // ivf: lists read per query; 0 = tuned on building, see `recall`
  int links = 32;             // hnsw: M
  int ef_construction = 200;  // hnsw
  int ef = 0;                 // hnsw: ef of a search; 0 = tuned on building, see `recall`
  // float32, float16 or byte: what is kept of a vector, which is then searched and scored as such.
  std::string storage = "float32";
  double recall = 0.99;  // recall@10 against flat that tuned settings must reach
  int seed = 7;

  void validate() const;  // kInvalidInput naming the option and its range
};

template <class Visitor>
void visit(Visitor& v, IndexOptions& o) {
  v("kind", o.kind, "auto, flat (exact), ivf or hnsw; auto chooses by size and memory");
  v("lists", o.lists, "ivf: inverted lists; 0 takes 4 * sqrt(rows)");
  v("probes", o.probes, "ivf: lists read per query; 0 tunes it to reach `recall`");
  v("links", o.links, "hnsw: links per node");
  v("ef_construction", o.ef_construction, "hnsw: candidates kept while building");
  v("ef", o.ef, "hnsw: candidates kept while searching; 0 tunes it to reach `recall`");
  v("recall", o.recall, "recall@10 against exact search that tuned settings must reach");
  v("seed", o.seed, "seed of clustering");
  v("storage", o.storage, "what is kept of a vector: float32, float16 or byte");
}

struct SearchOptions {
  int probes = 0;  // 0: as saved with the index
  int ef = 0;
  // Answers come from these ids alone, and are exact whatever the kind; null: from all. Ids that
  // the index does not hold count for nothing.
  std::shared_ptr<const IdSet> only = nullptr;
};

// Row i holds `k` hits, best first, ties by ascending id; missing hits are kNoId with score
// -infinity.
struct SearchResult {
  int k = 0;
  std::vector<std::int64_t> ids;  // [queries x k]
  std::vector<float> scores;      // [queries x k], inner products
};

// The hits of query i are [begins[i], begins[i + 1]), best first, ties by ascending id.
struct RangeResult {
  std::vector<std::size_t> begins;  // [queries + 1]
  std::vector<std::int64_t> ids;
  std::vector<float> scores;
};

struct IndexDescription {
  std::string kind;
  std::string reason;  // why this kind and these settings
  int dim = 0;
  std::size_t size = 0;
  std::size_t bytes = 0;  // memory held
  IndexOptions options;   // as built; tuned values filled in
};

// Nearest neighbours by inner product over float32 vectors with caller's ids (non-negative,
// distinct). `search` and `describe` are safe from many threads, also together; everything else
// needs one caller.
class VectorIndex {
 public:
  virtual ~VectorIndex() = default;
  // The k vectors of largest inner product for each query row [n x dim]. k >= 1, of any size. Uses
  // OpenMP threads.
  virtual SearchResult search(EmbeddingView queries, int k,
                              const SearchOptions& options = {}) const = 0;
  // All vectors whose inner product with the query is `at_least` or more; exact whatever the kind,
  // and at the cost of exact search. kInvalidInput where `at_least` is not finite.
  virtual RangeResult search_above(EmbeddingView queries, float at_least,
                                   const SearchOptions& options = {}) const = 0;
  virtual IndexDescription describe() const = 0;
  // Writes a section file of type "index" and returns its reference, relative to `root`.
  virtual FileRef save(const std::filesystem::path& file,
                       const std::filesystem::path& root) const = 0;
};

// Builds an index over `vectors` [n x dim] with `ids` [n]; resolves "auto" and tunes zero settings
// by measured recall against exact search of what is kept on `tuning_queries` [m x dim] (real
// queries where there are some; an empty view takes a sample of the vectors). n may be 0. Errors:
// kInvalidInput for duplicate or negative ids, non-finite values, dimensions that differ;
// kInterrupted where a stop is asked for while a graph is built, which `progress` hears of.
std::unique_ptr<VectorIndex> build_index(const IndexOptions& options, EmbeddingView vectors,
                                         std::span<const std::int64_t> ids,
                                         EmbeddingView tuning_queries = {},
                                         const Progress& progress = {});

// kCorrupt / kIncompatible / kNotFound as SectionFileReader; the checksum is checked before FAISS
// parses.
std::unique_ptr<VectorIndex> load_index(const std::filesystem::path& root, const FileRef& ref);

struct IndexKind {
  std::string_view name;
  std::string_view summary;
};
const std::vector<IndexKind>& index_kinds();

}  // namespace dexter
