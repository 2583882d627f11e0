// Several processes of `dexter index` on one store, some of them killed.
#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <thread>

#include "tests/encoders/tiny_transformer.h"
#include "tests/tools/tiny_run.h"

namespace dexter::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr std::size_t kDocuments = 20'000;  // five chunks; labels are one
constexpr std::size_t kChunks = 6;
// Of a helper that comes when all is done.
const std::vector<std::string> kShortWait{"--set", "runtime.rank_timeout=20"};

class IndexRanks : public ::testing::Test {
 protected:
  // A store whose transformer has yet to encode.
  static void SetUpTestSuite() {
    folder_ = new TempDir;
    const tiny::Files files = tiny::write_jsonl(folder_->path());
    write_tiny_checkpoint(*folder_ / "weights");
    std::mt19937 random(7);
    std::ofstream train(*folder_ / "many.jsonl");
    const char* const words[] = {"un", "cafe", "i", "a", "unable", "as", "ab", "!", ","};
    for (std::size_t i = 0; i < kDocuments; ++i) {
      train << R"({"id":"d)" << i << R"(","text":"cafe)";
      for (std::size_t word = 0; word < 2 + random() % 7; ++word)
        train << ' ' << words[random() % std::size(words)];
      train << R"(","labels":[")" << tiny::labels()[i % tiny::kLabels].key << "\"]}\n";
    }
    train.close();
    run_ok({"import", "--store", store("made"), "--train", (*folder_ / "many.jsonl").string(),
            "--labels", files.labels.string()});
    run_ok({"train", "--store", store("made"), "--encoder", "transformer", "--weights",
            (*folder_ / "weights").string(), "--epochs", "0", "--threads", "1"});
    copy("alone");
    run_ok(index("alone"));
  }
  static void TearDownTestSuite() { delete folder_; }

