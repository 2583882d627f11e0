// Sets of ids, and where an index has them.
#include "index/id_set.h"

#include <algorithm>

namespace dexter {
namespace {

// The first place from `begin` on whose id is not below `id`: leaps that double, then halves.
std::size_t gallop(std::span<const std::int64_t> sorted, std::size_t begin, std::int64_t id) {
  std::size_t leap = 1;
  while (begin + leap < sorted.size() && sorted[begin + leap] < id) leap *= 2;
  const auto first = sorted.begin() + static_cast<std::ptrdiff_t>(begin + leap / 2);
  const auto last =
      sorted.begin() + static_cast<std::ptrdiff_t>(std::min(begin + leap + 1, sorted.size()));
  return static_cast<std::size_t>(std::lower_bound(first, last, id) - sorted.begin());
}

}  // namespace

IdSet::IdSet(std::vector<std::int64_t> ids) : ids_(std::move(ids)) {
  if (!std::ranges::is_sorted(ids_)) std::ranges::sort(ids_);
  ids_.erase(std::unique(ids_.begin(), ids_.end()), ids_.end());
}

std::vector<std::uint32_t> places_of(const IdSet& set, std::span<const std::int64_t> sorted) {
  std::vector<std::uint32_t> places;
  if (sorted.empty()) return places;
  const bool without_gaps =
      sorted.back() - sorted.front() == static_cast<std::int64_t>(sorted.size()) - 1;
  places.reserve(std::min(set.ids().size(), sorted.size()));
  std::size_t place = 0;
  for (const std::int64_t id : set.ids()) {
    if (id < sorted.front()) continue;
    if (id > sorted.back()) break;
    place =
        without_gaps ? static_cast<std::size_t>(id - sorted.front()) : gallop(sorted, place, id);
    if (sorted[place] == id) places.push_back(static_cast<std::uint32_t>(place));
  }
  return places;
}

}  // namespace dexter
