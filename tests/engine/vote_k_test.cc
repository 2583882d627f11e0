#include "engine/vote_k.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dexter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Votes = std::vector<std::vector<std::uint32_t>>;

// The definition: every vote counted anew before every choice.
std::vector<std::size_t> counted_anew(const Votes& votes, std::size_t k) {
  std::vector<std::size_t> chosen;
  const auto is_chosen = [&](std::size_t number) {
    return number >= votes.size() || std::ranges::find(chosen, number) != chosen.end();
  };
  while (chosen.size() < std::min(k, votes.size())) {
    std::size_t best = votes.size();
    double most = -1;
    for (std::size_t candidate = 0; candidate < votes.size(); ++candidate) {
      double sum = 0;
      for (std::size_t voter = 0; voter < votes.size(); ++voter)
        if (!is_chosen(voter) && std::ranges::find(votes[voter], candidate) != votes[voter].end())
          sum += std::pow(10.0, -std::ranges::count_if(votes[voter], is_chosen));
      if (!is_chosen(candidate) && sum > most) most = sum, best = candidate;
    }
    chosen.push_back(best);
  }
  return chosen;
}

TEST(VoteK, ChoosesAsTheDefinitionDoes) {
  std::mt19937 random(3);
  const auto below = [&](std::uint32_t end) {
    return std::uniform_int_distribution<std::uint32_t>(0, end - 1)(random);
  };
  for (int round = 0; round < 50; ++round) {
    const std::uint32_t candidates = 1 + below(40), before = below(10);
    Votes votes(candidates);
    for (auto& own : votes)
      for (int i = 0; i < 6; ++i) {
        const std::uint32_t number = below(candidates + before);
        if (std::ranges::find(own, number) == own.end()) own.push_back(number);
      }
    const std::size_t k = below(candidates + 5);
    EXPECT_EQ(vote_k(votes, k), counted_anew(votes, k)) << "round " << round;
  }
}

TEST(VoteK, SpreadsItsChoices) {
  // Three near 0, two near 4: after 0 the votes of its neighbours hardly count.
  EXPECT_THAT(vote_k(Votes{{}, {0, 2}, {0, 3}, {0, 1}, {}, {4}, {4}}, 2), ElementsAre(0, 4));
  // 4's voters have something near already.
  EXPECT_THAT(vote_k(Votes{{}, {0}, {}, {}, {}, {4, 9}, {4, 9}}, 1), ElementsAre(0));
  EXPECT_THAT(vote_k({}, 3), IsEmpty());
}

}  // namespace
}  // namespace dexter
