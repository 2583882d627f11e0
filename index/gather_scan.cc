// Search over a few rows that stand apart.
#include "index/gather_scan.h"

#include <algorithm>

namespace dexter {
namespace {

// Copying a row into the layout of a scan pays from this many queries on.
constexpr std::size_t kFewQueries = 4;
constexpr std::size_t kRowsAtOnce = 4096;
constexpr std::size_t kRowsOfAPiece = 256;

struct Places {
  const RowSource& vectors;
  std::span<const std::uint32_t> places, numbers;
};

std::vector<Hit> one_query(std::span<const float> query, std::size_t k, const Places& rows) {
  const std::size_t count = rows.places.size();
  std::vector<Hit> hits(count);
#pragma omp parallel for schedule(static) if (count > 2 * kRowsOfAPiece)
  for (std::size_t first = 0; first < count; first += kRowsOfAPiece) {
    const std::size_t taken = std::min(kRowsOfAPiece, count - first);
    std::vector<Place> places(taken);
    for (std::size_t i = 0; i < taken; ++i)
      places[i] = {rows.places[first + i], rows.numbers[first + i]};
    score_all(query, rows.vectors, places, std::span(hits).subspan(first, taken));
  }
  const auto last = hits.begin() + static_cast<std::ptrdiff_t>(std::min(k, count));
  if (last != hits.end()) std::nth_element(hits.begin(), last, hits.end(), ranks_before);
  std::sort(hits.begin(), last, ranks_before);
  hits.erase(last, hits.end());
  return hits;
}

std::vector<Hit> many_queries(EmbeddingView queries, std::size_t k, const Places& rows) {
  RowScan scan(queries, static_cast<int>(k));
  for (std::size_t first = 0; first < rows.places.size(); first += kRowsAtOnce) {
    const std::size_t taken = std::min(kRowsAtOnce, rows.places.size() - first);
    RowBlocks blocks(taken, queries.dim());
    // Sixteen rows share their cache lines: a block is one thread's.
#pragma omp parallel if (taken > kRowsOfAPiece)
    {
      std::vector<float> room(static_cast<std::size_t>(queries.dim()));
#pragma omp for schedule(static, RowBlocks::kLanes)
      for (std::size_t i = 0; i < taken; ++i)
        blocks.set_row(i, rows.vectors.row(rows.places[first + i], room));
    }
    scan.add(blocks, static_cast<std::uint32_t>(first));
  }
  std::vector<Hit> hits = scan.take();
  for (Hit& hit : hits)
    if (hit.row != kNoRow) hit.row = rows.numbers[hit.row];
  return hits;
}

}  // namespace

std::vector<std::vector<Hit>> gather_scan(EmbeddingView queries, const Wanted& wanted,
                                          const RowSource& vectors,
                                          std::span<const std::uint32_t> places,
                                          std::span<const std::uint32_t> numbers) {
  std::vector<std::vector<Hit>> best(queries.rows());
  const std::size_t k = std::min(wanted.k, places.size());
  if (k == 0) return best;
  const Places rows{vectors, places, numbers};
  if (queries.rows() < kFewQueries) {
    for (std::size_t q = 0; q < queries.rows(); ++q) best[q] = one_query(queries.row(q), k, rows);
  } else {
    const std::vector<Hit> all = many_queries(queries, k, rows);
    for (std::size_t q = 0; q < queries.rows(); ++q) {
      const auto first = all.begin() + static_cast<std::ptrdiff_t>(q * k);
      best[q].assign(first, first + static_cast<std::ptrdiff_t>(k));
    }
  }
  for (std::vector<Hit>& hits : best)
    hits.erase(
        std::ranges::find_if(hits, [&](const Hit& hit) { return hit.score < wanted.at_least; }),
        hits.end());
  return best;
}

}  // namespace dexter
