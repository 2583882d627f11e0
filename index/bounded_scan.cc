// Integer dot products of queries with the rows' bytes, and the rows they leave to be scored.
#include "index/bounded_scan.h"

#include <immintrin.h>
#include <omp.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <span>

namespace dexter {
namespace {

constexpr std::size_t kLanes = ByteRows::kLanes;
constexpr std::size_t kMostTileSums = 8 * kLanes * ByteRows::kPanel;  // queries x rows

// sums[q][row] = sum over components of query code * row code; `queries` [groups x queries] holds
// four codes a word.
using TileFunction = void (*)(const std::int32_t* queries, const std::uint8_t* rows,
                              std::size_t groups, std::int32_t* sums);

template <int kQueries, int kBlocks>
[[gnu::target("arch=x86-64-v4,avx512vnni")]] void vnni_tile(const std::int32_t* queries,
                                                            const std::uint8_t* rows,
                                                            std::size_t groups,
                                                            std::int32_t* sums) {
  __m512i sum[kQueries][kBlocks];
  for (auto& of_query : sum)
    for (auto& s : of_query) s = _mm512_setzero_si512();
  for (std::size_t g = 0; g < groups; ++g) {
    __m512i row[kBlocks];
    for (std::size_t b = 0; b < kBlocks; ++b)
      row[b] = _mm512_loadu_si512(rows + (b * groups + g) * kLanes * 4);
    for (std::size_t q = 0; q < kQueries; ++q) {
      const __m512i query = _mm512_set1_epi32(queries[g * kQueries + q]);
      for (std::size_t b = 0; b < kBlocks; ++b)
        sum[q][b] = _mm512_dpbusd_epi32(sum[q][b], row[b], query);
    }
  }
  for (std::size_t q = 0; q < kQueries; ++q)
    for (std::size_t b = 0; b < kBlocks; ++b)
      _mm512_storeu_si512(sums + (q * kBlocks + b) * kLanes, sum[q][b]);
}

// Pairs of products add up in 16 bits, which query codes up to 63 keep from saturating.
template <int kQueries, int kBlocks>
void avx2_tile(const std::int32_t* queries, const std::uint8_t* rows, std::size_t groups,
               std::int32_t* sums) {
  constexpr std::size_t kHalves = 2 * kBlocks;  // of 8 rows
  __m256i sum[kQueries][kHalves];
  for (auto& of_query : sum)
    for (auto& s : of_query) s = _mm256_setzero_si256();
  const __m256i ones = _mm256_set1_epi16(1);
  for (std::size_t g = 0; g < groups; ++g)
    for (std::size_t h = 0; h < kHalves; ++h) {
      const std::uint8_t* at = rows + (h / 2 * groups + g) * kLanes * 4 + h % 2 * 32;
      const __m256i row = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
      for (std::size_t q = 0; q < kQueries; ++q) {
        const __m256i query = _mm256_set1_epi32(queries[g * kQueries + q]);
        const __m256i pairs = _mm256_maddubs_epi16(row, query);
        sum[q][h] = _mm256_add_epi32(sum[q][h], _mm256_madd_epi16(pairs, ones));
      }
    }
  for (std::size_t q = 0; q < kQueries; ++q)
    for (std::size_t h = 0; h < kHalves; ++h)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + (q * kHalves + h) * kLanes / 2),
                          sum[q][h]);
}

struct Tile {
  std::size_t queries;
  std::size_t blocks;  // divides ByteRows::kPanel
  TileFunction run;
};
struct TileSet {
  int query_limit;
  std::array<Tile, 3> tiles;  // ascending queries
  Tile of_range;              // one query over a few blocks
};
constexpr TileSet kAvx2Tiles{
    63,
    {{{1, 2, avx2_tile<1, 2>}, {2, 2, avx2_tile<2, 2>}, {4, 1, avx2_tile<4, 1>}}},
    {1, 2, avx2_tile<1, 2>}};
