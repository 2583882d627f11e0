#include "index/row_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <tuple>

#include "index/vector_index.h"
#include "tests/index/vectors.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace dexter {
namespace {

using testing::brute_force;
using testing::expect_error;
using testing::kind_names;
using testing::quick_options;
using testing::Vectors;

EmbeddingMatrix row_of(const std::vector<float>& values) {
  EmbeddingMatrix matrix(1, static_cast<int>(values.size()));
  std::ranges::copy(values, matrix.data());
  return matrix;
}

TEST(RoundedTo, KeepsElevenBitsOfAHalf) {
  const auto halves = rounded_to("float16", row_of({0.1F, 1.0F + 0x1p-11F, 65504, -0x1p-24F, 0}));
  EXPECT_THAT(halves.row(0), ::testing::ElementsAre(0.0999755859375F, 1, 65504, -0x1p-24F, 0));
  expect_error(
      ErrorKind::kInvalidInput,
      [] {
        rounded_to("float16", row_of({1, 65520}));
      },
      "65504");
}

TEST(RoundedTo, KeepsOneOf255StepsOfABytesRange) {
  const auto bytes = rounded_to("byte", row_of({1, -0.5F, 0.003F}));
  EXPECT_FLOAT_EQ(bytes.row(0)[0], 1);
  EXPECT_FLOAT_EQ(bytes.row(0)[1], -64.0F / 127);
  EXPECT_EQ(bytes.row(0)[2], 0);
}

class Stored : public ::testing::TestWithParam<std::tuple<std::string, std::string>> {
 protected:
  std::unique_ptr<VectorIndex> build() const {
    IndexOptions options = quick_options(std::get<0>(GetParam()));
    options.storage = std::get<1>(GetParam());
    return build_index(options, vectors_.matrix, vectors_.ids, vectors_.queries);
  }
  // Scores within `room` of those expected; all there.
  static void expect_scores(std::span<const float> found, const std::vector<testing::Ranked>& all) {
    for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], all[i].score, 1e-6);
  }
  const Vectors vectors_{700, 24, 5};
  const EmbeddingMatrix kept_ = rounded_to(std::get<1>(GetParam()), vectors_.matrix);
};
INSTANTIATE_TEST_SUITE_P(Kinds, Stored,
                         ::testing::Combine(::testing::ValuesIn(kind_names()),
                                            ::testing::Values("float16", "byte")),
                         [](const auto& row) {
                           return std::get<0>(row.param) + "_" + std::get<1>(row.param);
                         });

TEST_P(Stored, VectorsAreSearchedAndScoredAsTheyAreKept) {
  const auto index = build();
  const auto found = index->search(vectors_.queries, 10);
  std::size_t right = 0;
  for (std::size_t q = 0; q < vectors_.queries.rows(); ++q) {
    const auto expected = brute_force(kept_, vectors_.ids, vectors_.queries.row(q));
    for (std::size_t i = 0; i < 10; ++i) {
      const auto at = std::ranges::find(expected, found.ids[q * 10 + i], &testing::Ranked::id);
      ASSERT_NE(at, expected.end());
      EXPECT_NEAR(found.scores[q * 10 + i], at->score, 1e-6);
      right += found.scores[q * 10 + i] >= expected[9].score - 1e-6 ? 1U : 0U;
    }
  }
  EXPECT_GE(right, std::get<0>(GetParam()) == "flat" ? 600U : 594U);
}

TEST_P(Stored, FilteredAndRangeSearchesAreExact) {
  const auto index = build();
  for (const std::size_t count : {5U, 300U}) {
    const std::vector<std::int64_t> ids(vectors_.ids.begin(), vectors_.ids.begin() + count);
    const SearchOptions only{.only = std::make_shared<IdSet>(ids)};
    for (const std::size_t queries : {1U, 6U}) {
      const EmbeddingView asked = vectors_.queries.view().rows(0, queries);
      const auto found = index->search(asked, 5, only);
      const auto above = index->search_above(asked, 0.5F, only);
      for (std::size_t q = 0; q < queries; ++q) {
        const auto expected = brute_force(kept_.view().rows(0, count), ids, asked.row(q));
        expect_scores(std::span(found.scores).subspan(q * 5, 5), expected);
        expect_scores(
            std::span(above.scores).subspan(above.begins[q], above.begins[q + 1] - above.begins[q]),
            expected);
        const auto right = static_cast<std::size_t>(std::ranges::count_if(
            expected, [](const testing::Ranked& ranked) { return ranked.score >= 0.5; }));
        EXPECT_EQ(above.begins[q + 1] - above.begins[q], right);
      }
    }
  }
}

TEST_P(Stored, AFileKeepsThemAndIsSmaller) {
  const testing::TempDir folder;
  const auto built = build();
  const auto whole = build_index(quick_options(std::get<0>(GetParam())), vectors_.matrix,
                                 vectors_.ids, vectors_.queries);
  const FileRef ref = built->save(folder / "labels.index", folder.path());
  const auto loaded = load_index(folder.path(), ref);
  EXPECT_EQ(loaded->search(vectors_.queries, 10).ids, built->search(vectors_.queries, 10).ids);
  EXPECT_EQ(loaded->search(vectors_.queries, 10).scores,
            built->search(vectors_.queries, 10).scores);
  EXPECT_EQ(loaded->describe().bytes, built->describe().bytes);
  EXPECT_EQ(loaded->save(folder / "again.index", folder.path()).checksum, ref.checksum);
  const std::size_t saved = std::get<1>(GetParam()) == "byte" ? 4 : 2;  // bytes a value
  EXPECT_LE(built->describe().bytes + 700 * 24 * saved, whole->describe().bytes);
  EXPECT_LE(ref.bytes + 700 * 24 * saved,
            whole->save(folder / "whole.index", folder.path()).bytes + 256);
}

TEST_P(Stored, AnEmptyIndexSurvivesAndBadValuesAreRefused) {
  const testing::TempDir folder;
  IndexOptions options = quick_options(std::get<0>(GetParam()));
  options.storage = std::get<1>(GetParam());
  const auto empty = build_index(options, EmbeddingMatrix(0, 24), {});
  const FileRef ref = empty->save(folder / "labels.index", folder.path());
  const auto found = load_index(folder.path(), ref)->search(vectors_.queries, 2);
  EXPECT_THAT(found.ids, ::testing::Each(kNoId));
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()})
    expect_error(
        ErrorKind::kInvalidInput,
        [&] {
          build_index(options, row_of({1, bad}), std::vector<std::int64_t>{8});
        },
        "id 8", "not finite");
}

}  // namespace
}  // namespace dexter
