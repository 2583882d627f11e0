#include "index/in_threads.h"

#include <atomic>
#include <stdexcept>
#include <vector>

#include <gmock/gmock.h>

namespace dexter {
namespace {

TEST(InThreads, DoesEachOnce) {
  for (const std::size_t count : {0U, 1U, 1000U}) {
    std::vector<std::atomic<int>> done(count);
    in_threads(count, [&](std::size_t i) { ++done[i]; });
    EXPECT_THAT(std::vector<int>(done.begin(), done.end()), ::testing::Each(1));
  }
}

TEST(InThreads, ThrowsOnceAllHaveEnded) {
  std::atomic<int> done = 0;
  const auto run = [&] {
    in_threads(100, [&](std::size_t i) {
      ++done;
      if (i % 10 == 3) throw std::runtime_error("three");
    });
  };
  EXPECT_THROW(run(), std::runtime_error);
  EXPECT_EQ(done, 100);
}

}  // namespace
}  // namespace dexter
