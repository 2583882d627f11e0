#include "index/vector_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <omp.h>

#include <limits>
#include <set>
#include <thread>

#include "tests/index/vectors.h"
#include "tests/support/expect_error.h"

namespace dexter {
namespace {

using testing::brute_force;
using ::testing::ElementsAre;
using testing::expect_error;
using ::testing::HasSubstr;
using testing::kind_names;
using testing::quick_options;
using testing::Ranked;
using testing::Vectors;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

void expect_same(const SearchResult& a, const SearchResult& b) {
  EXPECT_EQ(a.k, b.k);
  EXPECT_EQ(a.ids, b.ids);
  EXPECT_EQ(a.scores, b.scores);
}

double recall(const SearchResult& found, const Vectors& vectors) {
  std::size_t right = 0;
  for (std::size_t q = 0; q < vectors.queries.rows(); ++q) {
    const auto expected = brute_force(vectors.matrix, vectors.ids, vectors.queries.row(q));
    for (int i = 0; i < found.k; ++i)
      for (int j = 0; j < found.k; ++j)
        right += found.ids[q * found.k + i] == expected[j].id ? 1U : 0U;
  }
  return static_cast<double>(right) / static_cast<double>(found.ids.size());
}

class EveryKind : public ::testing::TestWithParam<std::string> {
 protected:
  const Vectors vectors_{1500, 24, 5};
  std::unique_ptr<VectorIndex> build() const { return build(quick_options(GetParam())); }
  std::unique_ptr<VectorIndex> build(const IndexOptions& options) const {
    return build_index(options, vectors_.matrix, vectors_.ids, vectors_.queries);
  }
};
INSTANTIATE_TEST_SUITE_P(Kinds, EveryKind, ::testing::ValuesIn(kind_names()),
                         [](const auto& row) { return row.param; });

TEST_P(EveryKind, FindsTheNearestVectorsWithTheRecallAskedFor) {
  const double found = recall(build()->search(vectors_.queries, 10), vectors_);
  // Tuned on these very queries.
  EXPECT_GE(found, GetParam() == "flat" ? 1.0 : 0.99);
}

TEST_P(EveryKind, ScoresAreTheInnerProductsOfTheIdsBestFirst) {
  const auto found = build()->search(vectors_.queries, 10);
  for (std::size_t q = 0; q < vectors_.queries.rows(); ++q) {
    std::set<std::int64_t> distinct;
    for (std::size_t i = q * 10; i < q * 10 + 10; ++i) {
      const auto place = std::find(vectors_.ids.begin(), vectors_.ids.end(), found.ids[i]);
      ASSERT_NE(place, vectors_.ids.end());
      const auto row = static_cast<std::size_t>(place - vectors_.ids.begin());
      EXPECT_NEAR(found.scores[i], testing::dot(vectors_.matrix.row(row), vectors_.queries.row(q)),
                  1e-5);
      if (i % 10 > 0) {
        EXPECT_LE(found.scores[i], found.scores[i - 1]);
      }
      distinct.insert(found.ids[i]);
    }
    EXPECT_EQ(distinct.size(), 10U);
  }
}

TEST_P(EveryKind, GivesTheScoresOfExactSearchBitForBit) {
  const auto exact = build(quick_options("flat"))->search(vectors_.queries, 10);
  const auto found = build()->search(vectors_.queries, 10);
  for (std::size_t i = 0; i < found.ids.size(); ++i) {
    const auto row = exact.ids.begin() + static_cast<std::ptrdiff_t>(i / 10 * 10);
    const auto same = std::find(row, row + 10, found.ids[i]);
    if (same != row + 10) {
      EXPECT_EQ(found.scores[i], exact.scores[same - exact.ids.begin()]);
    }
  }
}

TEST_P(EveryKind, OrdersTiesByAscendingId) {
  // Whole numbers: scores are exact, and the 400 vectors have few different ones.
  std::mt19937 random(3);
  EmbeddingMatrix vectors(400, 6);
  EmbeddingMatrix queries(9, 6);
  for (std::size_t i = 0; i < vectors.rows(); ++i)
    for (float& v : vectors.row(i)) v = static_cast<float>(random() % 5) - 2;
  for (std::size_t i = 0; i < queries.rows(); ++i)
    for (float& v : queries.row(i)) v = static_cast<float>(random() % 5) - 2;
  std::vector<std::int64_t> ids(400);
  std::iota(ids.rbegin(), ids.rend(), 1000);
  IndexOptions options = quick_options(GetParam());
  options.probes = 1000;  // all lists
  options.ef = 400;
  const auto found = build_index(options, vectors, ids)->search(queries, 25);
  for (std::size_t q = 0; q < queries.rows(); ++q) {
    const auto expected = brute_force(vectors, ids, queries.row(q));
    for (std::size_t i = 0; i < 25; ++i) {
      const std::size_t at = q * 25 + i;
      EXPECT_EQ(found.scores[at], static_cast<float>(expected[i].score));
      if (GetParam() == "flat") {
        EXPECT_EQ(found.ids[at], expected[i].id);
      }
      if (i > 0 && found.scores[at] == found.scores[at - 1]) {
        EXPECT_GT(found.ids[at], found.ids[at - 1]);
      }
    }
  }
}

TEST_P(EveryKind, AnswersTheSameForEveryBatchSize) {
  const auto index = build();
  const auto all = index->search(vectors_.queries, 7);
  for (const std::size_t batch : {1U, 3U, 30U}) {
    SearchResult parts{.k = 7, .ids = {}, .scores = {}};
    for (std::size_t q = 0; q < vectors_.queries.rows(); q += batch) {
      const auto part = index->search(vectors_.queries.view().rows(q, batch), 7);
      parts.ids.insert(parts.ids.end(), part.ids.begin(), part.ids.end());
      parts.scores.insert(parts.scores.end(), part.scores.begin(), part.scores.end());
    }
    expect_same(parts, all);
  }
}

TEST_P(EveryKind, AnswersTheSameOnEveryThreadCount) {
  const auto index = build();
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  const auto alone = index->search(vectors_.queries, 10);
  for (const int threads : {2, 5}) {
    omp_set_num_threads(threads);
    expect_same(index->search(vectors_.queries, 10), alone);
  }
  omp_set_num_threads(before);
}

TEST_P(EveryKind, AnswersManyThreadsAtOnceAsOneAlone) {
  const auto index = build();
  const std::vector<SearchOptions> options = {
      {}, {.probes = 1, .ef = 20}, {.probes = 9, .ef = 150}};
  std::vector<SearchResult> alone;
  for (const SearchOptions& option : options)
    alone.push_back(index->search(vectors_.queries, 10, option));
  std::vector<int> differences(6);
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < differences.size(); ++t)
      threads.emplace_back([&, t] {
        for (std::size_t round = 0; round < 6; ++round) {
          const std::size_t which = (t + round) % options.size();
          const auto found = index->search(vectors_.queries, 10, options[which]);
          const bool same = found.ids == alone[which].ids && found.scores == alone[which].scores &&
                            index->describe().size == 1500;
          differences[t] += same ? 0 : 1;
        }
      });
  }
  EXPECT_THAT(differences, ::testing::Each(0));
}

