#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <omp.h>

#include <limits>

#include "index/vector_index.h"
#include "tests/index/vectors.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace dexter {
namespace {

using ::testing::ElementsAre;
using testing::expect_error;
using ::testing::IsEmpty;
using testing::kind_names;
using testing::quick_options;
using testing::Vectors;

std::shared_ptr<const IdSet> only(std::vector<std::int64_t> ids) {
  return std::make_shared<IdSet>(std::move(ids));
}

TEST(IdSet, HoldsEachIdOnceInAscendingOrder) {
  EXPECT_THAT(IdSet({7, 3, 7, -2, 3}).ids(), ElementsAre(-2, 3, 7));
  EXPECT_THAT(IdSet().ids(), IsEmpty());
}

TEST(IdSet, KnowsItsPlacesAmongSortedIds) {
  const std::vector<std::int64_t> dense = {4, 5, 6, 7}, gaps = {1, 4, 5, 9, 20, 21, 50};
  EXPECT_THAT(places_of(IdSet({3, 4, 7, 8}), dense), ElementsAre(0, 3));
  EXPECT_THAT(places_of(IdSet({0, 1, 9, 10, 21, 50, 51}), gaps), ElementsAre(0, 3, 5, 6));
  EXPECT_THAT(places_of(IdSet({50}), gaps), ElementsAre(6));
  EXPECT_THAT(places_of(IdSet({-1, 2, 70}), gaps), IsEmpty());
  EXPECT_THAT(places_of(IdSet({1}), {}), IsEmpty());
  EXPECT_THAT(places_of(IdSet(gaps), gaps), ElementsAre(0, 1, 2, 3, 4, 5, 6));
}

class FilteredSearch : public ::testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<VectorIndex> build(const std::string& kind) const {
    return build_index(quick_options(kind), vectors_.matrix, vectors_.ids, vectors_.queries);
  }
  // The first `count` vectors, whose ids are drawn without order, and an exact index of them alone.
  std::vector<std::int64_t> some(std::size_t count) const {
    return {vectors_.ids.begin(), vectors_.ids.begin() + static_cast<std::ptrdiff_t>(count)};
  }
  std::unique_ptr<VectorIndex> exact_of(std::size_t count) const {
    return build_index({.kind = "flat"}, vectors_.matrix.view().rows(0, count), some(count));
  }

  const Vectors vectors_{6000, 20, 5};
};
INSTANTIATE_TEST_SUITE_P(Kinds, FilteredSearch, ::testing::ValuesIn(kind_names()),
                         [](const auto& row) { return row.param; });

TEST_P(FilteredSearch, IsExactBitForBitAtEverySelectivity) {
  const auto index = build(GetParam());
  for (const std::size_t count : {1U, 2U, 9U, 60U, 480U, 520U, 3000U, 5999U, 6000U})
    for (const std::size_t queries : {1U, 3U, 60U}) {
      const EmbeddingView asked = vectors_.queries.view().rows(0, queries);
      const auto expected = exact_of(count)->search(asked, 10);
      const auto found = index->search(asked, 10, {.only = only(some(count))});
      EXPECT_EQ(found.ids, expected.ids) << count << " of 6000, " << queries << " queries";
      EXPECT_EQ(found.scores, expected.scores);
    }
}

TEST_P(FilteredSearch, PassesOverIdsThatTheIndexDoesNotHold) {
  const auto index = build(GetParam());
  std::vector<std::int64_t> ids = some(3);
  ids.insert(ids.end(), {0, 1, 2, 1'000'000});  // an id is 3 more than a multiple of 7
  const auto found = index->search(vectors_.queries, 5, {.only = only(ids)});
  const auto expected = exact_of(3)->search(vectors_.queries, 5);
  EXPECT_EQ(found.ids, expected.ids);
  const auto none = index->search(vectors_.queries, 2, {.only = only({0, 1, 2})});
  EXPECT_EQ(none.ids, std::vector<std::int64_t>(120, kNoId));
  EXPECT_EQ(index->search(vectors_.queries, 2, {.only = only({})}).ids, none.ids);
}