constexpr TileSet kVnniTiles{
    127,
    {{{1, 8, vnni_tile<1, 8>}, {4, 4, vnni_tile<4, 4>}, {8, 2, vnni_tile<8, 2>}}},
    {1, 4, vnni_tile<1, 4>}};

const TileSet& tiles_of(ByteIsa isa) {
  return isa == ByteIsa::kAvx512Vnni ? kVnniTiles : kAvx2Tiles;
}

// A query's share of every interval:
//   |q.x - scale (sum - offset) scale_i| <= |q| error_i + error norm_i + rounding.
struct Query {
  float scale = 0;
  float norm = 0;           // |q|, rounded up
  float error = 0;          // of its bytes
  float rounding = 0;       // of the float32 sums on either side
  std::int32_t offset = 0;  // what the rows' 128 add
};

struct Group {  // queries that one kernel call takes
  std::size_t first = 0;
  std::size_t count = 0;
  const Tile* tile = nullptr;
  std::size_t packed = 0;  // where their words stand: [groups x queries of the kernel]
};

struct Interval {
  float lower = 0;
  float upper = 0;
  std::uint32_t row = 0;
};

// The k-th largest lower end; there are at least k.
float kth_lower(std::vector<float>& lower, std::size_t k) {
  std::nth_element(lower.begin(), lower.begin() + static_cast<std::ptrdiff_t>(k - 1), lower.end(),
                   std::greater<>());
  return lower[k - 1];
}

// The rows of one thread that may still be among a query's k best.
class Contenders {
 public:
  explicit Contenders(std::size_t k) : k_(k), limit_(2 * k + 64) {}

  float floor() const { return floor_; }  // an upper end below it is out
  void offer(const Interval& interval) {
    if (!(interval.upper >= floor_)) return;  // NaN stands for no row
    intervals_.push_back(interval);
    if (intervals_.size() >= limit_) prune();
  }
  const std::vector<Interval>& intervals() const { return intervals_; }

 private:
  void prune() {
    std::vector<float> lower;
    lower.reserve(intervals_.size());
    for (const Interval& i : intervals_) lower.push_back(i.lower);
    floor_ = std::max(floor_, kth_lower(lower, k_));
    std::erase_if(intervals_, [&](const Interval& i) { return i.upper < floor_; });
    limit_ = std::max(limit_, 2 * intervals_.size());  // where many rows are alike
  }

  std::size_t k_;
  std::size_t limit_;
  std::vector<Interval> intervals_;
  float floor_ = -std::numeric_limits<float>::infinity();
};

// Intervals of the 16 rows from number `first` on.
void offer_block(const std::int32_t* sums, const ByteRows::Bounds& bounds, const Query& query,
                 std::uint32_t first, Contenders& contenders) {
  alignas(32) float lower[kLanes], upper[kLanes];
  int above = 0;
  for (std::size_t half = 0; half < kLanes; half += 8) {
    const auto load = [&](const float* values) { return _mm256_loadu_ps(values + half); };
    const __m256i sum =
        _mm256_sub_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(sums + half)),
                         _mm256_set1_epi32(query.offset));
    const __m256 score = _mm256_mul_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(sum), load(bounds.scale)),
                                       _mm256_set1_ps(query.scale));
    const __m256 slack =
        _mm256_fmadd_ps(load(bounds.error), _mm256_set1_ps(query.norm),
                        _mm256_fmadd_ps(load(bounds.norm), _mm256_set1_ps(query.error),
                                        _mm256_set1_ps(query.rounding)));
    const __m256 high = _mm256_add_ps(score, slack);
    _mm256_store_ps(lower + half, _mm256_sub_ps(score, slack));
    _mm256_store_ps(upper + half, high);
    above |=
        _mm256_movemask_ps(_mm256_cmp_ps(high, _mm256_set1_ps(contenders.floor()), _CMP_GE_OQ));
  }
  if (above == 0) return;
  for (std::size_t lane = 0; lane < kLanes; ++lane)
    contenders.offer({lower[lane], upper[lane], first + static_cast<std::uint32_t>(lane)});
}

