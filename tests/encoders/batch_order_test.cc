// The order of an epoch's documents.
#include "encoders/batch_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace dexter {
namespace {

// `groups` groups of `size` documents about random middles far apart, in random order; the group
// of each document.
struct Groups {
  std::vector<float> values;
  std::vector<std::uint32_t> group;
  static constexpr int kDim = 16;

  Groups(std::uint32_t groups, std::uint32_t size) {
    std::mt19937_64 random(5);
    std::normal_distribution<float> normal;
    std::vector<std::vector<float>> middles(groups, std::vector<float>(kDim));
    for (auto& middle : middles)
      for (float& value : middle) value = normal(random);
    for (std::uint32_t i = 0; i < groups * size; ++i) group.push_back(i % groups);
    std::shuffle(group.begin(), group.end(), random);
    for (const std::uint32_t own : group)
      for (const float value : middles[own]) values.push_back(value + 0.01F * normal(random));
  }
  EmbeddingView view() const { return {values.data(), group.size(), kDim}; }
};

bool is_permutation_of_all(std::vector<std::uint32_t> order, std::size_t count) {
  std::sort(order.begin(), order.end());
  std::vector<std::uint32_t> all(count);
  std::iota(all.begin(), all.end(), 0u);
  return order == all;
}

TEST(BatchOrder, PutsAlikeDocumentsTogether) {
  const Groups groups(32, 8);
  std::mt19937_64 random(1);
  const auto order = clustered_order(groups.view(), 8, random);
  ASSERT_TRUE(is_permutation_of_all(order, 256));
  int pairs = 0;  // neighbours in a cluster and of one group, 224 at most
  for (std::size_t i = 0; i + 1 < order.size(); ++i)
    pairs += i % 8 != 7 && groups.group[order[i]] == groups.group[order[i + 1]];
  EXPECT_GT(pairs, 112);
  const auto shuffled = shuffled_order(256, random);
  ASSERT_TRUE(is_permutation_of_all(shuffled, 256));
  int by_chance = 0;
  for (std::size_t i = 0; i + 1 < shuffled.size(); ++i)
    by_chance += i % 8 != 7 && groups.group[shuffled[i]] == groups.group[shuffled[i + 1]];
  EXPECT_LT(by_chance, 30);
}

// The clusters come in random order: the first differs with the seed.
TEST(BatchOrder, FollowsTheSeed) {
  const Groups groups(32, 8);
  std::mt19937_64 first(1), second(1), third(2);
  const auto order = clustered_order(groups.view(), 8, first);
  EXPECT_EQ(clustered_order(groups.view(), 8, second), order);
  EXPECT_NE(clustered_order(groups.view(), 8, third), order);
}

TEST(BatchOrder, TakesAnyNumberOfDocumentsAlikeOrNot) {
  std::mt19937_64 random(3);
  const std::vector<float> alike(1000 * 16, 1.0F);
  for (const std::size_t count : {0u, 1u, 2u, 7u, 8u, 9u, 31u, 1000u})
    EXPECT_TRUE(is_permutation_of_all(clustered_order({alike.data(), count, 16}, 8, random), count))
        << count;
}

}  // namespace
}  // namespace dexter
