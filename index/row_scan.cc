// Dot products of queries with blocks of rows, and the selection of the best.
#include "index/row_scan.h"

#include <immintrin.h>
#include <omp.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>

namespace dexter {
namespace {

constexpr std::size_t kLanes = RowBlocks::kLanes;
constexpr std::size_t kPanelRows = RowBlocks::kLanes * RowBlocks::kPanel;

// scores[q][row] = sum over j of queries[j][q] * rows[j][row]. The steps are fused explicitly: left
// to the compiler they would be at some levels of optimisation and not at others.
using TileFunction = void (*)(const float* queries, const float* rows, std::size_t dim,
                              float* scores);

template <std::size_t kQueries, std::size_t kBlocks>
void avx2_tile(const float* queries, const float* rows, std::size_t dim, float* scores) {
  constexpr std::size_t kVectors = 2 * kBlocks;
  __m256 sums[kQueries][kVectors];
  for (auto& of_query : sums)
    for (auto& sum : of_query) sum = _mm256_setzero_ps();
  for (std::size_t j = 0; j < dim; ++j) {
    __m256 row[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v)
      row[v] = _mm256_loadu_ps(rows + v / 2 * kLanes * dim + j * kLanes + v % 2 * 8);
    for (std::size_t q = 0; q < kQueries; ++q) {
      const __m256 query = _mm256_set1_ps(queries[j * kQueries + q]);
      for (std::size_t v = 0; v < kVectors; ++v)
        sums[q][v] = _mm256_fmadd_ps(query, row[v], sums[q][v]);
    }
  }
  for (std::size_t q = 0; q < kQueries; ++q)
    for (std::size_t v = 0; v < kVectors; ++v)
      _mm256_storeu_ps(scores + (q * kVectors + v) * 8, sums[q][v]);
}

template <std::size_t kQueries, std::size_t kBlocks>
[[gnu::target("arch=x86-64-v4")]] void avx512_tile(const float* queries, const float* rows,
                                                   std::size_t dim, float* scores) {
  __m512 sums[kQueries][kBlocks];
  for (auto& of_query : sums)
    for (auto& sum : of_query) sum = _mm512_setzero_ps();
  for (std::size_t j = 0; j < dim; ++j) {
    __m512 row[kBlocks];
    for (std::size_t b = 0; b < kBlocks; ++b)
      row[b] = _mm512_loadu_ps(rows + b * kLanes * dim + j * kLanes);
    for (std::size_t q = 0; q < kQueries; ++q) {
      const __m512 query = _mm512_set1_ps(queries[j * kQueries + q]);
      for (std::size_t b = 0; b < kBlocks; ++b)
        sums[q][b] = _mm512_fmadd_ps(query, row[b], sums[q][b]);
    }
  }
  for (std::size_t q = 0; q < kQueries; ++q)
    for (std::size_t b = 0; b < kBlocks; ++b)
      _mm512_storeu_ps(scores + (q * kBlocks + b) * kLanes, sums[q][b]);
}

// The shapes fill the registers of each instruction set; measured by bench/index/search_bench.cc.
struct Tile {
  std::size_t queries;
  std::size_t blocks;
  TileFunction run;
};
constexpr std::size_t kTileScores = 8 * kPanelRows;  // queries x rows, at most

using Tiles = std::array<Tile, 3>;  // ascending queries
constexpr Tiles kAvx2Tiles{
    {{1, 4, avx2_tile<1, 4>}, {4, 1, avx2_tile<4, 1>}, {6, 1, avx2_tile<6, 1>}}};
constexpr Tiles kAvx512Tiles{
    {{1, 4, avx512_tile<1, 4>}, {4, 4, avx512_tile<4, 4>}, {8, 2, avx512_tile<8, 2>}}};

const Tiles& tiles_of(Isa isa) { return isa == Isa::kAvx512 ? kAvx512Tiles : kAvx2Tiles; }

// Whether any of 16 scores is above `floor`. GCC leaves the plain loop scalar.
bool any_above(const float* scores, float floor) {
  const __m256 bound = _mm256_set1_ps(floor);
  const __m256 low = _mm256_cmp_ps(_mm256_loadu_ps(scores), bound, _CMP_GT_OQ);
  const __m256 high = _mm256_cmp_ps(_mm256_loadu_ps(scores + 8), bound, _CMP_GT_OQ);
  return _mm256_movemask_ps(_mm256_or_ps(low, high)) != 0;
}

// Offers the scores of 16 rows from number `first`; rows from `end` on are padding.
void offer_block(const float* scores, std::uint32_t first, std::uint32_t end, TopHits& top) {
  if (!any_above(scores, top.floor())) return;
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    const std::uint32_t row = first + static_cast<std::uint32_t>(lane);
    if (row < end) top.offer(scores[lane], row);
  }
}

// Sums in component order are chains of dependent steps; eight at once keep the adders busy.
constexpr std::size_t kChains = 8;

template <std::size_t kCount>
void score_chains(std::span<const float> query, const float* const* rows, const Place* places,
                  Hit* hits) {
  float sums[kCount] = {};
  for (std::size_t j = 0; j < query.size(); ++j)
    for (std::size_t c = 0; c < kCount; ++c) sums[c] = std::fma(query[j], rows[c][j], sums[c]);
  for (std::size_t c = 0; c < kCount; ++c) hits[c] = {sums[c], places[c].row};
}

// Blocks of one task: a quarter of a megabyte, which stays in the second-level cache while all
// queries pass over it.
std::size_t blocks_per_task(int dim) {
  const std::size_t bytes = kPanelRows * static_cast<std::size_t>(dim) * sizeof(float);
  return std::max<std::size_t>(1, (std::size_t{256} << 10) / bytes) * RowBlocks::kPanel;
}

}  // namespace

