// A living store under random changes, compactions and kills equals its definition (LiveOracle).
// DEXTER_PROPERTY_STEPS sets the steps, DEXTER_PROPERTY_SEED what they are.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <stop_token>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "storage/crash_point.h"
#include "tests/engine/live_oracle.h"
#include "tests/engine/tiny_store.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace dexter {
namespace {

namespace fs = std::filesystem;
using Keys = std::vector<std::string>;

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

// Size and time of every file; another listing afterwards shows whether one changed meanwhile.
std::map<std::string, std::pair<std::uintmax_t, fs::file_time_type>> listing(const fs::path& root) {
  std::map<std::string, std::pair<std::uintmax_t, fs::file_time_type>> files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root))
    if (entry.is_regular_file())
      files[entry.path().string()] = {entry.file_size(), entry.last_write_time()};
  return files;
}

// The store as a kill at this moment would leave it. RocksDB may be tidying up on a thread of its
// own, so a copy counts only where no file changed while it was made.
void copy_as_it_is(const fs::path& store, const fs::path& image) {
  for (;;) {
    fs::remove_all(image);
    try {
      const auto before = listing(store);
      fs::copy(store, image, fs::copy_options::recursive);
      if (listing(store) == before) return;
    } catch (const fs::filesystem_error&) {  // a file went away
    }
  }
}

// Cuts into the last write of RocksDB's log, as a kill in the midst of it does.
bool cut_log(const fs::path& image, std::uint64_t bytes) {
  fs::path newest;
  for (const fs::directory_entry& entry : fs::directory_iterator(image / "catalog"))
    if (entry.path().extension() == ".log" && entry.path().filename() > newest.filename())
      newest = entry.path();
  if (newest.empty() || fs::file_size(newest) <= bytes) return false;
  fs::resize_file(newest, fs::file_size(newest) - bytes);
  return true;
}

class LivingStore : public ::testing::Test {
 protected:
  LivingStore() : seed_(from_environment("DEXTER_PROPERTY_SEED", 11)), random_(seed_) {}
  ~LivingStore() override { watch_crash_points({}); }

  std::uint64_t below(std::uint64_t n) { return random_() % n; }
  std::string text() {
    static const Keys words = {"rain",   "snow",  "bread", "stars", "trains",
                               "storms", "piano", "soup",  "team",  "banks"};
    return "rain " + words[below(10)] + " " + words[below(10)];
  }
  std::string label_key() {
    return below(8) == 0 ? tiny::labels()[below(tiny::kLabels)].key
                         : "label " + std::to_string(below(60));
  }
  std::string document_key() {
    return below(4) == 0 ? "train-" + std::to_string(below(tiny::kTrainDocuments))
                         : "document " + std::to_string(below(40));
  }
  // A few, now and then many.
  std::uint64_t several() { return below(100) == 0 ? below(40) + 1 : below(4) + 1; }
  Keys present_labels(std::uint64_t n) {
    Keys keys;
    for (const auto& [key, entry] : oracle_.labels()) keys.push_back(key);
    std::shuffle(keys.begin(), keys.end(), random_);
    keys.resize(std::min<std::size_t>(keys.size(), n));
    return keys;
  }

