#include "engine/label_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/expect_error.h"

namespace dexter {
namespace {

constexpr int kDim = 16;

std::vector<float> unit_vector(std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> vector(kDim);
  float norm = 0;
  for (float& x : vector) {
    x = normal(random);
    norm += x * x;
  }
  for (float& x : vector) x /= std::sqrt(norm);
  return vector;
}

EmbeddingMatrix matrix_of(const std::vector<std::vector<float>>& rows) {
  EmbeddingMatrix matrix(rows.size(), kDim);
  for (std::size_t i = 0; i < rows.size(); ++i)
    std::copy(rows[i].begin(), rows[i].end(), matrix.row(i).begin());
  return matrix;
}

// An exact index over `labels`, and beside it what every label's vector ought to be after changes.
struct Labels {
  std::map<std::uint32_t, std::vector<float>> indexed;
  std::map<std::uint32_t, std::vector<float>> present;
  std::vector<LabelChange> changes;

  Labels(std::uint32_t count, std::mt19937& random) {
    for (std::uint32_t id = 0; id < count; ++id) indexed[id] = unit_vector(random);
    present = indexed;
  }
  void remove(std::uint32_t id) {
    changes.push_back({LabelId{id}, true, {}});
    present.erase(id);
  }
  void put(std::uint32_t id, std::vector<float> vector) {
    changes.push_back({LabelId{id}, false, vector});
    present[id] = std::move(vector);
  }
  LabelSearch search() const {
    std::vector<std::vector<float>> rows;
    std::vector<std::int64_t> ids;
    for (const auto& [id, vector] : indexed) {
      rows.push_back(vector);
      ids.push_back(id);
    }
    const EmbeddingMatrix vectors = matrix_of(rows);
    return LabelSearch(build_index({.kind = "flat"}, vectors, ids), changes, kDim);
  }
  // The ranking by definition: every present label scored and sorted.
  LabelRanking expected(std::span<const float> query, std::size_t k) const {
    LabelRanking all;
    for (const auto& [id, vector] : present) {
      double score = 0;
      for (std::size_t d = 0; d < kDim; ++d) score += double{query[d]} * vector[d];
      all.push_back({LabelId{id}, static_cast<float>(score)});
    }
    std::sort(all.begin(), all.end(), [](const ScoredLabel& a, const ScoredLabel& b) {
      return a.score != b.score ? a.score > b.score : a.id < b.id;
    });
    if (all.size() > k) all.resize(k);
    return all;
  }
};

void expect_rankings(const Labels& labels, int k, std::mt19937& random) {
  std::vector<std::vector<float>> queries;
  for (int i = 0; i < 20; ++i) queries.push_back(unit_vector(random));
  const std::vector<LabelRanking> found = labels.search().rank(matrix_of(queries), k, {});
  ASSERT_EQ(found.size(), queries.size());
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const LabelRanking expected = labels.expected(queries[i], static_cast<std::size_t>(k));
    ASSERT_EQ(found[i].size(), expected.size()) << "query " << i;
    for (std::size_t j = 0; j < expected.size(); ++j) {
      EXPECT_EQ(found[i][j].id, expected[j].id) << "query " << i << ", rank " << j;
      EXPECT_NEAR(found[i][j].score, expected[j].score, 1e-5) << "query " << i << ", rank " << j;
    }
  }
}

TEST(LabelSearch, EqualsTheIndexWithoutChanges) {
  std::mt19937 random(1);
  const Labels labels(50, random);
  expect_rankings(labels, 5, random);
}

TEST(LabelSearch, MergesAddedReplacedAndRemovedLabels) {
  std::mt19937 random(2);
  Labels labels(200, random);
  for (const std::uint32_t id : {0u, 17u, 42u, 199u}) labels.remove(id);
  for (const std::uint32_t id : {3u, 4u, 90u}) labels.put(id, unit_vector(random));
  for (const std::uint32_t id : {200u, 201u, 202u}) labels.put(id, unit_vector(random));
  expect_rankings(labels, 1, random);
  expect_rankings(labels, 10, random);
}

// More hidden labels among the best than the first search leaves room for.
TEST(LabelSearch, SearchesOnUntilEnoughLabelsAreLeft) {
  std::mt19937 random(3);
  Labels labels(400, random);
  for (std::uint32_t id = 0; id < 380; ++id) labels.remove(id);
  labels.put(400, unit_vector(random));
  expect_rankings(labels, 10, random);
}

TEST(LabelSearch, GivesAllLabelsWhereThereAreFewerThanK) {
  std::mt19937 random(4);
  Labels labels(12, random);
  labels.remove(5);
  labels.put(12, unit_vector(random));
  expect_rankings(labels, 100, random);
}

TEST(LabelSearch, AnswersFromAddedLabelsAlone) {
  std::mt19937 random(5);
  Labels labels(0, random);
  labels.put(0, unit_vector(random));
  labels.put(1, unit_vector(random));
  expect_rankings(labels, 5, random);
}

TEST(LabelSearch, GivesNothingWhereEveryLabelIsRemoved) {
  std::mt19937 random(6);
  Labels labels(3, random);
  for (const std::uint32_t id : {0u, 1u, 2u}) labels.remove(id);
  expect_rankings(labels, 5, random);
}

// Among 60 labels of the index and 20 changed ones, some of them removed, every third is allowed.
TEST(LabelSearch, AnswersWithAllowedLabelsAlone) {
  std::mt19937 random(9);
  Labels labels(60, random);
  std::vector<std::int64_t> ids;
  for (std::uint32_t id = 0; id < 80; id += 3) ids.push_back(id);
  for (std::uint32_t id = 50; id < 70; ++id) labels.put(id, unit_vector(random));
  for (const std::uint32_t id : {3u, 6u, 54u}) labels.remove(id);
  const LabelSearch search = labels.search();
  std::erase_if(labels.present, [](const auto& label) { return label.first % 3 != 0; });
  const EmbeddingMatrix query = matrix_of({unit_vector(random)});
  for (const int k : {1, 4, 50}) {
    const LabelRanking found = search.rank(query, k, {.only = std::make_shared<IdSet>(ids)})[0];
    const LabelRanking expected = labels.expected(query.row(0), static_cast<std::size_t>(k));
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i].id, expected[i].id);
  }
}

