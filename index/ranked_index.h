#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "index/accelerated_index.h"
#include "index/contenders.h"
#include "index/vector_index.h"
#include "storage/error.h"

namespace dexter {

// What every kind has beside its rows.
struct IndexCore {
  IndexOptions options;  // kind resolved, tuned values filled in
  std::string reason;
  int dim = 0;
  std::vector<std::int64_t> ids;  // ascending; the id of each row
  double max_norm = 0;            // the longest row's length, bounds every score
};

// The caller's vectors in ascending order of id, without a copy of them.
class SortedRows {
 public:
  // Checks dimensions, ids and values; fills `core.ids`, `core.dim` and `core.max_norm`.
  SortedRows(EmbeddingView vectors, std::span<const std::int64_t> ids, IndexCore& core);

  std::size_t size() const { return order_.size(); }
  int dim() const { return vectors_.dim(); }
  std::span<const float> row(std::size_t i) const { return vectors_.row(order_[i]); }
  // Rows [first, first + count).
  RowBlocks blocks(std::size_t first, std::size_t count) const;
  EmbeddingMatrix copy() const;
  // `count` rows drawn without repetition, in ascending order; all of them when there are fewer.
  EmbeddingMatrix sample(std::size_t count, int seed) const;

 private:
  EmbeddingView vectors_;
  std::vector<std::uint32_t> order_;  // place in vectors_ of each row
};

// kInvalidInput unless every query has the index's dimension and finite scores.
void check_queries(EmbeddingView queries, const IndexCore& core, std::string_view doing);

// Inner base of every kind: a search checks the queries, asks the kind for rows and turns them into
// ids; a file holds the sections "about" (names and values, a line each), "reason", "ids" and the
// kind's own. Immutable once built or loaded, and told what to search with.
class RankedIndex : public VectorIndex {
 public:
  static constexpr std::uint32_t kFileVersion = 3;
  static constexpr std::string_view kFileType = "index";

  SearchResult search(EmbeddingView queries, int k, const SearchOptions& options) const final;
  RangeResult search_above(EmbeddingView queries, float at_least,
                           const SearchOptions& options) const final;
  IndexDescription describe() const final;
  FileRef save(const std::filesystem::path& file, const std::filesystem::path& root) const final;
  // As accelerate(); kInvalidInput where the kind or `by` cannot.
  virtual void use(const Accelerate& by);

 protected:
  explicit RankedIndex(IndexCore core) : core_(std::move(core)) {}
  const IndexCore& core() const { return core_; }
  IndexCore& core() { return core_; }  // while building
  // Over all rows; 1 <= k <= size; [queries x k], in order, padded with Hit{}.
  virtual std::vector<Hit> hits(EmbeddingView queries, int k,
                                const SearchOptions& options) const = 0;
  // Exact, over the `allowed` rows, which ascend; null: over all. The answers of each query, in
  // order.
  virtual std::vector<std::vector<Hit>> exact_hits(
      EmbeddingView queries, const Wanted& wanted,
      const std::vector<std::uint32_t>* allowed) const = 0;
  virtual std::size_t row_bytes() const = 0;  // memory that rows and structure hold
  virtual void save_rows(SectionFileWriter& writer) const = 0;

  // The setting that trades recall for time.
  struct Knob {
    std::string_view name;
    int IndexOptions::*saved;
    int SearchOptions::*asked;
    int first;
    int last;
  };
  // Sets the knob where it is 0, by measured recall, and adds what was measured to the reason.
  void measure(const SortedRows& rows, EmbeddingView queries, const Knob& knob);

 private:
  void check(EmbeddingView queries, const SearchOptions& options) const;

  IndexCore core_;
};

// `count` values of a section. kCorrupt where its length is another.
template <class T>
std::span<const T> section_of(const SectionFileReader& reader, std::string_view name,
                              std::size_t count) {
  const std::span<const std::byte> bytes = reader.section(name);
  ensure(bytes.size() == count * sizeof(T), ErrorKind::kCorrupt,
         "loading an index: " + std::to_string(bytes.size()) + " bytes of " + std::string(name) +
             ", expected " + std::to_string(count * sizeof(T)) + "; build the index again");
  return {reinterpret_cast<const T*>(bytes.data()), count};
}

// The sections of the base. kCorrupt where they contradict each other.
IndexCore load_core(const SectionFileReader& reader);

// The kinds. `tuning_queries` may be empty. A loader keeps `reader` if it uses its bytes in place.
using IndexBuilder = std::unique_ptr<VectorIndex>(IndexCore core, const SortedRows& rows,
                                                  EmbeddingView tuning_queries,
                                                  const Progress& progress);
using IndexLoader = std::unique_ptr<VectorIndex>(IndexCore core,
                                                 std::shared_ptr<const SectionFileReader> reader);
IndexBuilder build_flat_index, build_ivf_index, build_hnsw_index;
IndexLoader load_flat_index, load_ivf_index, load_hnsw_index;

}  // namespace dexter
