#include "engine/demo_strategies.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/expect_error.h"

namespace dexter {
namespace {

using ::testing::ElementsAre;
using testing::expect_error;
using ::testing::IsEmpty;
using Places = std::vector<std::size_t>;

// Candidates by their vectors, ordered by the cosine with `query`.
struct Pool {
  EmbeddingMatrix vectors;
  CandidatePool pool;

  Pool(std::vector<std::vector<float>> rows, const std::vector<float>& query)
      : vectors(rows.size(), static_cast<int>(query.size())) {
    const auto score = [&](const std::vector<float>& row) {
      float sum = 0;
      for (std::size_t i = 0; i < query.size(); ++i) sum += row[i] * query[i];
      return sum;
    };
    std::stable_sort(rows.begin(), rows.end(),
                     [&](const auto& a, const auto& b) { return score(a) > score(b); });
    for (std::size_t i = 0; i < rows.size(); ++i) {
      std::copy(rows[i].begin(), rows[i].end(), vectors.row(i).begin());
      pool.scores.push_back(score(rows[i]));
      pool.rows.push_back(static_cast<std::uint32_t>(i));
    }
    pool.vectors = vectors;
  }
};

std::vector<float> unit(std::vector<float> row) {
  double sum = 0;
  for (const float x : row) sum += static_cast<double>(x) * static_cast<double>(x);
  for (float& x : row) x = static_cast<float>(static_cast<double>(x) / std::sqrt(sum));
  return row;
}

Pool random_pool(std::size_t rows, std::size_t dim, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  const auto draw = [&] {
    std::vector<float> row(dim);
    for (float& x : row) x = normal(random);
    return unit(row);
  };
  const std::vector<float> query = draw();
  std::vector<std::vector<float>> all;
  for (std::size_t i = 0; i < rows; ++i) all.push_back(draw());
  return {all, query};
}

Places choose(std::string_view name, const Pool& pool, std::size_t k,
              const StrategyOptions& options = {}) {
  return find_demo_strategy(name).choose(pool.pool, k, options);
}

// Cosines with the query (0.8, 0.6): 0.936, 0.8, 0.6; of the first with the others: 0.96, 0.28.
// After the first, the second is worth (0.8 - 0.96) / 2 and the third (0.6 - 0.28) / 2.
TEST(Mmr, WeighsNoveltyAgainstRelevance) {
  const Pool pool({{0.96F, 0.28F}, {1, 0}, {0, 1}}, {0.8F, 0.6F});
  EXPECT_THAT(choose("mmr", pool, 3), ElementsAre(0, 2, 1));
  EXPECT_THAT(choose("mmr", pool, 3, {.mmr_balance = 1}), ElementsAre(0, 1, 2));
}

using Square = std::vector<std::vector<double>>;

double determinant(Square m) {
  double result = 1;
  for (std::size_t i = 0; i < m.size(); ++i) {
    std::size_t pivot = i;
    for (std::size_t j = i; j < m.size(); ++j)
      if (std::abs(m[j][i]) > std::abs(m[pivot][i])) pivot = j;
    if (m[pivot][i] == 0) return 0;
    if (pivot != i) std::swap(m[pivot], m[i]), result = -result;
    result *= m[i][i];
    for (std::size_t j = i + 1; j < m.size(); ++j)
      for (std::size_t c = m.size(); c-- > i;) m[j][c] -= m[j][i] / m[i][i] * m[i][c];
  }
  return result;
}

// The determinant of the kernel's rows and columns of `places`.
double probability(const Pool& pool, const Places& places, double scale) {
  Square kernel(places.size(), std::vector<double>(places.size()));
  for (std::size_t i = 0; i < places.size(); ++i)
    for (std::size_t j = 0; j < places.size(); ++j) {
      double cosine = 0;
      for (int d = 0; d < pool.pool.vectors.dim(); ++d)
        cosine +=
            static_cast<double>(pool.pool.vectors.row(places[i])[static_cast<std::size_t>(d)]) *
            static_cast<double>(pool.pool.vectors.row(places[j])[static_cast<std::size_t>(d)]);
      const auto quality = [&](std::size_t at) {
        return std::exp((static_cast<double>(pool.pool.scores[at]) + 1) / 2 / (2 * scale));
      };
      kernel[i][j] = quality(places[i]) * (1 + cosine) / 2 * quality(places[j]);
    }
  return determinant(kernel);
}

// The greedy choice by whole determinants.
Places dpp_by_determinants(const Pool& pool, std::size_t k, double scale) {
  Places chosen;
  while (chosen.size() < k) {
    std::pair<double, std::size_t> best{-1, 0};
    for (std::size_t i = 0; i < pool.pool.scores.size(); ++i) {
      if (std::count(chosen.begin(), chosen.end(), i) > 0) continue;
      Places with = chosen;
      with.push_back(i);
      best = std::max(best, {probability(pool, with, scale), i});
    }
    chosen.push_back(best.second);
  }
  return chosen;
}

TEST(Dpp, ChoosesAsTheGreatestDeterminantsDo) {
  for (const unsigned seed : {1U, 2U, 3U, 4U, 5U})
    for (const double scale : {0.05, 0.3, 1.0}) {
      const Pool pool = random_pool(12, 6, seed);
      EXPECT_EQ(choose("dpp", pool, 5, {.dpp_scale = scale}), dpp_by_determinants(pool, 5, scale))
          << seed << ' ' << scale;
    }
}

TEST(Dpp, LeavesADuplicateForLast) {
  const Pool pool({{1, 0}, {1, 0}, {0.6F, 0.8F}}, {1, 0});
  EXPECT_THAT(choose("dpp", pool, 3), ElementsAre(0, 2, 1));
}

TEST(Dpp, FollowsRelevanceAtASmallScale) {
  const Pool pool = random_pool(20, 8, 7);
  EXPECT_EQ(choose("dpp", pool, 4, {.dpp_scale = 0.001}), choose("dense", pool, 4));
}

// Two groups of four; the three nearest of each are those of its group, so that all have three
// votes at first. Once one is chosen, its group's votes count a tenth.
TEST(VoteK, TurnsToWhatTheChosenDoNotSupport) {
  const Pool pool({unit({1, 0}), unit({1, 0.01F}), unit({1, 0.02F}), unit({1, 0.03F}),
                   unit({0.03F, 1}), unit({0.02F, 1}), unit({0.01F, 1}), unit({0, 1})},
                  {1, 0});
  EXPECT_THAT(choose("votek", pool, 4), ElementsAre(0, 4, 1, 5));
}

TEST(KMeans, TakesTheNearestOfEachCluster) {
  const Pool pool({unit({1, 0}), unit({1, 0.05F}), unit({1, 0.1F}), unit({0.1F, 1}),
                   unit({0.05F, 1}), unit({-1, 0.1F}), unit({-1, 0})},
                  unit({1, 0.01F}));
  EXPECT_THAT(choose("kmeans", pool, 3), ElementsAre(0, 3, 5));
}

TEST(KMeans, FillsTheirPlacesWhereClustersAreFewer) {
  const Pool pool({{1, 0}, {1, 0}, {1, 0}, {1, 0}}, {1, 0});
  EXPECT_THAT(choose("kmeans", pool, 3), ElementsAre(0, 1, 2));
}

class EveryStrategy : public ::testing::TestWithParam<DemoStrategy> {};

TEST_P(EveryStrategy, GivesDistinctPlacesAndNoMoreThanThereAre) {
  for (const std::size_t rows : {1U, 3U, 30U}) {
    const Pool pool = random_pool(rows, 4, 11);
    for (const std::size_t k : {1U, 8U, 40U}) {
      const Places places = GetParam().choose(pool.pool, k, {});
      EXPECT_EQ(places.size(), std::min(k, rows));
      EXPECT_EQ(std::set<std::size_t>(places.begin(), places.end()).size(), places.size());
      EXPECT_LT(*std::max_element(places.begin(), places.end()), rows);
    }
  }
  EXPECT_THAT(GetParam().choose({}, 8, {}), IsEmpty());
}

TEST_P(EveryStrategy, TakesTheNearestFirst) {
  const Pool pool = random_pool(30, 8, 13);
  if (GetParam().name == "votek") GTEST_SKIP() << "votes for what is near many, not the query";
  EXPECT_EQ(GetParam().choose(pool.pool, 3, {}).at(0), 0u);
}

INSTANTIATE_TEST_SUITE_P(Demonstrations, EveryStrategy, ::testing::ValuesIn(demo_strategies()),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(DemoStrategies, NameTheNearest) {
  expect_error(
      ErrorKind::kInvalidInput, [] { find_demo_strategy("bm52"); }, "'bm52'",
      "the nearest is 'bm25'", "dense, bm25, hybrid, mmr, dpp, votek, kmeans, random");
}

}  // namespace
}  // namespace dexter