TEST_P(EveryKind, PadsWhenFewerVectorsThanAskedForAreThere) {
  EmbeddingMatrix vectors(3, 2);
  for (std::size_t i = 0; i < 3; ++i) vectors.row(i)[0] = static_cast<float>(i);
  EmbeddingMatrix query(1, 2);
  query.row(0)[0] = 1;
  const auto index =
      build_index(quick_options(GetParam()), vectors, std::vector<std::int64_t>{5, 6, 7});
  const auto found = index->search(query, 5);
  EXPECT_THAT(found.ids, ElementsAre(7, 6, 5, kNoId, kNoId));
  EXPECT_THAT(found.scores, ElementsAre(2, 1, 0, -kInfinity, -kInfinity));
}

TEST_P(EveryKind, AnswersFromVectorsThatAreAllAlike) {
  EmbeddingMatrix vectors(200, 4);
  std::vector<std::int64_t> ids(200);
  std::iota(ids.begin(), ids.end(), 0);
  for (const float value : {0.0F, 0.5F}) {
    for (std::size_t i = 0; i < 200; ++i) std::ranges::fill(vectors.row(i), value);
    const auto found =
        build_index(quick_options(GetParam()), vectors, ids)->search(vectors.view().rows(0, 1), 5);
    EXPECT_THAT(found.scores, ::testing::Each(4 * value * value));
    EXPECT_EQ(std::set<std::int64_t>(found.ids.begin(), found.ids.end()).size(), 5U);
    EXPECT_TRUE(std::ranges::is_sorted(found.ids));
    EXPECT_GE(found.ids.front(), 0);
  }
}

TEST_P(EveryKind, AnEmptyIndexAnswersNothing) {
  const auto index = build_index(quick_options(GetParam()), EmbeddingMatrix(0, 24), {});
  const auto found = index->search(vectors_.queries.view().rows(0, 2), 2);
  EXPECT_THAT(found.ids, ElementsAre(kNoId, kNoId, kNoId, kNoId));
  EXPECT_THAT(found.scores, ::testing::Each(-kInfinity));
  EXPECT_EQ(index->describe().size, 0U);
  EXPECT_EQ(index->describe().dim, 24);
}