// A query and its words for a kernel that takes one.
Query measured(std::span<const float> vector, const ByteRows& bytes, int limit,
               std::span<std::int8_t> codes) {
  constexpr double kUnit = 1.0 / (1 << 24);  // of float32's rounding
  const ByteVector rounded = to_bytes(vector, limit, codes);
  Query query{.scale = rounded.scale, .error = rounded.error};
  double squares = 0;
  for (const float v : vector) squares += static_cast<double>(v) * static_cast<double>(v);
  query.norm = static_cast<float>(std::sqrt(squares) * (1 + 1e-6));
  for (const std::int8_t code : codes) query.offset += 128 * code;
  // A float32 sum of n products is off by at most n units of |q| |x|, or of the smallest normal
  // number; a few more units are for the interval's own arithmetic.
  const double steps = static_cast<double>(vector.size()) + 16;
  const double length = static_cast<double>(query.norm) * static_cast<double>(bytes.largest_norm());
  query.rounding = static_cast<float>(
      steps * (kUnit * length + static_cast<double>(std::numeric_limits<float>::min())));
  return query;
}

// What is left of some searches of one query, scored in float32.
void score(std::span<const float> vector, std::span<const Contenders* const> searches,
           std::size_t k, const BoundedRows& rows, std::span<Hit> best) {
  std::vector<float> lower;
  for (const Contenders* search : searches)
    for (const Interval& interval : search->intervals()) lower.push_back(interval.lower);
  const float floor =
      lower.size() < k ? -std::numeric_limits<float>::infinity() : kth_lower(lower, k);
  std::vector<Candidate> candidates;
  for (const Contenders* search : searches)
    for (const Interval& interval : search->intervals())
      if (interval.upper >= floor)
        candidates.push_back({rows.vectors.row(interval.row).data(),
                              rows.slots.empty() ? interval.row : rows.slots[interval.row]});
  rescore(vector, candidates, best);
}

class Scan {
 public:
  Scan(EmbeddingView queries, int k, const BoundedRows& rows, ByteIsa isa)
      : rows_(rows), bytes_(*rows.bytes), k_(static_cast<std::size_t>(k)), set_(tiles_of(isa)) {
    codes_.resize(queries.rows() * bytes_.groups() * 4);
    for (std::size_t q = 0; q < queries.rows(); ++q)
      queries_.push_back(
          measured(queries.row(q), bytes_, set_.query_limit,
                   std::span(codes_).subspan(q * bytes_.groups() * 4, bytes_.groups() * 4)));
    pack(queries.rows());
  }

  std::vector<Hit> run(EmbeddingView queries) const {
    const std::size_t count = queries_.size();
    const auto threads = static_cast<std::size_t>(omp_get_max_threads());
    std::vector<Contenders> contenders(count * threads, Contenders(k_));
    // Below this a team of threads costs more than it saves.
    const bool worth_threads = bytes_.codes().size() * count > (std::size_t{1} << 20);
    const std::size_t step = blocks_per_task();
    const std::size_t tasks = (bytes_.blocks() + step - 1) / step;
#pragma omp parallel num_threads(static_cast <int>(threads)) if (worth_threads)
    {
      const auto thread = static_cast<std::size_t>(omp_get_thread_num());
      const auto own = std::span(contenders).subspan(thread * count, count);
#pragma omp for schedule(dynamic)
      for (std::size_t task = 0; task < tasks; ++task)
        look(task * step, std::min(bytes_.blocks(), (task + 1) * step), own);
    }
    std::vector<Hit> best(count * k_);
#pragma omp parallel for schedule(dynamic) if (count > 1)
    for (std::size_t q = 0; q < count; ++q) {
      std::vector<const Contenders*> searches;
      for (std::size_t t = 0; t < threads; ++t) searches.push_back(&contenders[t * count + q]);
      score(queries.row(q), searches, k_, rows_, std::span(best).subspan(q * k_, k_));
    }
    return best;
  }

