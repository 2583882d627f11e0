#include "index/kind_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dexter {
namespace {

using ::testing::HasSubstr;

constexpr double kGigabyte = 1e9;

TEST(KindChoice, TakesExactSearchForVectorsThatAreReadFast) {
  const KindChoice choice = choose_kind(27'754, 256, 32, 8 * kGigabyte);
  EXPECT_EQ(choice.kind, "flat");
  EXPECT_THAT(choice.reason, HasSubstr("27754 vectors of 256 dimensions are 28.4 MB"));
  EXPECT_EQ(choose_kind(0, 256, 32, 0).kind, "flat");
}

TEST(KindChoice, TakesTheGraphForMoreVectorsThatFitMemory) {
  // 1e6 * 256 * 4 = 1,024 MB, and 1e6 * (2.2 * 32 * 4 + 32) = 313.6 MB of graph.
  const KindChoice choice = choose_kind(1'000'000, 256, 32, 8 * kGigabyte);
  EXPECT_EQ(choice.kind, "hnsw");
  EXPECT_THAT(choice.reason, HasSubstr("1024.0 MB"));
  EXPECT_THAT(choice.reason, HasSubstr("1337.6 MB with a graph"));
}

TEST(KindChoice, TakesInvertedListsWhenTheGraphIsTooLargeForMemory) {
  const KindChoice choice = choose_kind(1'000'000, 256, 32, 2.6 * kGigabyte);
  EXPECT_EQ(choice.kind, "ivf");
  EXPECT_THAT(choice.reason, HasSubstr("2600.0 MB of free memory"));
}

TEST(KindChoice, TakesInvertedListsWhenTheGraphTakesTooLongToBuild) {
  EXPECT_EQ(choose_kind(2'000'000, 256, 32, 64 * kGigabyte).kind, "hnsw");
  const KindChoice choice = choose_kind(2'000'001, 256, 32, 64 * kGigabyte);
  EXPECT_EQ(choice.kind, "ivf");
  EXPECT_THAT(choice.reason, HasSubstr("too long to build"));
}

TEST(KindChoice, SeesTheMemoryOfThisMachine) {
  EXPECT_GT(available_memory(), 1e6);
  EXPECT_LT(available_memory(), 1e15);
}

}  // namespace
}  // namespace dexter
