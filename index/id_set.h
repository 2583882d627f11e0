#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace dexter {

// Ids that a search may answer with. Immutable, safe from many threads.
class IdSet {
 public:
  IdSet() = default;
  // In any order; repeated ids count once.
  explicit IdSet(std::vector<std::int64_t> ids);

  std::span<const std::int64_t> ids() const { return ids_; }  // ascending
  bool has(std::int64_t id) const { return std::ranges::binary_search(ids_, id); }

 private:
  std::vector<std::int64_t> ids_;
};

// The places in `sorted` (ascending, distinct) of the ids that `set` has, ascending. Takes
// O(set) where `sorted` has no gaps, else O(set * log(gaps)).
std::vector<std::uint32_t> places_of(const IdSet& set, std::span<const std::int64_t> sorted);

}  // namespace dexter
