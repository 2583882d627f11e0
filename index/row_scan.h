#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "index/byte_rows.h"
#include "index/row_blocks.h"
#include "index/row_source.h"
#include "storage/embedding_matrix.h"

namespace dexter {

// A scored row. Every kind's scores are made by the kernels of this file, which add the products of
// a row in component order, one fused step each: the same query and row give the same bits for
// every kind, batch size, thread count and instruction set.
struct Hit {
  float score = -std::numeric_limits<float>::infinity();
  std::uint32_t row = kNoRow;
  bool operator==(const Hit&) const = default;
};

// The order of all answers: score descending, row ascending. Rows stand in ascending order of id.
inline bool ranks_before(const Hit& a, const Hit& b) {
  return a.score != b.score ? a.score > b.score : a.row < b.row;
}

// Kernels by instruction set; the widest that the processor has is the default.
enum class Isa { kAvx2, kAvx512 };
Isa best_isa();

// The k best of the hits offered, when rows come in ascending order. Storage is the caller's, of
// `capacity(k)` hits.
class TopHits {
 public:
  static std::size_t capacity(int k) { return 2 * static_cast<std::size_t>(k) + 16; }
  TopHits(Hit* storage, int k) : hits_(storage), k_(static_cast<std::size_t>(k)) {}

  // A score must be above it to enter.
  float floor() const { return floor_; }
  void offer(float score, std::uint32_t row) {
    if (!(score > floor_)) return;
    hits_[size_++] = {score, row};
    if (size_ == capacity(static_cast<int>(k_))) shrink();
  }
  std::span<const Hit> hits() const { return {hits_, size_}; }  // unordered; may hold more than k

 private:
  void shrink();

  Hit* hits_;
  std::size_t k_;
  std::size_t size_ = 0;
  float floor_ = -std::numeric_limits<float>::infinity();
};

// Exact search of some queries over rows that come in pieces. Uses OpenMP threads over the rows.
// Scores must be finite, which the callers see to by bounding the norms.
class RowScan {
 public:
  // `queries` [n x dim] is copied.
  RowScan(EmbeddingView queries, int k, Isa isa = best_isa());

  // Scans `rows`, numbered from `first_row`; numbers must grow from call to call.
  void add(const RowBlocks& rows, std::uint32_t first_row = 0);
  // The k best of each query, in order, padded with Hit{}. [n x k]
  std::vector<Hit> take();

 private:
  struct Group {  // queries that one kernel call takes
    std::size_t first = 0;
    std::size_t count = 0;
    std::size_t tile = 0;    // number of the kernel
    std::size_t packed = 0;  // where the queries stand in packed_: [dim x queries of the kernel]
  };
  void scan_blocks(const RowBlocks& rows, std::size_t begin, std::size_t end,
                   std::uint32_t first_row, std::span<TopHits> tops) const;

  Isa isa_;
  std::size_t queries_;
  int dim_;
  int k_;
  int threads_;
  std::vector<float> packed_;
  std::vector<Group> groups_;
  std::vector<Hit> storage_;
  std::vector<TopHits> tops_;  // [threads x queries]
};

// Where a row stands among some vectors, and the number that answers call it by.
struct Place {
  std::uint32_t at = 0;
  std::uint32_t row = kNoRow;
};

// Scores of the rows at `places` in `vectors`, made as RowScan makes them. `hits` [places].
void score_all(std::span<const float> query, const RowSource& vectors,
               std::span<const Place> places, std::span<Hit> hits);

// The same of places that are distinct; fills `best` in order, padded with Hit{}.
void rescore(std::span<const float> query, const RowSource& vectors, std::span<const Place> places,
             std::span<Hit> best);

}  // namespace dexter