TEST_P(FilteredSearch, AnswersTheSameOnEveryThreadCount) {
  const auto index = build(GetParam());
  const int before = omp_get_max_threads();
  for (const std::size_t count : {400U, 2000U}) {
    const SearchOptions options{.only = only(some(count))};
    omp_set_num_threads(1);
    const auto alone = index->search(vectors_.queries, 10, options);
    omp_set_num_threads(3);
    EXPECT_EQ(index->search(vectors_.queries, 10, options).ids, alone.ids);
  }
  omp_set_num_threads(before);
}

TEST_P(FilteredSearch, IsExactAfterLoading) {
  const testing::TempDir folder;
  const FileRef ref = build(GetParam())->save(folder / "labels.index", folder.path());
  const auto loaded = load_index(folder.path(), ref);
  for (const std::size_t count : {50U, 3000U})
    EXPECT_EQ(loaded->search(vectors_.queries, 10, {.only = only(some(count))}).ids,
              exact_of(count)->search(vectors_.queries, 10).ids);
}

TEST_P(FilteredSearch, GivesPagesBeyondEveryUsualK) {
  const auto index = build(GetParam());
  const EmbeddingView queries = vectors_.queries.view().rows(0, 3);
  const auto all = index->search(queries, 7000, {.probes = 1 << 20, .ef = 6000});
  const auto expected = exact_of(6000)->search(queries, 7000);
  // Padded where there are no more; a graph may leave out what no link leads to.
  EXPECT_THAT(std::vector(all.ids.end() - 1000, all.ids.end()), ::testing::Each(kNoId));
  if (GetParam() != "hnsw") {
    EXPECT_EQ(all.ids, expected.ids);
  }
  EXPECT_GE(std::count_if(all.ids.begin(), all.ids.end(), [](auto id) { return id >= 0; }),
            3 * 5990);
  EXPECT_EQ(index->search(queries, 4000, {.only = only(some(6000))}).ids,
            exact_of(6000)->search(queries, 4000).ids);
}

void expect_range(const RangeResult& found, const SearchResult& ranked, float at_least) {
  ASSERT_EQ(found.begins.size(), ranked.ids.size() / static_cast<std::size_t>(ranked.k) + 1);
  for (std::size_t q = 0; q + 1 < found.begins.size(); ++q) {
    std::vector<std::int64_t> expected;
    for (std::size_t i = q * static_cast<std::size_t>(ranked.k);
         ranked.ids[i] != kNoId && ranked.scores[i] >= at_least; ++i)
      expected.push_back(ranked.ids[i]);
    EXPECT_EQ(std::vector(found.ids.begin() + static_cast<std::ptrdiff_t>(found.begins[q]),
                          found.ids.begin() + static_cast<std::ptrdiff_t>(found.begins[q + 1])),
              expected);
  }
}

TEST_P(FilteredSearch, GivesAllScoresAboveABound) {
  const auto index = build(GetParam());
  const auto ranked = exact_of(6000)->search(vectors_.queries, 6001);
  for (const float bound : {-2.0F, 0.3F, 0.6F, 1.5F, ranked.scores[4]}) {
    SCOPED_TRACE(bound);
    expect_range(index->search_above(vectors_.queries, bound), ranked, bound);
  }
}

TEST_P(FilteredSearch, GivesTheAllowedScoresAboveABound) {
  const auto index = build(GetParam());
  for (const std::size_t count : {0U, 100U, 2500U}) {
    const auto ranked = exact_of(std::max<std::size_t>(count, 1))->search(vectors_.queries, 6001);
    const float bound = count == 0 ? 2.0F : 0.4F;
    expect_range(index->search_above(vectors_.queries, bound, {.only = only(some(count))}), ranked,
                 bound);
  }
}

TEST_P(FilteredSearch, RefusesABoundThatIsNoNumber) {
  const auto index = build(GetParam());
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()})
    expect_error(
        ErrorKind::kInvalidInput, [&] { index->search_above(vectors_.queries, bad); },
        "finite number");
}

TEST(RangeSearch, FindsNothingInAnEmptyIndex) {
  const Vectors vectors(1, 4, 2);
  const auto index = build_index({.kind = "flat"}, EmbeddingMatrix(0, 4), {});
  EXPECT_THAT(index->search_above(vectors.queries, 0).begins, ::testing::Each(0U));
  EXPECT_EQ(index->search(vectors.queries, 1, {.only = only({1})}).ids[0], kNoId);
}

}  // namespace
}  // namespace dexter