  void put_labels() {
    std::map<std::string, Label> added;
    for (std::uint64_t i = several(); i > 0; --i) {
      const std::string key = label_key();
      added[key] = {LabelId{}, key, "name " + std::to_string(random_()), text()};
    }
    std::vector<Label> labels;
    for (const auto& [key, one] : added) labels.push_back(one);
    const std::uint64_t replaced = live_->put_labels(labels).replaced;
    EXPECT_EQ(replaced, oracle_.put_labels(labels));
  }
  void remove_labels() {
    Keys keys;
    for (std::uint64_t i = several(); i > 0; --i) keys.push_back(label_key());
    const std::uint64_t removed = live_->remove_labels(keys);
    EXPECT_EQ(removed, oracle_.remove_labels(keys));
  }
  void put_documents() {
    std::map<std::string, LiveStore::Document> added;
    for (std::uint64_t i = several(); i > 0; --i) {
      const std::string key = document_key();
      added[key] = {key, text(), present_labels(below(4))};
    }
    std::vector<LiveStore::Document> documents;
    for (const auto& [key, one] : added) documents.push_back(one);
    const std::uint64_t replaced = live_->put_documents(documents).replaced;
    EXPECT_EQ(replaced, oracle_.put_documents(documents));
  }
  void remove_documents() {
    Keys keys;
    for (std::uint64_t i = several(); i > 0; --i) keys.push_back(document_key());
    const std::uint64_t removed = live_->remove_documents(keys);
    EXPECT_EQ(removed, oracle_.remove_documents(keys));
  }
  void change() {
    const std::uint64_t what = below(100);
    if (what < 40) return put_labels();
    if (what < 60) return remove_labels();
    if (what < 85) return put_documents();
    remove_documents();
  }
  void refuse() {
    const std::vector<Label> labels = {{LabelId{}, "good", "good", "rain"},
                                       {LabelId{}, "bad", "bad", "qqqqqq"}};
    testing::expect_error(ErrorKind::kInvalidInput, [&] { live_->put_labels(labels); });
    const std::vector<LiveStore::Document> documents = {{"good", "rain", {}},
                                                        {"bad", "rain", {"no such label"}}};
    testing::expect_error(ErrorKind::kInvalidInput, [&] { live_->put_documents(documents); });
  }
  // With one change while the next generation is written, at one of the moments when it may come.
  void compact() {
    std::uint64_t moment = below(12);
    watch_crash_points([&](const char* step) {
      const std::string name = step;
      const bool open = name.starts_with("section_file.") || name.starts_with("compact.");
      if (!busy_ && open && moment-- == 0) {
        busy_ = true;
        change();
        busy_ = false;
      }
      if (watched_) watched_(name);
    });
    std::stop_source stop;
    Progress progress;
    progress.stop = stop.get_token();
    const bool stops = below(4) == 0;
    progress.report = [&](const ProgressEvent&) {
      if (stops && below(2) == 0) stop.request_stop();
    };
    try {
      live_->compact(progress);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInterrupted) << error.what();
    }
    watch_crash_points(watched_);
  }
  void reopen() {
    live_.reset();
    live_ = LiveStore::open(store_);
  }
  void search() {
    const auto engine = live_->engine();
    const int k = static_cast<int>(below(below(2) ? 5 : 100) + 1);
    const std::uint64_t what = below(10);
    if (what < 5) return oracle_.check_labels(*engine, text(), k);
    if (what < 8) return oracle_.check_documents(*engine, text(), k);
    if (what < 9) return oracle_.check_filtered(*engine, text(), present_labels(below(6) + 1));
    oracle_.check_votes(*engine, text(), k);
  }

  // Goes on with what a kill in the midst of a change, compaction or closing would have left. What
  // was acknowledged is there; the change that was being made is there wholly or not at all.
  void crash() {
    const fs::path image = folder_.path() / ("store-" + std::to_string(++images_));
    std::uint64_t steps = below(20);
    std::optional<testing::LiveOracle> acknowledged;
    bool cut = false;
    watched_ = [&](const std::string& step) {
      if (acknowledged || steps-- > 0) return;
      acknowledged = oracle_;
      copy_as_it_is(store_, image);
      if (step.ends_with("s.written") && below(2) == 0) cut = cut_log(image, below(30) + 1);
    };
    watch_crash_points(watched_);
    const std::uint64_t what = below(10);
    if (what < 2)
      compact();
    else if (what < 4)
      reopen();
    else
      while (!acknowledged) change();
    watched_ = {};
    watch_crash_points({});
    if (!acknowledged) return;  // it was over before
    live_.reset();
    fs::remove_all(store_);
    store_ = image;
    live_ = LiveStore::open(store_);
    ++kills_;
    cuts_ += cut ? 1 : 0;
    const bool done = !cut && oracle_.is_held_by(live_->engine()->catalog());
    if (!done) oracle_ = *acknowledged;
    oracle_.check_all(*live_, text());
  }

  const std::uint64_t seed_;
  std::mt19937_64 random_;
  testing::TempDir folder_;
  fs::path store_ = tiny::remembering_store(folder_.path());
  std::unique_ptr<LiveStore> live_ = LiveStore::open(store_);
  testing::VectorTable vectors_;
  testing::LiveOracle oracle_{*live_, vectors_};
  std::function<void(const std::string&)> watched_;
  bool busy_ = false;
  std::uint64_t images_ = 0, kills_ = 0, cuts_ = 0;
};

TEST_F(LivingStore, EqualsItsDefinitionUnderRandomChangesCompactionsAndKills) {
  const std::uint64_t steps = from_environment("DEXTER_PROPERTY_STEPS", 1500);
  std::uint64_t changes = 0, compactions = 0, searches = 0;
  std::cout << "seed " << seed_ << ", " << steps << " steps" << std::endl;
  for (std::uint64_t step = 0; step < steps && !HasFailure(); ++step) {
    SCOPED_TRACE("seed " + std::to_string(seed_) + ", step " + std::to_string(step));
    const std::uint64_t what = below(1000);
    if (what < 3) {
      compact(), ++compactions;
    } else if (what < 5) {
      reopen();
    } else if (what < 10) {
      crash();
    } else if (what < 11) {
      oracle_.check_all(*live_, text());
    } else if (what < 13) {
      refuse();
    } else if (what < 350) {
      change(), ++changes;
    } else {
      search(), ++searches;
    }
  }
  std::cout << changes << " changes, " << searches << " searches, " << compactions
            << " compactions, " << kills_ << " kills, " << cuts_ << " of them in a write"
            << std::endl;
}

}  // namespace
}  // namespace dexter
