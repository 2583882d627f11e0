#include "engine/device_search.h"

#include <gmock/gmock.h>

#include <memory>
#include <numeric>
#include <random>

#include "engine/retrieval_engine.h"
#include "tests/encoders/limited_memory.h"
#include "tests/engine/tiny_store.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace dexter {
namespace {

// Whole numbers, of which many are alike, so that scores tie.
EmbeddingMatrix matrix(std::size_t rows, int dim, unsigned seed, unsigned values) {
  std::mt19937 random(seed);
  EmbeddingMatrix result(rows, dim);
  for (std::size_t i = 0; i < rows; ++i)
    for (float& v : result.row(i))
      v = static_cast<float>(random() % values) / static_cast<float>(values) - 0.5F;
  return result;
}

// The answers of the processors' own search, on each device that is here.
class DeviceSearch : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    try {
      on_device(GetParam(), false).flat(matrix(1, 2, 1, 3));
    } catch (const Error& e) {
      GTEST_SKIP() << e.what();
    }
  }
  static std::unique_ptr<VectorIndex> flat(EmbeddingView rows, const std::string& storage) {
    std::vector<std::int64_t> ids(rows.rows());
    std::iota(ids.begin(), ids.end(), 5);
    return build_index({.kind = "flat", .storage = storage}, rows, ids);
  }
};
INSTANTIATE_TEST_SUITE_P(Devices, DeviceSearch, ::testing::Values("cpu", "cuda"),
                         [](const auto& row) { return row.param; });

TEST_P(DeviceSearch, AnswersBitForBitAsTheProcessors) {
  for (const unsigned values : {3U, 100'000U})  // with and without ties
    for (const bool half : {false, true})
      for (const std::string storage : {"float32", "float16", "byte"}) {
        const EmbeddingMatrix rows = matrix(3000, 17, 3, values),
                              queries = matrix(9, 17, 4, values);
        const auto own = flat(rows, storage);
        const auto there = flat(rows, storage);
        accelerate(*there, on_device(GetParam(), half));
        for (const int k : {1, 10, 400, 2999, 3000}) {
          const SearchResult expected = own->search(queries, k), found = there->search(queries, k);
          EXPECT_EQ(found.ids, expected.ids) << storage << half << values << " " << k;
          EXPECT_EQ(found.scores, expected.scores);
        }
      }
}

TEST_P(DeviceSearch, LeavesFilteredAndRangeSearchesExact) {
  const EmbeddingMatrix rows = matrix(500, 8, 3, 50), queries = matrix(4, 8, 4, 50);
  const auto own = flat(rows, "float32");
  const auto there = flat(rows, "float32");
  accelerate(*there, on_device(GetParam(), true));
  const SearchOptions only{.only = std::make_shared<IdSet>(std::vector<std::int64_t>{9, 80, 300})};
  EXPECT_EQ(there->search(queries, 2, only).ids, own->search(queries, 2, only).ids);
  EXPECT_EQ(there->search_above(queries, 0.2F).ids, own->search_above(queries, 0.2F).ids);
}

TEST_P(DeviceSearch, AsksManyQueriesInParts) {
  const EmbeddingMatrix rows = matrix(40, 3, 3, 100'000), queries = matrix(4100, 3, 4, 100'000);
  const auto own = flat(rows, "float32");
  const auto there = flat(rows, "float32");
  accelerate(*there, on_device(GetParam(), false));
  const SearchResult expected = own->search(queries, 2), found = there->search(queries, 2);
  EXPECT_EQ(found.ids, expected.ids);
  EXPECT_EQ(found.scores, expected.scores);
}

TEST_P(DeviceSearch, LeavesTiesBeyondWhatItSelectsToTheProcessors) {
  const EmbeddingMatrix rows(70'000, 2), queries = matrix(2, 2, 4, 50);  // all alike
  EXPECT_EQ(on_device(GetParam(), false).flat(rows)->most(), 65536U);
  const auto own = flat(rows, "float32");
  const auto there = flat(rows, "float32");
  accelerate(*there, on_device(GetParam(), false));
  for (const int k : {3, 65'537})
    EXPECT_EQ(there->search(queries, k).ids, own->search(queries, k).ids);
}

TEST(DeviceSearchOf, CountsWhatSearchesTakeOfADevice) {
  const EmbeddingMatrix rows = matrix(60, 4, 3, 50);
  testing::expect_error(
      ErrorKind::kInvalidInput, [&] { on_device("cpu", false, 1400).flat(rows); },
      "searches up to 1472 MiB");
}

TEST(DeviceSearchOf, ACopyThatFailsIsRefusedWithItsDevice) {
  const EmbeddingMatrix rows = matrix(4000, 64, 3, 50);
  const testing::LimitedMemory limit(1 << 10);
  testing::expect_error(
      ErrorKind::kInvalidInput, [&] { on_device("cpu", false).flat(rows); },
      "putting vectors on device cpu: LibTorch says", "search on the cpu");
  EXPECT_EQ(limit.refusals(), 1U);
}

TEST(DeviceSearchOf, OpeningAgainDoesNotInsistOnAGpu) {
  const DeviceOptions again = to_open_again({.name = "cuda", .memory = 500, .codes = 8});
  EXPECT_EQ(again.name, "auto");
  EXPECT_EQ(again.memory, 500);
  EXPECT_EQ(again.codes, 8);
  EXPECT_EQ(to_open_again({.name = "cpu"}).name, "cpu");
}

TEST(DeviceSearchOf, TakesFlatIndexesAlone) {
  const EmbeddingMatrix rows = matrix(60, 4, 3, 50);
  std::vector<std::int64_t> ids(60);
  std::iota(ids.begin(), ids.end(), 0);
  testing::expect_error(
      ErrorKind::kInvalidInput,
      [&] { accelerate(*build_index({.kind = "hnsw"}, rows, ids), on_device("cpu", false)); },
      "the index is hnsw");
  testing::expect_error(
      ErrorKind::kInvalidInput,
      [&] { accelerate(*build_index({.kind = "ivf"}, rows, ids), on_device("cpu", false)); },
      "the index is ivf, and only flat is searched there");
  const auto empty = build_index({.kind = "flat"}, EmbeddingMatrix(0, 4), {});
  accelerate(*empty, on_device("cpu", false));
  EXPECT_THAT(empty->search(rows.view().rows(0, 1), 2).ids, ::testing::Each(kNoId));
}

TEST(DeviceSearchOf, AStoreAnswersTheSameOnAGpuOrSaysThatNoneIsThere) {
  const testing::TempDir folder;
  const auto store = tiny::indexed_store(folder.path());
  const std::vector<std::string> texts = {"rain and wind delayed every train"};
  const LabelRanking own = RetrievalEngine::open(store).rank(texts, 5)[0];
  try {
    const LabelRanking there = RetrievalEngine::open(store, {.name = "cuda"}).rank(texts, 5)[0];
    ASSERT_EQ(there.size(), own.size());
    for (std::size_t i = 0; i < own.size(); ++i) EXPECT_EQ(there[i].score, own[i].score);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kInvalidInput);
    EXPECT_THAT(e.what(), ::testing::HasSubstr("cuda was asked for, but no GPU"));
  }
}

TEST(DeviceSearchOf, RefusesWhatHalfPrecisionCannotHold) {
  EmbeddingMatrix rows(1, 2);
  rows.row(0)[0] = 70'000;
  testing::expect_error(
      ErrorKind::kInvalidInput, [&] { on_device("cpu", true).flat(rows); }, "65504");
}

}  // namespace
}  // namespace dexter