Isa best_isa() {
  static const bool wide = __builtin_cpu_supports("avx512f") &&
                           __builtin_cpu_supports("avx512bw") &&
                           __builtin_cpu_supports("avx512cd") &&
                           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return wide ? Isa::kAvx512 : Isa::kAvx2;
}

void TopHits::shrink() {
  std::nth_element(hits_, hits_ + (k_ - 1), hits_ + size_, ranks_before);
  size_ = k_;
  // Later rows of the same score rank behind, so the floor itself is closed.
  floor_ = hits_[k_ - 1].score;
}

RowScan::RowScan(EmbeddingView queries, int k, Isa isa)
    : isa_(isa),
      queries_(queries.rows()),
      dim_(queries.dim()),
      k_(k),
      threads_(omp_get_max_threads()) {
  const Tiles& tiles = tiles_of(isa);
  const auto width = static_cast<std::size_t>(dim_);
  for (std::size_t first = 0; first < queries_;) {
    std::size_t number = 0;
    while (number + 1 < tiles.size() && tiles[number].queries < queries_ - first) ++number;
    const std::size_t taken = std::min(tiles[number].queries, queries_ - first);
    groups_.push_back({first, taken, number, packed_.size()});
    packed_.resize(packed_.size() + width * tiles[number].queries);  // absent queries are zero
    float* packed = packed_.data() + groups_.back().packed;
    for (std::size_t q = 0; q < taken; ++q)
      for (std::size_t j = 0; j < width; ++j)
        packed[j * tiles[number].queries + q] = queries.row(first + q)[j];
    first += taken;
  }
  const std::size_t count = queries_ * static_cast<std::size_t>(threads_);
  storage_.resize(count * TopHits::capacity(k));
  tops_.reserve(count);
  for (std::size_t i = 0; i < count; ++i)
    tops_.emplace_back(storage_.data() + i * TopHits::capacity(k), k);
}

void RowScan::add(const RowBlocks& rows, std::uint32_t first_row) {
  assert(rows.dim() == dim_);
  const std::size_t step = blocks_per_task(dim_);
  const std::size_t tasks = (rows.blocks() + step - 1) / step;
  // Below this a team of threads costs more than it saves.
  const bool worth_threads = rows.values().size() * queries_ > (std::size_t{1} << 18);
#pragma omp parallel for schedule(dynamic) num_threads(threads_) if (worth_threads)
  for (std::size_t task = 0; task < tasks; ++task) {
    const auto thread = static_cast<std::size_t>(omp_get_thread_num());
    scan_blocks(rows, task * step, std::min(rows.blocks(), (task + 1) * step), first_row,
                std::span(tops_).subspan(thread * queries_, queries_));
  }
}

void RowScan::scan_blocks(const RowBlocks& rows, std::size_t begin, std::size_t end,
                          std::uint32_t first_row, std::span<TopHits> tops) const {
  const Tiles& tiles = tiles_of(isa_);
  const std::uint32_t last = first_row + static_cast<std::uint32_t>(rows.rows());
  alignas(64) std::array<float, kTileScores> scores;
  for (const Group& group : groups_) {
    const Tile& tile = tiles[group.tile];
    for (std::size_t b = begin; b < end; b += tile.blocks) {
      tile.run(packed_.data() + group.packed, rows.block(b), static_cast<std::size_t>(dim_),
               scores.data());
      for (std::size_t q = 0; q < group.count; ++q)
        for (std::size_t i = 0; i < tile.blocks; ++i)
          offer_block(scores.data() + (q * tile.blocks + i) * kLanes,
                      first_row + static_cast<std::uint32_t>((b + i) * kLanes), last,
                      tops[group.first + q]);
    }
  }
}

std::vector<Hit> RowScan::take() {
  const auto k = static_cast<std::size_t>(k_);
  std::vector<Hit> best(queries_ * k);
  std::vector<Hit> merged;
  for (std::size_t q = 0; q < queries_; ++q) {
    merged.clear();
    for (std::size_t i = q; i < tops_.size(); i += queries_)
      merged.insert(merged.end(), tops_[i].hits().begin(), tops_[i].hits().end());
    std::partial_sort_copy(merged.begin(), merged.end(),
                           best.begin() + static_cast<std::ptrdiff_t>(q * k),
                           best.begin() + static_cast<std::ptrdiff_t>((q + 1) * k), ranks_before);
  }
  return best;
}

void score_all(std::span<const float> query, const RowSource& vectors,
               std::span<const Place> places, std::span<Hit> hits) {
  const std::size_t dim = vectors.in_place() ? 0 : query.size();  // of what is decoded
  std::vector<float> room(kChains * dim);
  std::array<const float*, kChains> rows;
  for (std::size_t i = 0; i < places.size();) {
    const std::size_t count = places.size() - i >= kChains ? kChains : 1;
    for (std::size_t c = 0; c < count; ++c)
      rows[c] = vectors.row(places[i + c].at, std::span(room).subspan(c * dim, dim)).data();
    if (count == kChains)
      score_chains<kChains>(query, rows.data(), &places[i], &hits[i]);
    else
      score_chains<1>(query, rows.data(), &places[i], &hits[i]);
    i += count;
  }
}

void rescore(std::span<const float> query, const RowSource& vectors, std::span<const Place> places,
             std::span<Hit> best) {
  std::vector<Hit> hits(places.size());
  score_all(query, vectors, places, hits);
  std::fill(best.begin(), best.end(), Hit{});
  std::partial_sort_copy(hits.begin(), hits.end(), best.begin(), best.end(), ranks_before);
}

}  // namespace dexter