  static std::string store(const std::string& name) { return (*folder_ / name).string(); }
  static void copy(const std::string& name) {
    fs::remove_all(store(name));
    fs::copy(store("made"), store(name), fs::copy_options::recursive);
  }
  static std::vector<std::string> index(const std::string& name,
                                        const std::vector<std::string>& more = {}) {
    std::vector<std::string> all{"index",     "--store", store(name), "--documents",
                                 "--threads", "1",       "--json"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  static RunOptions rank(int rank, int size, const std::string& crash_at = "") {
    RunOptions options{
        .env = {{"RANK", std::to_string(rank)}, {"WORLD_SIZE", std::to_string(size)}}};
    if (!crash_at.empty()) options.env["DEXTER_CRASH_AT"] = crash_at;
    return options;
  }
  static std::vector<fs::path> finished_chunks(const std::string& name) {
    std::vector<fs::path> chunks;
    std::error_code absent;
    for (const auto& entry : fs::directory_iterator(store(name) + "/encoding", absent))
      if (entry.path().extension() == ".vec") chunks.push_back(entry.path());
    return chunks;
  }
  static std::size_t encoded(const Outcome& outcome) {
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return boost::json::parse(outcome.out).at("chunks").at("encoded").to_number<std::size_t>();
  }
  // Every file of the index, by name.
  static std::map<std::string, std::string> files_of(const std::string& name) {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::directory_iterator(store(name) + "/index"))
      files[entry.path().filename().string()] = read_bytes(entry.path());
    return files;
  }
  static void expect_as_alone(const std::string& name) {
    EXPECT_TRUE(files_of(name) == files_of("alone"));
    EXPECT_FALSE(fs::exists(store(name) + "/encoding"));
    EXPECT_EQ(run({"verify", "--store", store(name)}).code, 0);
  }

  static TempDir* folder_;
};

TempDir* IndexRanks::folder_ = nullptr;

TEST_F(IndexRanks, KilledAndDamagedTheyEndAsOneProcess) {
  copy("many");
  EXPECT_EQ(run(index("many"), rank(0, 3, "encoding.chunk_written:2")).signal, SIGKILL);
  EXPECT_EQ(finished_chunks("many").size(), 2u);
  // A helper goes on without the owner, and is killed amid a chunk.
  {
    Process helper(index("many"), rank(2, 3));
    while (finished_chunks("many").size() < 3 &&
           !helper.ends_within(std::chrono::milliseconds(1))) {
    }
    helper.send(SIGKILL);
    helper.finish();
  }
  const std::vector<fs::path> finished = finished_chunks("many");
  ASSERT_GE(finished.size(), 3u);
  flip_byte(finished[1], fs::file_size(finished[1]) / 2);
  // As if a later version had written it.
  fs::copy_file(store("many") + "/encoding/manifest", finished[2],
                fs::copy_options::overwrite_existing);
  Process helper(index("many", kShortWait), rank(1, 2));
  const Outcome owner = run(index("many"), rank(0, 2));
  const Outcome helped = helper.finish();
  EXPECT_THAT(owner.err, HasSubstr(finished[1].filename().string() + " is damaged"));
  EXPECT_THAT(owner.err, HasSubstr(finished[2].filename().string() + " is damaged"));
  EXPECT_EQ(encoded(owner) + encoded(helped), kChunks - finished.size() + 2);
  expect_as_alone("many");
}

TEST_F(IndexRanks, ShareTheWorkWhoeverComesFirst) {
  copy("shared");
  Process first(index("shared", kShortWait), rank(1, 3)),
      second(index("shared", kShortWait), rank(2, 3));
  const Outcome owner = run(index("shared"), rank(0, 3));
  EXPECT_EQ(encoded(owner) + encoded(first.finish()) + encoded(second.finish()), kChunks);
  expect_as_alone("shared");
}

TEST_F(IndexRanks, OneProcessGoesOnWhereItWasKilled) {
  copy("one");
  const RunOptions killed{.env = {{"DEXTER_CRASH_AT", "encoding.before_chunk:4"}}};
  EXPECT_EQ(run(index("one"), killed).signal, SIGKILL);
  EXPECT_EQ(encoded(run(index("one"))), kChunks - 3);
  expect_as_alone("one");
  // Killed after all was encoded, it encodes nothing again.
  copy("one");
  EXPECT_EQ(run(index("one"), {.env = {{"DEXTER_CRASH_AT", "index.before_commit"}}}).signal,
            SIGKILL);
  EXPECT_EQ(encoded(run(index("one"))), 0u);
  expect_as_alone("one");
}

TEST_F(IndexRanks, WhatChangedMeanwhileIsEncodedAnew) {
  copy("changed");
  copy("fresh");
  const std::vector<std::string> words{"labels", "add", "coffee", "--text", "cafe un", "--store"};
  EXPECT_EQ(run(index("changed"), rank(0, 2, "encoding.chunk_written:3")).signal, SIGKILL);
  for (const char* name : {"changed", "fresh"}) {
    auto add = words;
    add.push_back(store(name));
    run_ok(add);
  }
  run_ok(index("fresh"));
  // Of the three chunks the labels' is not what it was.
  EXPECT_EQ(encoded(run(index("changed"))), kChunks - 2);
  EXPECT_TRUE(files_of("changed") == files_of("fresh"));
}

TEST_F(IndexRanks, EndWithoutAnOwner) {
  copy("none");
  const Outcome waited = run(index("none", {"--set", "runtime.rank_timeout=0.5"}), rank(1, 2));
  EXPECT_EQ(encoded(waited), 0u);
  EXPECT_EQ(run(index("none"), rank(2, 2)).code, 2);
  // Nor does a damaged list of a former run give work.
  EXPECT_EQ(run(index("none"), rank(0, 2, "encoding.chunk_written")).signal, SIGKILL);
  flip_byte(store("none") + "/encoding/manifest", 100);
  EXPECT_EQ(encoded(run(index("none", {"--set", "runtime.rank_timeout=0.5"}), rank(1, 2))), 0u);
  EXPECT_EQ(encoded(run(index("none"))), kChunks - 1);
  expect_as_alone("none");
}

TEST_F(IndexRanks, AHelperWaitsBehindFinishedWorkOfAFormerRun) {
  copy("former");
  const std::vector<std::string> labels{"index",     "--store", store("former"),
                                        "--threads", "1",       "--json"};
  EXPECT_EQ(run(labels, rank(0, 2, "index.before_commit")).signal, SIGKILL);
  EXPECT_EQ(finished_chunks("former").size(), 1u);
  Process helper(index("former", kShortWait), rank(1, 2));
  EXPECT_FALSE(helper.ends_within(std::chrono::milliseconds(1500)));
  EXPECT_EQ(run(index("former"), rank(0, 2, "encoding.chunk_written")).signal, SIGKILL);
  while (finished_chunks("former").size() < kChunks &&
         !helper.ends_within(std::chrono::milliseconds(10))) {
  }
  EXPECT_EQ(encoded(run(index("former"), rank(0, 2))), 0u);
  EXPECT_GE(encoded(helper.finish()), 1u);
  expect_as_alone("former");
}

TEST_F(IndexRanks, WorkOnWhatIsNoMoreLeavesNoFiles) {
  copy("imported");
  EXPECT_EQ(run(index("imported"), rank(0, 2, "encoding.chunk_written")).signal, SIGKILL);
  copy("retrained");
  fs::copy(store("imported") + "/encoding", store("retrained") + "/encoding");
  ASSERT_EQ(finished_chunks("retrained").size(), 1u);
  run_ok({"import", "--replace", "--store", store("imported"), "--train",
          (*folder_ / "many.jsonl").string(), "--labels", (*folder_ / "labels.jsonl").string()});
  EXPECT_FALSE(fs::exists(store("imported") + "/encoding"));
  run_ok({"train", "--store", store("retrained"), "--encoder", "bag", "--epochs", "1", "--threads",
          "1", "--set", "encoder.dim=16"});
  run_ok({"index", "--store", store("retrained"), "--threads", "1"});
  EXPECT_FALSE(fs::exists(store("retrained") + "/encoding"));
}

}  // namespace
}  // namespace dexter::testing
