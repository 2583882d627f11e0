#include "engine/live_store.h"

#include <sys/resource.h>
#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "encoders/encoder.h"
#include "engine/demo_retriever.h"
#include "tests/engine/tiny_bank.h"
#include "tests/engine/tiny_store.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace dexter {
namespace {

using ::testing::Contains;
using testing::expect_error;
using ::testing::Not;
using testing::write_bytes;
using LabelList = std::vector<Label>;
using KeyList = std::vector<std::string>;

Label label(const std::string& key, const std::string& text) {
  return {LabelId{}, key, "name of " + key, text};
}

KeyList found(const RetrievalEngine& engine, const std::string& text, int k = 3) {
  KeyList keys;
  for (const Label& each : engine.labels(engine.rank(KeyList{text}, k).at(0)))
    keys.push_back(each.key);
  return keys;
}

class TinyLiveStore : public ::testing::Test {
 protected:
  void reopen() {
    live_.reset();
    live_ = LiveStore::open(store_);
  }

  testing::TempDir folder_;
  std::filesystem::path store_ = tiny::indexed_store(folder_.path());
  std::unique_ptr<LiveStore> live_ = LiveStore::open(store_);
};

TEST_F(TinyLiveStore, AnswersWithAnAddedLabelAtOnceAndAfterReopening) {
  const auto before = live_->engine();
  const LiveStore::Written written = live_->put_labels(LabelList{label("new", "rain and snow")});
  EXPECT_EQ(written.created, 1u);
  EXPECT_EQ(written.replaced, 0u);
  EXPECT_EQ(found(*live_->engine(), "rain and snow").at(0), "new");
  EXPECT_EQ(live_->engine()->label_count(), before->label_count() + 1);
  EXPECT_THAT(found(*before, "rain and snow", 100), Not(Contains("new")));
  reopen();
  EXPECT_EQ(found(*live_->engine(), "rain and snow").at(0), "new");
  EXPECT_EQ(live_->find_label("new")->name, "name of new");
}

TEST_F(TinyLiveStore, KnowsTheIdsOfLabelsAsTheyAreNow) {
  const std::vector<std::string> both = {"new", "music"};
  live_->put_labels(LabelList{label("new", "rain and snow"), label("other", "ice")});
  const auto before = live_->engine()->ids_of(both);
  ASSERT_EQ(before->ids().size(), 2u);
  live_->remove_labels(both);
  EXPECT_THROW(live_->engine()->ids_of(both), Error);
  live_->put_labels(LabelList{label("music", "songs"), label("new", "rain")});
  const auto after = live_->engine()->ids_of(both);
  const std::vector<std::string> texts = {"songs in the rain"};
  const LabelRanking found = live_->engine()->rank(texts, 5, {.only = after})[0];
  ASSERT_EQ(found.size(), 2u);
  std::vector<std::string> keys;
  for (const Label& l : live_->engine()->labels(found)) keys.push_back(l.key);
  EXPECT_THAT(keys, ::testing::UnorderedElementsAre("new", "music"));
}

TEST_F(TinyLiveStore, ShowsTheNameOfAReplacedLabelAndCountsIt) {
  live_->put_labels(LabelList{label("one", "rain and snow")});
  const auto before = live_->engine();
  const auto written = live_->put_labels(
      LabelList{{LabelId{}, "one", "another", "rain and snow"}, label("two", "bread")});
  EXPECT_EQ(written.created, 1u);
  EXPECT_EQ(written.replaced, 1u);
  const auto name_of_best = [](const RetrievalEngine& engine) {
    return engine.labels(engine.rank(KeyList{"rain and snow"}, 1).at(0)).at(0).name;
  };
  EXPECT_EQ(name_of_best(*live_->engine()), "another");
  EXPECT_EQ(name_of_best(*before), "name of one");
}

TEST_F(TinyLiveStore, RemovesLabelsAndPassesOverThoseThatAreNotThere) {
  live_->put_labels(LabelList{label("new", "rain and snow")});
  EXPECT_EQ(live_->remove_labels(KeyList{"new", "no such label", "new"}), 1u);
  EXPECT_THAT(found(*live_->engine(), "rain and snow", 100), Not(Contains("new")));
  EXPECT_FALSE(live_->find_label("new"));
  reopen();
  EXPECT_THAT(found(*live_->engine(), "rain and snow", 100), Not(Contains("new")));
}

TEST_F(TinyLiveStore, CopiesTheDemonstrationsIntoASnapshot) {
  tiny::bank_store(folder_.path(), tiny::demonstrations());
  tiny::train_bank(store_);
  const auto answers = [](const std::filesystem::path& store) {
    std::vector<std::pair<std::string, float>> all;
    const DemoRetriever retriever = DemoRetriever::open(store);
    for (const DemoStrategy& strategy : demo_strategies())
      for (const FoundDemo& each : retriever.retrieve(
               {.text = "a train with two players", .strategy = std::string(strategy.name)}))
        all.emplace_back(each.demo->id, each.score);
    return all;
  };
  const auto before = answers(store_);
  write_bytes(bank_folder(store_) / kScoresFile, "paid for\n");
  {
    // A writer that is there, as `dexter demos train` in another process is.
    Catalog writer = open_bank(store_, OpenMode::kWrite);
    writer.put_note("history", "{}");
    const std::filesystem::path copy = live_->snapshot("one");
    EXPECT_EQ(answers(copy), before);
    EXPECT_TRUE(verify_store(bank_folder(copy)).empty());
    EXPECT_TRUE(std::filesystem::exists(bank_folder(copy) / kScoresFile));
    EXPECT_EQ(found(RetrievalEngine::open(copy), "rain and snow").size(), 3u);
  }
  const std::vector<Demonstration> more = {{"new", "topic", "a train with two players", "rail"}};
  tiny::bank_store(folder_.path(), more);
  EXPECT_NE(answers(store_), before);
  EXPECT_EQ(answers(store_ / "snapshots/one"), before);
}

TEST_F(TinyLiveStore, RefusesAllLabelsWhereOneIsBad) {
  const auto before = live_->engine();
  const auto refuses = [&](const Label& bad) {
    expect_error(ErrorKind::kInvalidInput, [&] {
      live_->put_labels(LabelList{label("good", "rain"), bad});
    });
  };
  refuses(label("", "rain"));
  refuses(label("good", "rain"));
  refuses(label("bad", "\xff"));
  refuses(label("bad", "qqqqqq"));
  EXPECT_EQ(live_->engine(), before);
  EXPECT_FALSE(live_->find_label("good"));
}

TEST_F(TinyLiveStore, CompactsIntoTheNextGenerationWithTheSameAnswers) {
  live_->put_labels(LabelList{label("new", "rain and snow"), label("gone", "bread")});
  live_->remove_labels(KeyList{"gone"});
  const auto before = live_->engine();
  live_->compact();
  const auto after = live_->engine();
  EXPECT_EQ(after->generation(), before->generation() + 1);
  EXPECT_EQ(after->label_count(), before->label_count());
  EXPECT_TRUE(after->last_changes().empty());
  for (const Example& document : tiny::test())
    EXPECT_EQ(found(*after, document.text, 100), found(*before, document.text, 100));
  live_->compact();
  EXPECT_EQ(live_->engine(), after);
  reopen();
  EXPECT_EQ(found(*live_->engine(), "rain and snow", 100), found(*after, "rain and snow", 100));
  live_.reset();
  EXPECT_TRUE(verify_store(store_).empty());
}

// Writes to files fail while it lives, as on a full disk.
class FullDisk {
 public:
  FullDisk() {
    std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit none{0, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &none);
  }
  ~FullDisk() { ::setrlimit(RLIMIT_FSIZE, &before_); }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit before_{};
};

TEST_F(TinyLiveStore, AnswersWhileTheDiskTakesNothingAndChangesAgainAfterwards) {
  for (int cycle = 0; cycle < 3; ++cycle) {
    const std::string key = "before " + std::to_string(cycle);
    live_->put_labels(LabelList{label(key, "rain and snow")});
    {
      const FullDisk full;
      expect_error(ErrorKind::kIo,
                   [&] { live_->put_labels(LabelList{label("lost", "rain and snow")}); });
      for (int i = 0; i < 2; ++i)
        expect_error(ErrorKind::kIo, [&] { live_->remove_labels(KeyList{key}); });
      expect_error(ErrorKind::kIo, [&] { live_->compact(); });
      EXPECT_EQ(live_->find_label(key)->name, "name of " + key);
      EXPECT_TRUE(live_->find_label("music"));
      EXPECT_FALSE(live_->find_label("lost"));
      EXPECT_THAT(found(*live_->engine(), "rain and snow"), Contains(key));
    }
    EXPECT_EQ(live_->put_labels(LabelList{label("after", "bread")}).created, cycle == 0 ? 1u : 0u);
    EXPECT_EQ(live_->find_label(key)->name, "name of " + key);
    live_->compact();
    EXPECT_TRUE(live_->engine()->last_changes().empty());
    EXPECT_THAT(found(*live_->engine(), "rain and snow"), Contains(key));
  }
  live_.reset();
  EXPECT_TRUE(verify_store(store_).empty());
}

TEST_F(TinyLiveStore, FindsLabelsAsTheyAreNowAfterACompaction) {
  live_->put_labels(LabelList{label("new", "rain"), label("gone", "rain")});
  live_->remove_labels(KeyList{"gone", "music"});
  for (int round = 0; round < 2; ++round) {
    EXPECT_TRUE(live_->find_label("new"));
    EXPECT_TRUE(live_->find_label("weather"));
    EXPECT_FALSE(live_->find_label("gone"));
    EXPECT_FALSE(live_->find_label("music"));
    live_->compact();
  }
}

// Every writer owns keys of its own, so that it knows what must be found; the store is compacted
// all the while.
TEST_F(TinyLiveStore, AnswersAndChangesOnManyThreads) {
  std::atomic<bool> stop = false;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 15; ++i) {
        const std::string key = "writer " + std::to_string(t) + "-" + std::to_string(i);
        live_->put_labels(LabelList{label(key, "rain and snow")});
        const KeyList now = found(*live_->engine(), "rain and snow", 100);
        wrong += std::count(now.begin(), now.end(), key) == 1 ? 0 : 1;
        if (i % 3 == 0) wrong += live_->remove_labels(KeyList{key}) == 1 ? 0 : 1;
      }
    });
  std::thread compactor([&] {
    while (!stop) live_->compact();
  });
  std::thread searcher([&] {
    while (!stop) {
      const auto engine = live_->engine();
      const KeyList keys = found(*engine, "rain and snow", 1000);
      wrong +=
          std::set<std::string>(keys.begin(), keys.end()).size() == engine->label_count() ? 0 : 1;
    }
  });
  for (std::thread& thread : threads) thread.join();
  stop = true;
  compactor.join();
  searcher.join();
  EXPECT_EQ(wrong, 0);
  const KeyList before = found(*live_->engine(), "rain and snow", 1000);
  EXPECT_EQ(std::count_if(before.begin(), before.end(),
                          [](const std::string& key) { return key.starts_with("writer "); }),
            20);
  reopen();
  EXPECT_EQ(found(*live_->engine(), "rain and snow", 1000), before);
}

}  // namespace
}  // namespace dexter