 private:
  void pack(std::size_t queries) {
    const std::size_t groups = bytes_.groups();
    for (std::size_t first = 0; first < queries;) {
      std::size_t number = 0;
      while (number + 1 < set_.tiles.size() && set_.tiles[number].queries < queries - first)
        ++number;
      const Tile& tile = set_.tiles[number];
      const std::size_t taken = std::min(tile.queries, queries - first);
      groups_.push_back({first, taken, &tile, packed_.size()});
      packed_.resize(packed_.size() + groups * tile.queries);  // absent queries are zero
      for (std::size_t q = 0; q < taken; ++q)
        for (std::size_t g = 0; g < groups; ++g)
          std::memcpy(&packed_[groups_.back().packed + g * tile.queries + q],
                      &codes_[((first + q) * groups + g) * 4], 4);
      first += taken;
    }
  }

  // A quarter of a megabyte, which stays in the second-level cache while all queries pass over it.
  std::size_t blocks_per_task() const {
    const std::size_t panel = ByteRows::kPanel * kLanes * 4 * bytes_.groups();
    return std::max<std::size_t>(1, (std::size_t{256} << 10) / panel) * ByteRows::kPanel;
  }

  void look(std::size_t begin, std::size_t end, std::span<Contenders> contenders) const {
    alignas(64) std::array<std::int32_t, kMostTileSums> sums;
    for (const Group& group : groups_) {
      const Tile& tile = *group.tile;
      for (std::size_t b = begin; b < end; b += tile.blocks) {
        tile.run(packed_.data() + group.packed, bytes_.block(b), bytes_.groups(), sums.data());
        for (std::size_t q = 0; q < group.count; ++q)
          for (std::size_t i = 0; i < tile.blocks; ++i)
            offer_block(sums.data() + (q * tile.blocks + i) * kLanes, bytes_.bounds(b + i),
                        queries_[group.first + q], static_cast<std::uint32_t>((b + i) * kLanes),
                        contenders[group.first + q]);
      }
    }
  }

  const BoundedRows& rows_;
  const ByteRows& bytes_;
  std::size_t k_;
  const TileSet& set_;
  std::vector<Query> queries_;
  std::vector<std::int8_t> codes_;  // [queries x groups x 4]
  std::vector<Group> groups_;
  std::vector<std::int32_t> packed_;
};

}  // namespace

ByteIsa best_byte_isa() {
  static const bool vnni = best_isa() == Isa::kAvx512 && __builtin_cpu_supports("avx512vnni");
  return vnni ? ByteIsa::kAvx512Vnni : ByteIsa::kAvx2;
}

std::vector<Hit> bounded_scan(EmbeddingView queries, int k, const BoundedRows& rows, ByteIsa isa) {
  return Scan(queries, k, rows, isa).run(queries);
}

void bounded_scan(std::span<const float> query, const BoundedRows& rows,
                  std::span<const BlockRange> ranges, std::span<Hit> best, ByteIsa isa) {
  const ByteRows& bytes = *rows.bytes;
  const TileSet& set = tiles_of(isa);
  const Tile& tile = set.of_range;
  std::vector<std::int32_t> words(bytes.groups());
  std::vector<std::int8_t> codes(bytes.groups() * 4);
  const Query measured_query = measured(query, bytes, set.query_limit, codes);
  std::memcpy(words.data(), codes.data(), codes.size());
  Contenders contenders(best.size());
  alignas(64) std::array<std::int32_t, kMostTileSums> sums;
  for (const BlockRange& range : ranges)
    for (std::size_t b = range.begin; b < range.end; b += tile.blocks) {
      tile.run(words.data(), bytes.block(b), bytes.groups(), sums.data());
      for (std::size_t i = 0; i < std::min(tile.blocks, range.end - b); ++i)
        offer_block(sums.data() + i * kLanes, bytes.bounds(b + i), measured_query,
                    static_cast<std::uint32_t>((b + i) * kLanes), contenders);
    }
  const Contenders* only[] = {&contenders};
  score(query, only, best.size(), rows, best);
}

}  // namespace dexter
