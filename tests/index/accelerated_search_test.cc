// Indexes whose candidates FAISS's own indexes find, on the processors and, where there are some,
// on GPUs: the answers of the processors' own search, bit for bit.
#include <gmock/gmock.h>

#include <limits>
#include <memory>
#include <numeric>
#include <random>

#include "index/device_memory.h"
#include "index/faiss_search.h"
#include "tests/index/vectors.h"
#include "tests/support/expect_error.h"

namespace dexter {
namespace {

// Few distinct values make many scores alike.
EmbeddingMatrix grid(std::size_t rows, int dim, unsigned seed, unsigned values) {
  std::mt19937 random(seed);
  EmbeddingMatrix result(rows, dim);
  for (std::size_t i = 0; i < rows; ++i)
    for (float& v : result.row(i))
      v = static_cast<float>(random() % values) / static_cast<float>(values) - 0.5F;
  return result;
}

std::unique_ptr<VectorIndex> built(const std::string& kind, EmbeddingView rows,
                                   const std::string& storage = "float32") {
  std::vector<std::int64_t> ids(rows.rows());
  std::iota(ids.begin(), ids.end(), 5);
  return build_index({.kind = kind, .lists = 24, .probes = 6, .storage = storage}, rows, ids);
}

void expect_same(const VectorIndex& there, const VectorIndex& own, EmbeddingView queries, int k,
                 const SearchOptions& options = {}) {
  const SearchResult found = there.search(queries, k, options),
                     expected = own.search(queries, k, options);
  EXPECT_EQ(found.ids, expected.ids) << "k " << k;
  EXPECT_EQ(found.scores, expected.scores) << "k " << k;
}

struct Where {
  std::string name;
  FaissOptions options;
};

class FaissSearch : public ::testing::TestWithParam<Where> {
 protected:
  void SetUp() override {
    const std::string without = faiss_without_gpu();
    if (GetParam().options.gpu && !without.empty()) GTEST_SKIP() << without;
  }
};
INSTANTIATE_TEST_SUITE_P(
    Places, FaissSearch,
    ::testing::Values(Where{"processors", {.gpu = false}},
                      Where{"processors_in_half", {.gpu = false, .half = true}},
                      Where{"three_shards", {.gpu = false, .devices = 3}},
                      Where{"three_replicas", {.gpu = false, .replicas = true, .devices = 3}},
                      Where{"gpus", {}}, Where{"gpus_in_half", {.half = true}},
                      Where{"gpu_replicas", {.replicas = true}}),
    [](const auto& row) { return row.param.name; });

TEST_P(FaissSearch, AnswersBitForBitAsTheProcessors) {
  for (const std::string kind : {"flat", "ivf"})
    for (const unsigned values : {3U, 100'000U})  // with and without ties
      for (const std::string storage : {"float32", "float16", "byte"}) {
        SCOPED_TRACE(kind + " " + storage + " " + std::to_string(values));
        const EmbeddingMatrix rows = grid(3000, 17, 3, values), queries = grid(9, 17, 4, values);
        const auto own = built(kind, rows, storage), there = built(kind, rows, storage);
        accelerate(*there, by_faiss(GetParam().options));
        for (const int k : {1, 10, 400, 2040, 2500, 3000}) expect_same(*there, *own, queries, k);
        expect_same(*there, *own, queries.view().rows(2, 1), 10);
      }
}

TEST_P(FaissSearch, ReadsTheListsThatASearchAsksFor) {
  const testing::Vectors data(4000, 24, 5);
  const auto own = built("ivf", data.matrix), there = built("ivf", data.matrix);
  accelerate(*there, by_faiss(GetParam().options));
  for (const int probes : {1, 3, 24})
    expect_same(*there, *own, data.queries, 20, {.probes = probes});
}

TEST_P(FaissSearch, LeavesFilteredAndRangeSearchesExact) {
  const testing::Vectors data(900, 12, 6);
  const auto own = built("ivf", data.matrix), there = built("ivf", data.matrix);
  accelerate(*there, by_faiss(GetParam().options));
  const SearchOptions only{.only = std::make_shared<IdSet>(std::vector<std::int64_t>{9, 80, 300})};
  expect_same(*there, *own, data.queries, 2, only);
  EXPECT_EQ(there->search_above(data.queries, 0.7F).ids, own->search_above(data.queries, 0.7F).ids);
}

TEST_P(FaissSearch, TakesFewRowsAndNone) {
  for (const std::string kind : {"flat", "ivf"})
    for (const std::size_t count : {0U, 1U, 2U}) {
      const EmbeddingMatrix rows = grid(count, 4, 3, 50), queries = grid(5, 4, 4, 50);
      const auto own = built(kind, rows), there = built(kind, rows);
      accelerate(*there, by_faiss(GetParam().options));
      expect_same(*there, *own, queries, 3);
    }
}

// The same candidates, and what was asked for.
class Counting final : public RowAccelerator {
 public:
  Counting(std::unique_ptr<const RowAccelerator> inner, std::vector<std::size_t>& asked)
      : inner_(std::move(inner)), asked_(asked) {}
  Found best(const Ask& ask) const override {
    asked_.push_back(ask.count);
    return inner_->best(ask);
  }
  std::size_t most() const override { return inner_->most(); }
  float slack(std::span<const float> query) const override { return inner_->slack(query); }

 private:
  std::unique_ptr<const RowAccelerator> inner_;
  std::vector<std::size_t>& asked_;
};

std::vector<std::size_t> asked_for(EmbeddingView rows, EmbeddingView queries, int k,
                                   const std::string& kind = "flat") {
  std::vector<std::size_t> asked;
  const auto index = built(kind, rows), own = built(kind, rows);
  const Accelerate by = by_faiss({.gpu = false});
  const auto counted = [&](const auto& make) {
    return [&](const auto& view) { return std::make_unique<const Counting>(make(view), asked); };
  };
  accelerate(*index, {.flat = counted(by.flat), .ivf = counted(by.ivf)});
  expect_same(*index, *own, queries, k);
  return asked;
}

TEST(AcceleratedSearch, AsksForMoreWhereScoresTieAndForNoneBeyondWhatADeviceSelects) {
  using ::testing::ElementsAre;
  const EmbeddingMatrix apart = grid(5000, 17, 3, 100'000), alike(5000, 17),
                        queries = grid(3, 17, 4, 100'000);
  EXPECT_THAT(asked_for(apart, queries, 8), ElementsAre(25));
  EXPECT_THAT(asked_for(apart, queries, 8, "ivf"), ElementsAre(25));
  EXPECT_THAT(asked_for(alike, queries, 8), ElementsAre(25, 100, 400, 1600, 2047));
  EXPECT_THAT(asked_for(apart, queries, 2047), ElementsAre(2047));
  EXPECT_THAT(asked_for(apart, queries, 2048), ElementsAre());
  EXPECT_THAT(asked_for(apart, queries, 2048, "ivf"), ElementsAre());
}

double found_by_codes(int codes, int devices) {
  const testing::Vectors data(4000, 24, 8);
  const auto own = built("ivf", data.matrix), there = built("ivf", data.matrix);
  accelerate(*there, by_faiss({.gpu = false, .codes = codes, .devices = devices}));
  const SearchResult expected = own->search(data.queries, 10),
                     found = there->search(data.queries, 10);
  int right = 0;
  for (std::size_t i = 0; i < found.ids.size(); ++i) {
    const auto row = expected.ids.begin() + static_cast<std::ptrdiff_t>(i / 10 * 10);
    const auto same = std::find(row, row + 10, found.ids[i]);
    if (same == row + 10) continue;
    ++right;
    EXPECT_EQ(found.scores[i],
              expected.scores[static_cast<std::size_t>(std::distance(expected.ids.begin(), same))]);
  }
  return right / static_cast<double>(found.ids.size());
}

TEST(AcceleratedSearch, CodesFindMostAnswersAndScoreThemInFloat32) {
  const double small = found_by_codes(3, 1), large = found_by_codes(12, 1);
  EXPECT_LT(small, 1);
  EXPECT_LT(small, large);
  EXPECT_GT(large, 0.95);
  EXPECT_GT(found_by_codes(12, 2), 0.95);
}

TEST(AcceleratedSearch, CodesAreOfAnIvfIndexAndDivideItsDimensions) {
  const auto refuse = [](const std::string& kind, EmbeddingView rows, const FaissOptions& options,
                         const std::string& why) {
    testing::expect_error(
        ErrorKind::kInvalidInput, [&] { accelerate(*built(kind, rows), by_faiss(options)); }, why);
  };
  const EmbeddingMatrix rows = grid(300, 12, 3, 50);
  refuse("flat", rows, {.gpu = false, .codes = 4}, "this one is flat");
  refuse("ivf", rows, {.gpu = false, .codes = 5}, "give a divisor");
  refuse("ivf", rows, {.gpu = false, .codes = 6}, "3, 4, 8, 12");  // no kernel of FAISS's
  refuse("ivf", rows, {.gpu = false, .half = true, .codes = 4}, "no half precision");
  refuse("ivf", rows.view().rows(0, 200), {.gpu = false, .codes = 4}, "at least 256 vectors");
}

TEST(AcceleratedSearch, AnIndexThatIsRefusedIsSearchedOnTheProcessors) {
  const testing::Vectors data(3000, 16, 7);
  for (const std::string kind : {"flat", "ivf"}) {
    const auto own = built(kind, data.matrix), there = built(kind, data.matrix);
    accelerate(*there, by_faiss({.gpu = false}));
    testing::expect_error(
        ErrorKind::kInvalidInput,
        [&] { accelerate(*there, by_faiss({.gpu = false, .memory = 100})); },
        "searches up to 512 MiB");
    expect_same(*there, *own, data.queries, 10);
  }
  const auto graph = built("hnsw", data.matrix);
  testing::expect_error(
      ErrorKind::kInvalidInput, [&] { accelerate(*graph, by_faiss({.gpu = false})); },
      "the index is hnsw");
}

TEST(AcceleratedSearch, AKindThatIsNotSearchedThereLosesItsFormerCopy) {
  const EmbeddingMatrix rows = grid(400, 9, 3, 100'000), queries = grid(3, 9, 4, 100'000);
  const Accelerate by = by_faiss({.gpu = false});
  for (const std::string kind : {"flat", "ivf"}) {
    std::vector<std::size_t> asked;
    const auto counted = [&](const auto& make) {
      return [&](const auto& view) { return std::make_unique<const Counting>(make(view), asked); };
    };
    const auto own = built(kind, rows), there = built(kind, rows);
    accelerate(*there, {.flat = counted(by.flat), .ivf = counted(by.ivf)});
    expect_same(*there, *own, queries, 4);
    EXPECT_FALSE(asked.empty());
    asked.clear();
    const bool flat = kind == "flat";
    testing::expect_error(
        ErrorKind::kInvalidInput,
        [&] { accelerate(*there, flat ? Accelerate{.ivf = by.ivf} : Accelerate{.flat = by.flat}); },
        "the index is " + kind + ", and only " + (flat ? "ivf" : "flat") + " is searched there");
    expect_same(*there, *own, queries, 4);
    EXPECT_TRUE(asked.empty());
  }
}

// FAISS learns no codes from such values.
TEST(AcceleratedSearch, ACopyThatFailsIsRefusedWithItsDevice) {
  EmbeddingMatrix rows = grid(300, 8, 3, 50);
  rows.row(7)[2] = std::numeric_limits<float>::infinity();
  const EmbeddingMatrix centroids = grid(1, 8, 4, 50);
  ListedRows listed{centroids, rows, std::vector<std::vector<Place>>(1)};
  for (std::uint32_t i = 0; i < rows.rows(); ++i) listed.lists[0].push_back({i, i});
  testing::expect_error(
      ErrorKind::kInvalidInput, [&] { by_faiss({.gpu = false, .codes = 4}).ivf(listed); },
      "copying vectors to the processors: FAISS says", "search on the cpu");
}

TEST(AcceleratedSearch, SaysWhichGpuIsOlderThanWhatFaissWasCompiledFor) {
  EXPECT_EQ(faiss_too_new(90, 90, 0), "");
  EXPECT_EQ(faiss_too_new(80, 120, 0), "");
  EXPECT_THAT(faiss_too_new(90, 80, 1),
              ::testing::StartsWith("this FAISS was compiled for sm_90, GPU 1 is sm_80; run "
                                    "`tools/setup --cuda --cuda-arch 80`"));
}

TEST(AcceleratedSearch, SaysWhyNoGpuIsSearched) {
  const std::string why = faiss_without_gpu();
  if (why.empty()) GTEST_SKIP() << "there is one";
  testing::expect_error(
      ErrorKind::kInvalidInput,
      [&] { accelerate(*built("ivf", grid(50, 4, 1, 50)), by_faiss({})); }, why);
}

TEST(AcceleratedSearch, RefusesWhatHalfPrecisionCannotHold) {
  EmbeddingMatrix rows(1, 2);
  rows.row(0)[0] = 70'000;
  testing::expect_error(
      ErrorKind::kInvalidInput, [&] { by_faiss({.gpu = false, .half = true}).flat(rows); },
      "65504");
}

TEST(DeviceMemory, IsAShareOfWhatIsFreeOrMebibytes) {
  constexpr std::size_t kMiB = 1 << 20;
  EXPECT_EQ(allowed_bytes(0.5, 1000 * kMiB), 500 * kMiB);
  EXPECT_EQ(allowed_bytes(1, 1000 * kMiB), 1000 * kMiB);
  EXPECT_EQ(allowed_bytes(300, 1000 * kMiB), 300 * kMiB);
  EXPECT_EQ(allowed_bytes(3000, 1000 * kMiB), 1000 * kMiB);
  testing::expect_error(
      ErrorKind::kInvalidInput, [] { allowed_bytes(0, 5); }, "neither a share");
}

TEST(DeviceMemory, IsRefusedWithWhatIsNeededAndWhatIsAllowed) {
  constexpr std::size_t kMiB = 1 << 20;
  EXPECT_NO_THROW(ensure_fits({.copy = 700 * kMiB, .work = 200 * kMiB}, 0.9, 1000 * kMiB, "GPU 0"));
  testing::expect_error(
      ErrorKind::kInvalidInput,
      [] { ensure_fits({.copy = 701 * kMiB, .work = 200 * kMiB}, 0.9, 1000 * kMiB, "GPU 0"); },
      "putting vectors on GPU 0: they take 701 MiB and searches up to 200 MiB, 901 MiB together, "
      "but 900 MiB are allowed (90 % of 1000 MiB free)");
}

TEST(DeviceMemory, CountsBlocksOfAListAndRefusesOnesThatFaissDoesNot) {
  const std::vector<std::size_t> sizes = {0, 1, 32, 33};
  // Centroids and pointers; codes of 0, 32, 32 and 64 rows; numbers in allocations of 512 bytes.
  EXPECT_EQ(listed_bytes(sizes, 64 * 4, 64), 4 * (64 * 4 + 48) + (32 + 32 + 64) * 64 * 4 + 3 * 512);
  // From 1 MiB on pages of 2 MiB: 40,000 rows of 256 bytes take five of them, 4,096 one.
  const std::vector<std::size_t> large = {40'000, 4096, 4064};
  EXPECT_EQ(listed_bytes(large, 256, 64),
            1024 + 3 * 48 + (6U << 21) + 4064 * 256 + 160'256 + 4096 * 4 + 16'384);
  const std::vector<std::size_t> longest = {std::size_t{1} << 21};
  testing::expect_error(
      ErrorKind::kInvalidInput, [&] { listed_bytes(longest, 1024, 256); }, "2048 MiB");
}

TEST(DeviceMemory, BoundsTheQueriesOfASearch) {
  EXPECT_EQ(queries_within(1 << 20, 10, 64, 100), (1U << 20) / (10 * (256 + 800)));
  EXPECT_EQ(queries_within(1 << 20, 2047, 768, 2047), 1U);
}

}  // namespace
}  // namespace dexter
