#include "index/index_bench.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/index/vectors.h"
#include "tests/support/expect_error.h"

namespace dexter {
namespace {

using testing::expect_error;
using testing::Vectors;

std::vector<IndexMeasurement> measured(const IndexBenchOptions& options, EmbeddingView base,
                                       EmbeddingView queries) {
  std::vector<IndexMeasurement> all;
  measure_indexes(options, base, queries, [&](const IndexMeasurement& m) { all.push_back(m); });
  return all;
}

IndexBenchOptions options_of(std::vector<std::string> kinds) {
  return {.k = 10,
          .kinds = std::move(kinds),
          .batches = {1, 7},
          .index = {.links = 16, .ef_construction = 64, .recall = 0.95}};
}

TEST(IndexBench, GivesEachKindInEachBatchSizeInOrder) {
  const Vectors vectors(2000, 16, 3);
  const auto all = measured(options_of({"hnsw", "flat", "ivf"}), vectors.matrix, vectors.queries);
  ASSERT_EQ(all.size(), 6U);
  const char* kinds[] = {"hnsw", "flat", "ivf"};
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].kind, kinds[i / 2]);
    EXPECT_EQ(all[i].batch, i % 2 == 0 ? 1 : 7);
    EXPECT_GT(all[i].queries_per_second, 0);
    EXPECT_GE(all[i].recall, all[i].kind == "flat" ? 1 : 0.8) << all[i].kind;
    EXPECT_LE(all[i].recall, 1);
    EXPECT_GE(all[i].bytes_per_vector, 16 * sizeof(float));
  }
  EXPECT_EQ(all[2].setting, "exact");
  EXPECT_NE(all[0].setting.find("16 links, ef "), std::string::npos);
  EXPECT_NE(all[4].setting.find(" lists, "), std::string::npos);
}

TEST(IndexBench, MeasuresFilteredSearchesBesideTheOthers) {
  const Vectors vectors(2000, 16, 3);
  IndexBenchOptions options = options_of({"hnsw", "ivf"});
  options.filter = 0.01;
  const auto all = measured(options, vectors.matrix, vectors.queries);
  ASSERT_EQ(all.size(), 8U);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const bool filtered = i % 4 >= 2;
    EXPECT_EQ(all[i].filter, filtered ? 0.01 : 1);
    EXPECT_EQ(all[i].batch, i % 2 == 0 ? 1 : 7);
    if (filtered) {
      EXPECT_EQ(all[i].recall, 1);
    }
  }
}

// Three vectors have no ten neighbours: what cannot be found is not missed.
TEST(IndexBench, CountsRecallOverTheAnswersThereAre) {
  const Vectors vectors(3, 8, 3);
  for (const IndexMeasurement& m :
       measured(options_of({"flat"}), vectors.matrix, vectors.queries.view().rows(0, 1)))
    EXPECT_EQ(m.recall, 1);
}

TEST(IndexBench, RefusesWhatCannotBeMeasured) {
  const Vectors vectors(20, 8, 3), other(20, 9, 3);
  const auto refused = [&](const IndexBenchOptions& options, EmbeddingView queries,
                           const char* part) {
    expect_error(
        ErrorKind::kInvalidInput, [&] { measured(options, vectors.matrix, queries); }, part);
  };
  refused(options_of({"flat"}), other.queries, "8 dimensions");
  refused(options_of({"flat"}), vectors.queries.view().rows(0, 0), "0 queries");
  refused(options_of({}), vectors.queries, "0 kinds");
  refused(options_of({"tree"}), vectors.queries, "tree");
  IndexBenchOptions none = options_of({"flat"});
  none.batches = {0};
  refused(none, vectors.queries, "a batch of 0");
  for (const double share : {0.0, 1.5, std::nan("")}) {
    none = options_of({"flat"});
    none.filter = share;
    refused(none, vectors.queries, "a filter of");
  }
  none = options_of({"flat"});
  none.k = 0;
  refused(none, vectors.queries, "k is 0");
}

}  // namespace
}  // namespace dexter
