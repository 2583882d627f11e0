#include "tools/example_feed.h"

#include <gmock/gmock.h>

#include <stdexcept>

namespace dexter {
namespace {

Example example(std::uint64_t id) {
  Example made;
  made.id = DocumentId{id};
  return made;
}

TEST(ExampleFeed, GivesEveryExampleInTheOrderOfTheScan) {
  constexpr std::uint64_t kCount = 10000;  // more than are read ahead
  ExampleFeed feed([](const ExampleFeed::Visit& visit) {
    for (std::uint64_t i = 0; i < kCount; ++i) visit(example(i));
  });
  Example next;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    ASSERT_TRUE(feed.next(next));
    ASSERT_EQ(value(next.id), i);
  }
  EXPECT_FALSE(feed.next(next));
  EXPECT_FALSE(feed.next(next));
}

TEST(ExampleFeed, ThrowsWhatTheScanThrewBehindTheExamplesBeforeIt) {
  ExampleFeed feed([](const ExampleFeed::Visit& visit) {
    visit(example(1));
    throw std::runtime_error("damaged");
  });
  Example next;
  ASSERT_TRUE(feed.next(next));
  EXPECT_THROW(feed.next(next), std::runtime_error);
}

TEST(ExampleFeed, EndsAnEndlessScanWhenItIsDropped) {
  Example next;
  ExampleFeed feed([](const ExampleFeed::Visit& visit) {
    for (std::uint64_t i = 0;; ++i) visit(example(i));
  });
  EXPECT_TRUE(feed.next(next));
}

}  // namespace
}  // namespace dexter