// Label 7 of the index and 2 of the changes have the same vector: the smaller id comes first.
TEST(LabelSearch, BreaksTiesByAscendingId) {
  std::mt19937 random(7);
  Labels labels(8, random);
  labels.put(2, labels.indexed[7]);
  const std::vector<LabelRanking> found =
      labels.search().rank(matrix_of({labels.indexed[7]}), 2, {});
  ASSERT_EQ(found[0].size(), 2u);
  EXPECT_EQ(found[0][0].id, LabelId{2});
  EXPECT_EQ(found[0][1].id, LabelId{7});
  EXPECT_EQ(found[0][0].score, found[0][1].score);
}

TEST(LabelSearch, GivesZeroRowsAnEmptyRankingAndKeepsTheOrderOfTheOthers) {
  std::mt19937 random(8);
  const Labels labels(30, random);
  const std::vector<float> zero(kDim);
  const std::vector<float> first = unit_vector(random), second = unit_vector(random);
  const std::vector<LabelRanking> found =
      labels.search().rank(matrix_of({zero, first, zero, second}), 3, {});
  ASSERT_EQ(found.size(), 4u);
  EXPECT_TRUE(found[0].empty());
  EXPECT_TRUE(found[2].empty());
  EXPECT_EQ(found[1].at(0).id, labels.expected(first, 1)[0].id);
  EXPECT_EQ(found[3].at(0).id, labels.expected(second, 1)[0].id);
}

TEST(LabelSearch, RefusesAQueryThatIsNotFinite) {
  std::mt19937 random(9);
  const Labels labels(3, random);
  std::vector<float> query(kDim);
  query[4] = std::numeric_limits<float>::quiet_NaN();
  testing::expect_error(
      ErrorKind::kInvalidInput, [&] { labels.search().rank(matrix_of({query}), 1, {}); },
      "no finite number");
}

TEST(LabelSearch, RefusesAChangeOfAnotherDimension) {
  std::mt19937 random(10);
  Labels labels(3, random);
  labels.changes.push_back({LabelId{3}, false, {1.0f, 0.0f}});
  testing::expect_error(
      ErrorKind::kIncompatible, [&] { labels.search(); }, "label 3", "2-d", "16-d");
}

}  // namespace
}  // namespace dexter