TEST_P(EveryKind, NoQueriesGetNoAnswers) {
  const auto found = build()->search(EmbeddingView{}, 3);
  EXPECT_EQ(found.k, 3);
  EXPECT_TRUE(found.ids.empty());
}

TEST_P(EveryKind, DescribesWhatItHolds) {
  const auto description = build()->describe();
  EXPECT_EQ(description.kind, GetParam());
  EXPECT_EQ(description.options.kind, GetParam());
  EXPECT_EQ(description.dim, 24);
  EXPECT_EQ(description.size, 1500U);
  EXPECT_GE(description.bytes, 1500U * (24 * sizeof(float) + sizeof(std::int64_t)));
  EXPECT_LE(description.bytes, 1500U * (24 * sizeof(float) + 400));
  EXPECT_THAT(description.reason, HasSubstr(GetParam() + " was asked for"));
  if (GetParam() != "flat") {
    EXPECT_THAT(description.reason, HasSubstr("on 60 given queries"));
  }
}

TEST_P(EveryKind, TunesOnItsOwnVectorsWhereNoQueriesAreGiven) {
  const auto index = build_index(quick_options(GetParam()), vectors_.matrix, vectors_.ids);
  EXPECT_GE(recall(index->search(vectors_.queries, 10), vectors_), 0.9);
  if (GetParam() != "flat") {
    EXPECT_THAT(index->describe().reason, HasSubstr("on 1024 of its own vectors"));
  }
}

TEST_P(EveryKind, RefusesWhatCannotBeSearchedFor) {
  const auto index = build();
  EmbeddingMatrix query(1, 24);
  const auto search = [&](EmbeddingView queries, int k, SearchOptions options = {}) {
    return [&index, queries, k, options] { index->search(queries, k, options); };
  };
  expect_error(ErrorKind::kInvalidInput, search(query, 0), "k is 0");
  expect_error(ErrorKind::kInvalidInput, search(query, 1, {.probes = -1}), "-1");
  expect_error(ErrorKind::kInvalidInput, search(query, 1, {.ef = -2}), "-2");
  expect_error(ErrorKind::kInvalidInput, search(EmbeddingMatrix(1, 23), 1), "23", "24");
  for (const float bad : {kInfinity, -kInfinity, std::nanf(""), 3e38F}) {
    query.row(0)[5] = bad;
    expect_error(ErrorKind::kInvalidInput, search(query, 1), "query 0");
  }
}

TEST_P(EveryKind, RefusesVectorsAndIdsThatCannotBeIndexed) {
  const auto build_of = [&](EmbeddingView vectors, std::vector<std::int64_t> ids) {
    return [this, vectors, ids] { build_index(quick_options(GetParam()), vectors, ids); };
  };
  EmbeddingMatrix vectors(3, 2);
  expect_error(ErrorKind::kInvalidInput, build_of(vectors, {1, 2}), "2 ids for 3 vectors");
  expect_error(ErrorKind::kInvalidInput, build_of(vectors, {1, 2, 1}), "id 1 is given twice");
  expect_error(ErrorKind::kInvalidInput, build_of(vectors, {1, -2, 3}), "id -2 is negative");
  expect_error(ErrorKind::kInvalidInput, build_of(EmbeddingView{}, {}), "0 dimensions");
  for (const float bad : {kInfinity, std::nanf("")}) {
    vectors.row(1)[0] = bad;
    expect_error(ErrorKind::kInvalidInput, build_of(vectors, {4, 9, 5}), "id 9", "not finite");
  }
  expect_error(
      ErrorKind::kInvalidInput,
      [&] {
        build_index(quick_options(GetParam()), vectors_.matrix, vectors_.ids,
                    EmbeddingMatrix(1, 3));
      },
      "3 dimensions", "24");
}

TEST(FlatIndex, GivesTheExactAnswerForEveryK) {
  const Vectors vectors(300, 16, 8);
  const auto index = build_index({.kind = "flat"}, vectors.matrix, vectors.ids);
  for (const int k : {1, 2, 40, 299, 300}) {
    const auto found = index->search(vectors.queries, k);
    for (std::size_t q = 0; q < vectors.queries.rows(); ++q) {
      const auto expected = brute_force(vectors.matrix, vectors.ids, vectors.queries.row(q));
      for (int i = 0; i < k; ++i) {
        // Neighbours closer than float32 tells apart may change places.
        const std::size_t at = q * static_cast<std::size_t>(k) + static_cast<std::size_t>(i);
        EXPECT_NEAR(found.scores[at], expected[i].score, 1e-6);
      }
    }
    EXPECT_GE(recall(found, vectors), 0.9999);
  }
}

