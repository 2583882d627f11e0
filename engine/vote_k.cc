#include "engine/vote_k.h"

#include <algorithm>
#include <cmath>
#include <queue>
#include <utility>

namespace dexter {
namespace {

constexpr double kDiscount = 10;

class Election {
 public:
  explicit Election(std::span<const std::vector<std::uint32_t>> votes)
      : voters_(votes.size()), choices_near_(votes.size(), 0), chosen_(votes.size(), false) {
    for (std::size_t voter = 0; voter < votes.size(); ++voter)
      for (const std::uint32_t number : votes[voter]) {
        if (number < votes.size())
          voters_[number].push_back(static_cast<std::uint32_t>(voter));
        else
          ++choices_near_[voter];
      }
  }

  double votes_for(std::size_t candidate) const {
    double sum = 0;
    for (const std::uint32_t voter : voters_[candidate])
      if (!chosen_[voter]) sum += std::pow(kDiscount, -choices_near_[voter]);
    return sum;
  }
  void choose(std::size_t candidate) {
    chosen_[candidate] = true;
    for (const std::uint32_t voter : voters_[candidate]) ++choices_near_[voter];
  }

 private:
  std::vector<std::vector<std::uint32_t>> voters_;  // of each candidate
  std::vector<int> choices_near_;                   // of each voter
  std::vector<bool> chosen_;
};

struct Standing {
  double votes = 0;
  std::size_t candidate = 0;
  bool operator<(const Standing& other) const {
    return std::pair(votes, other.candidate) < std::pair(other.votes, candidate);
  }
};

}  // namespace

std::vector<std::size_t> vote_k(std::span<const std::vector<std::uint32_t>> votes, std::size_t k) {
  Election election(votes);
  // A choice never adds a vote, so the first whose count still holds is the best of all.
  std::priority_queue<Standing> standings;
  for (std::size_t i = 0; i < votes.size(); ++i) standings.push({election.votes_for(i), i});
  std::vector<std::size_t> chosen;
  while (chosen.size() < std::min(k, votes.size())) {
    Standing best = standings.top();
    standings.pop();
    const double now = election.votes_for(best.candidate);
    if (now < best.votes) {
      best.votes = now;
      standings.push(best);
      continue;
    }
    election.choose(best.candidate);
    chosen.push_back(best.candidate);
  }
  return chosen;
}

}  // namespace dexter
