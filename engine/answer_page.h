#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

namespace dexter {

// The part of a ranking that is asked for: what scores `threshold` at least, but for its first
// `offset`. To turn it, a search asks for k + offset.
struct AnswerPage {
  std::size_t offset = 0;
  float threshold = -std::numeric_limits<float>::infinity();

  // `ranking` is a LabelRanking or a DocumentRanking.
  template <class Ranking>
  void cut(Ranking& ranking) const {
    std::erase_if(ranking, [&](const auto& scored) { return scored.score < threshold; });
    const auto passed = static_cast<std::ptrdiff_t>(std::min(offset, ranking.size()));
    ranking.erase(ranking.begin(), ranking.begin() + passed);
  }
};

}  // namespace dexter
