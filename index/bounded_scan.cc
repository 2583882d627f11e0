// Integer dot products of queries with the rows' bytes, and the rows they leave to be scored.
#include "index/bounded_scan.h"

#include <immintrin.h>
#include <omp.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

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

struct Group {  // queries that one kernel call takes
  std::size_t first = 0;
  std::size_t count = 0;
  const Tile* tile = nullptr;
  std::size_t packed = 0;  // where their words stand: [groups x queries of the kernel]
};

// Intervals of the `allowed` among the 16 rows from number `first` on.
void offer_block(const std::int32_t* sums, const ByteRows::Bounds& bounds, const ByteQuery& query,
                 std::uint32_t first, unsigned allowed, Contenders& contenders) {
  alignas(32) float lower[kLanes], upper[kLanes];
  unsigned above = 0;  // a bit a lane
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
    const __m256 enters = _mm256_cmp_ps(high, _mm256_set1_ps(contenders.floor()), _CMP_GE_OQ);
    above |= static_cast<unsigned>(_mm256_movemask_ps(enters)) << half;
  }
  for (above &= allowed; above != 0; above &= above - 1) {
    const auto lane = static_cast<std::uint32_t>(std::countr_zero(above));
    contenders.offer({lower[lane], upper[lane], first + lane});
  }
}

constexpr unsigned kAllLanes = (1U << kLanes) - 1;

class Scan {
 public:
  Scan(EmbeddingView queries, const Wanted& wanted, const BoundedRows& rows,
       std::span<const std::uint16_t> allowed, ByteIsa isa)
      : wanted_(wanted), rows_(rows), bytes_(*rows.bytes), allowed_(allowed), set_(tiles_of(isa)) {
    codes_.resize(queries.rows() * bytes_.groups() * 4);
    for (std::size_t q = 0; q < queries.rows(); ++q)
      queries_.push_back(
          byte_query(queries.row(q), bytes_.largest_norm(), set_.query_limit,
                     std::span(codes_).subspan(q * bytes_.groups() * 4, bytes_.groups() * 4)));
    pack(queries.rows());
  }

  std::vector<std::vector<Hit>> run(EmbeddingView queries) const {
    const std::size_t count = queries_.size();
    const auto threads = static_cast<std::size_t>(omp_get_max_threads());
    std::vector<Contenders> contenders(count * threads, Contenders(wanted_));
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
    std::vector<std::vector<Hit>> best(count);
#pragma omp parallel for schedule(dynamic) if (count > 1)
    for (std::size_t q = 0; q < count; ++q) {
      std::vector<const Contenders*> searches;
      for (std::size_t t = 0; t < threads; ++t) searches.push_back(&contenders[t * count + q]);
      best[q] = settled(queries.row(q), searches, wanted_, {rows_.vectors, rows_.slots});
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

  unsigned allowed(std::size_t block) const {
    return allowed_.empty() ? kAllLanes : allowed_[block];
  }

  void look(std::size_t begin, std::size_t end, std::span<Contenders> contenders) const {
    alignas(64) std::array<std::int32_t, kMostTileSums> sums;
    for (const Group& group : groups_) {
      const Tile& tile = *group.tile;
      for (std::size_t b = begin; b < end; b += tile.blocks) {
        unsigned any = 0;
        for (std::size_t i = 0; i < tile.blocks; ++i) any |= allowed(b + i);
        if (any == 0) continue;
        tile.run(packed_.data() + group.packed, bytes_.block(b), bytes_.groups(), sums.data());
        for (std::size_t q = 0; q < group.count; ++q)
          for (std::size_t i = 0; i < tile.blocks; ++i)
            offer_block(sums.data() + (q * tile.blocks + i) * kLanes, bytes_.bounds(b + i),
                        queries_[group.first + q], static_cast<std::uint32_t>((b + i) * kLanes),
                        allowed(b + i), contenders[group.first + q]);
      }
    }
  }

  const Wanted wanted_;
  const BoundedRows& rows_;
  const ByteRows& bytes_;
  std::span<const std::uint16_t> allowed_;  // empty: all lanes
  const TileSet& set_;
  std::vector<ByteQuery> queries_;
  std::vector<std::int8_t> codes_;  // [queries x groups x 4]
  std::vector<Group> groups_;
  std::vector<std::int32_t> packed_;
};

}  // namespace

ByteIsa best_byte_isa() {
  static const bool vnni = best_isa() == Isa::kAvx512 && __builtin_cpu_supports("avx512vnni");
  return vnni ? ByteIsa::kAvx512Vnni : ByteIsa::kAvx2;
}

std::vector<std::vector<Hit>> bounded_scan(EmbeddingView queries, const Wanted& wanted,
                                           const BoundedRows& rows,
                                           std::span<const std::uint16_t> allowed, ByteIsa isa) {
  return Scan(queries, wanted, rows, allowed, isa).run(queries);
}

std::vector<std::uint16_t> lanes_of(std::span<const std::uint32_t> places, std::size_t blocks) {
  std::vector<std::uint16_t> lanes(blocks);
  for (const std::uint32_t place : places)
    lanes[place / kLanes] |= static_cast<std::uint16_t>(1U << place % kLanes);
  return lanes;
}

std::vector<Hit> bounded_scan(EmbeddingView queries, int k, const BoundedRows& rows, ByteIsa isa) {
  const auto width = static_cast<std::size_t>(k);
  const auto found = bounded_scan(queries, Wanted{width}, rows, {}, isa);
  std::vector<Hit> best(queries.rows() * width);
  for (std::size_t q = 0; q < found.size(); ++q)
    std::ranges::copy(found[q], best.begin() + static_cast<std::ptrdiff_t>(q * width));
  return best;
}

void bounded_scan(std::span<const float> query, const BoundedRows& rows,
                  std::span<const BlockRange> ranges, std::span<Hit> best, ByteIsa isa) {
  const ByteRows& bytes = *rows.bytes;
  const TileSet& set = tiles_of(isa);
  const Tile& tile = set.of_range;
  std::vector<std::int32_t> words(bytes.groups());
  std::vector<std::int8_t> codes(bytes.groups() * 4);
  const ByteQuery measured = byte_query(query, bytes.largest_norm(), set.query_limit, codes);
  std::memcpy(words.data(), codes.data(), codes.size());
  const Wanted wanted{best.size()};
  Contenders contenders(wanted);
  alignas(64) std::array<std::int32_t, kMostTileSums> sums;
  for (const BlockRange& range : ranges)
    for (std::size_t b = range.begin; b < range.end; b += tile.blocks) {
      tile.run(words.data(), bytes.block(b), bytes.groups(), sums.data());
      for (std::size_t i = 0; i < std::min(tile.blocks, range.end - b); ++i)
        offer_block(sums.data() + i * kLanes, bytes.bounds(b + i), measured,
                    static_cast<std::uint32_t>((b + i) * kLanes), kAllLanes, contenders);
    }
  const Contenders* only[] = {&contenders};
  std::fill(best.begin(), best.end(), Hit{});
  std::ranges::copy(settled(query, only, wanted, {rows.vectors, rows.slots}), best.begin());
}

}  // namespace dexter
