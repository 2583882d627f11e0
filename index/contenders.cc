// Which rows the intervals of their scores leave in a search, and their scores.
#include "index/contenders.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace dexter {
namespace {

// The k-th largest lower end; there are at least k.
float kth_lower(std::vector<float>& lower, std::size_t k) {
  std::nth_element(lower.begin(), lower.begin() + static_cast<std::ptrdiff_t>(k - 1), lower.end(),
                   std::greater<>());
  return lower[k - 1];
}

}  // namespace

ByteQuery byte_query(std::span<const float> vector, float largest_norm, int limit,
                     std::span<std::int8_t> codes) {
  constexpr double kUnit = 1.0 / (1 << 24);  // of float32's rounding
  const ByteVector rounded = to_bytes(vector, limit, codes);
  ByteQuery query{.scale = rounded.scale, .error = rounded.error};
  double squares = 0;
  for (const float v : vector) squares += static_cast<double>(v) * static_cast<double>(v);
  query.norm = static_cast<float>(std::sqrt(squares) * (1 + 1e-6));
  for (const std::int8_t code : codes) query.offset += 128 * code;
  // A float32 sum of n products is off by at most n units of |q| |x|, or of the smallest normal
  // number; a few more units are for the interval's own arithmetic.
  const double steps = static_cast<double>(vector.size()) + 16;
  const double length = static_cast<double>(query.norm) * static_cast<double>(largest_norm);
  query.rounding = static_cast<float>(
      steps * (kUnit * length + static_cast<double>(std::numeric_limits<float>::min())));
  return query;
}

void Contenders::prune() {
  std::vector<float> lower;
  lower.reserve(intervals_.size());
  for (const Interval& i : intervals_) lower.push_back(i.lower);
  floor_ = std::max(floor_, kth_lower(lower, k_));
  std::erase_if(intervals_, [&](const Interval& i) { return i.upper < floor_; });
  limit_ = std::max(limit_, 2 * intervals_.size());  // where many rows are alike
}

std::vector<Hit> settled(std::span<const float> query, std::span<const Contenders* const> searches,
                         const Wanted& wanted, const NumberedRows& rows) {
  std::vector<float> lower;
  for (const Contenders* search : searches)
    for (const Interval& interval : search->intervals()) lower.push_back(interval.lower);
  float floor = wanted.at_least;
  if (lower.size() >= wanted.k) floor = std::max(floor, kth_lower(lower, wanted.k));
  std::vector<Place> places;
  for (const Contenders* search : searches)
    for (const Interval& interval : search->intervals())
      if (interval.upper >= floor)
        places.push_back(
            {interval.row, rows.slots.empty() ? interval.row : rows.slots[interval.row]});
  std::vector<Hit> best(std::min(wanted.k, places.size()));
  rescore(query, rows.vectors, places, best);
  const auto below = [&](const Hit& hit) { return hit.score < wanted.at_least; };
  best.erase(std::ranges::find_if(best, below), best.end());
  return best;
}

}  // namespace dexter