TEST(IvfIndex, ReadsMoreListsWhenASearchAsksForThem) {
  const Vectors vectors(1500, 24, 5);
  IndexOptions options = quick_options("ivf");
  options.lists = 30;
  options.probes = 1;
  const auto index = build_index(options, vectors.matrix, vectors.ids, vectors.queries);
  EXPECT_EQ(index->describe().options.lists, 30);
  EXPECT_EQ(index->describe().options.probes, 1);
  EXPECT_THAT(index->describe().reason, HasSubstr("1 probes only reach recall@10"));
  const double one = recall(index->search(vectors.queries, 10), vectors);
  const double all = recall(index->search(vectors.queries, 10, {.probes = 30}), vectors);
  EXPECT_LT(one, 0.9);
  EXPECT_EQ(all, 1.0);
  expect_same(index->search(vectors.queries, 10, {.probes = 5000}),
              index->search(vectors.queries, 10, {.probes = 30}));
}

TEST(IvfIndex, BoundsItsListsByTheNumberOfVectors) {
  const Vectors vectors(200, 8, 6);
  // 4 * sqrt(200) = 56.6, but 200 / 39 = 5.1.
  EXPECT_EQ(build_index({.kind = "ivf"}, vectors.matrix, vectors.ids)->describe().options.lists, 5);
  const auto crowded =
      build_index({.kind = "ivf", .lists = 1000}, vectors.matrix, vectors.ids, vectors.queries);
  EXPECT_EQ(crowded->describe().options.lists, 200);
  EXPECT_GE(recall(crowded->search(vectors.queries, 10), vectors), 0.99);
}

TEST(IvfIndex, ClustersAlikeFromOneSeed) {
  const Vectors vectors(1500, 24, 5);
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  const auto search = [&] {
    return build_index(quick_options("ivf"), vectors.matrix, vectors.ids)
        ->search(vectors.queries, 10, {.probes = 2});
  };
  expect_same(search(), search());
  omp_set_num_threads(before);
}

TEST(HnswIndex, LooksFurtherWhenASearchAsksForIt) {
  const Vectors vectors(1500, 24, 5);
  IndexOptions options = quick_options("hnsw");
  options.links = 4;
  options.ef = 1;
  const auto index = build_index(options, vectors.matrix, vectors.ids, vectors.queries);
  EXPECT_EQ(index->describe().options.ef, 1);
  const double near = recall(index->search(vectors.queries, 10), vectors);
  const double far = recall(index->search(vectors.queries, 10, {.ef = 400}), vectors);
  EXPECT_LT(near, far - 0.02);
  EXPECT_GT(far, 0.95);
}

TEST(AutoIndex, ChoosesExactSearchForFewVectorsAndSaysWhy) {
  const Vectors vectors(100, 8, 6);
  const auto description = build_index({}, vectors.matrix, vectors.ids)->describe();
  EXPECT_EQ(description.kind, "flat");
  EXPECT_EQ(description.options.kind, "flat");
  EXPECT_THAT(description.reason, HasSubstr("auto: 100 vectors of 8 dimensions"));
}

TEST(IndexOptions, NamesTheOptionThatIsOutOfRange) {
  const auto refused = [](auto&& change, const std::string& name) {
    IndexOptions options;
    change(options);
    expect_error(
        ErrorKind::kInvalidInput, [&] { options.validate(); }, name);
    const EmbeddingMatrix vector(1, 1);
    expect_error(
        ErrorKind::kInvalidInput,
        [&] { build_index(options, vector, std::vector<std::int64_t>{0}); }, name);
  };
  refused([](IndexOptions& o) { o.kind = "tree"; }, "tree");
  refused([](IndexOptions& o) { o.storage = "float64"; }, "float64");
  refused([](IndexOptions& o) { o.lists = -1; }, "lists");
  refused([](IndexOptions& o) { o.probes = -1; }, "probes");
  refused([](IndexOptions& o) { o.links = 1; }, "links");
  refused([](IndexOptions& o) { o.ef_construction = 0; }, "ef_construction");
  refused([](IndexOptions& o) { o.ef = -1; }, "ef");
  refused([](IndexOptions& o) { o.recall = 0; }, "recall");
  refused([](IndexOptions& o) { o.recall = 1.01; }, "recall");
  refused([](IndexOptions& o) { o.recall = std::nan(""); }, "recall");
  EXPECT_NO_THROW(IndexOptions{}.validate());
}

TEST(IndexKinds, AreFlatIvfAndHnsw) {
  EXPECT_THAT(kind_names(), ElementsAre("flat", "ivf", "hnsw"));
}

}  // namespace
}  // namespace dexter
