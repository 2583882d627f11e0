#include "engine/reply_cache.h"

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace dexter {
namespace {

ReplyCache::Basis new_basis() { return {std::make_shared<int>(), std::make_shared<int>()}; }

TEST(ReplyCache, FindsWhatWasKeptForTheSameBytes) {
  ReplyCache cache(1 << 20);
  const ReplyCache::Basis basis = new_basis();
  cache.keep("a", basis, "answer");
  EXPECT_EQ(cache.find("a", basis), "answer");
  EXPECT_EQ(cache.find("a ", basis), std::nullopt);
  EXPECT_EQ(cache.figures().hits, 1u);
  EXPECT_EQ(cache.figures().misses, 1u);
  cache.keep("a", basis, "another");
  EXPECT_EQ(cache.find("a", basis), "another");
  EXPECT_EQ(cache.figures().replies, 1u);
}

TEST(ReplyCache, ForgetsWhatWasMadeFromAnythingElse) {
  ReplyCache cache(1 << 20);
  const ReplyCache::Basis basis = new_basis();
  for (const std::size_t changed : {0, 1}) {
    cache.keep("a", basis, "answer");
    ReplyCache::Basis other = basis;
    other[changed] = std::make_shared<int>();
    EXPECT_EQ(cache.find("a", other), std::nullopt);
    EXPECT_EQ(cache.find("a", basis), std::nullopt);
    EXPECT_EQ(cache.figures().bytes, 0u);
  }
}

// An allocator gives the place of an ended object to the next one.
TEST(ReplyCache, IsNotDeceivedByAnAddressThatIsUsedAgain) {
  ReplyCache cache(1 << 20);
  const auto options = std::make_shared<int>();
  for (int i = 0; i < 100; ++i) {
    const ReplyCache::Basis basis = {std::make_shared<int>(i), options};
    EXPECT_EQ(cache.find("a", basis), std::nullopt);
    cache.keep("a", basis, std::to_string(i));
    EXPECT_EQ(cache.find("a", basis), std::to_string(i));
  }
}

TEST(ReplyCache, DoesNotKeepAnEngineAlive) {
  ReplyCache cache(1 << 20);
  ReplyCache::Basis basis = new_basis();
  const std::weak_ptr<const void> engine = basis[0];
  cache.keep("a", basis, "answer");
  basis = {};
  EXPECT_TRUE(engine.expired());
}

TEST(ReplyCache, KeepsToItsBytesAndToWhatIsUsed) {
  constexpr std::size_t kCapacity = 64 << 10;
  ReplyCache cache(kCapacity);
  const ReplyCache::Basis basis = new_basis();
  cache.keep("used", basis, "answer");
  for (int i = 0; i < 1000; ++i) {
    cache.keep(std::to_string(i), basis, std::string(100, 'x'));
    EXPECT_LE(cache.figures().bytes, kCapacity);
    EXPECT_EQ(cache.find("used", basis), "answer");
  }
  EXPECT_EQ(cache.find("0", basis), std::nullopt);
  EXPECT_NE(cache.find("999", basis), std::nullopt);
  EXPECT_GT(cache.figures().replies, 100u);
  const std::size_t before = cache.figures().replies;
  cache.keep("large", basis, std::string(2000, 'x'));
  EXPECT_EQ(cache.find("large", basis), std::nullopt);
  EXPECT_EQ(cache.figures().replies, before);
}

TEST(ReplyCache, KeepsNothingWhereItHasNoRoom) {
  ReplyCache cache(0);
  const ReplyCache::Basis basis = new_basis();
  cache.keep("a", basis, "");
  EXPECT_EQ(cache.find("a", basis), std::nullopt);
  EXPECT_EQ(cache.figures().misses, 0u);
}

TEST(ReplyCache, ServesManyThreads) {
  ReplyCache cache(8 << 10);
  const ReplyCache::Basis basis = new_basis();
  std::vector<std::jthread> threads;
  for (int thread = 0; thread < 4; ++thread)
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        const std::string text = std::to_string(i % 40);
        const auto found = cache.find(text, basis);
        EXPECT_TRUE(!found || *found == text);
        cache.keep(text, basis, text);
      }
    });
}

}  // namespace
}  // namespace dexter
