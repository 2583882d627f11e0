#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/storage/store_fixtures.h"

namespace dexter {
namespace {

using namespace dexter::testing;  // NOLINT
using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

namespace fs = std::filesystem;

// A closed store with every kind of file that there is, and what a reader finds in it.
class DamagedStore : public ::testing::Test {
 protected:
  DamagedStore() : store_(folder_ / "s") {
    {
      Catalog catalog = Catalog::open(store_, OpenMode::kCreate);
      import_tiny_corpus(catalog);
      commit_generation(catalog, 1);
      catalog.put_labels(std::vector<Label>{{LabelId{}, "new", "New", "new"}}, tiny_vectors(1));
      catalog.put_note("history", "[1]");
    }
    write_file(store_, "train/state.ckpt", "checkpoint", "state");
    Catalog::open(store_, OpenMode::kWrite);  // seals the checkpoint too
    state_ = state_of(store_);
  }

  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(store_))
      if (entry.is_regular_file() && entry.file_size() > 0)
        names.push_back(entry.path().lexically_relative(store_).generic_string());
    return names;
  }

  // Whoever opens and reads a damaged store gets kCorrupt or the right answer.
  void expect_no_wrong_answer() const {
    std::string found;
    const auto error = error_of([&] { found = state_of(store_); });
    if (error)
      EXPECT_EQ(error->kind(), ErrorKind::kCorrupt) << error->what();
    else
      EXPECT_EQ(found, state_);
  }

  void expect_named(const std::string& name) const {
    const auto damages = verify_store(store_);
    std::string found;
    for (const Damage& damage : damages) found += damage.file + ": " + damage.what + "\n";
    EXPECT_THAT(damages, Contains(Field(&Damage::file, name))) << found;
  }

  const TempDir folder_;
  const fs::path store_;
  std::string state_;
};

TEST_F(DamagedStore, IsWholeAsLongAsNothingHappens) {
  std::vector<std::string> visited;
  EXPECT_THAT(verify_store(store_, [&](const std::string& file) { visited.push_back(file); }),
              IsEmpty());
  EXPECT_THAT(visited, Contains("index/1.idx"));
  EXPECT_THAT(visited, Contains("train/state.ckpt"));
  EXPECT_THAT(visited, Contains(HasSubstr(".sst")));
  fs::remove(store_ / "SEAL");
  EXPECT_THAT(verify_store(store_), IsEmpty());
}

TEST_F(DamagedStore, IsFoundOutWhereverAByteFlips) {
  for (const std::string& name : files()) {
    const std::uint64_t bytes = fs::file_size(store_ / name);
    for (const std::uint64_t at : {std::uint64_t{0}, bytes / 2, bytes - 1}) {
      SCOPED_TRACE(name + " at " + std::to_string(at));
      flip_byte(store_ / name, at);
      expect_named(name);
      expect_no_wrong_answer();
      flip_byte(store_ / name, at);
    }
  }
  EXPECT_THAT(verify_store(store_), IsEmpty());
}

TEST_F(DamagedStore, IsFoundOutWhereverAFileIsCut) {
  for (const std::string& name : files()) {
    const std::string whole = read_bytes(store_ / name);
    for (const std::size_t kept : {std::size_t{0}, whole.size() / 2, whole.size() - 1}) {
      SCOPED_TRACE(name + " cut to " + std::to_string(kept));
      fs::resize_file(store_ / name, kept);
      expect_named(name);
      expect_no_wrong_answer();
      if (name != "SEAL") {
        const auto error = error_of([&] { Catalog::open(store_, OpenMode::kWrite); });
        ASSERT_TRUE(error);
        EXPECT_THAT(error->what(), HasSubstr(name));
      }
      write_bytes(store_ / name, whole);
    }
  }
}

TEST_F(DamagedStore, IsFoundOutWhereverAFileIsMissingOrNew) {
  for (const std::string& name : files()) {
    if (name == "SEAL") continue;  // its absence means a writer that did not close
    SCOPED_TRACE(name);
    const std::string whole = read_bytes(store_ / name);
    fs::remove(store_ / name);
    expect_named(name);
    expect_no_wrong_answer();
    write_bytes(store_ / name, whole);
  }
  write_bytes(store_ / "catalog/000999.log", "a log that nobody wrote");
  expect_named("catalog/000999.log");
}

// A writer that was killed leaves no seal: what it had committed is still under checksums of its
// own.
TEST_F(DamagedStore, IsFoundOutWithoutASeal) {
  fs::remove(store_ / "SEAL");
  for (const std::string& name : files()) {
    const bool immutable = name.ends_with(".sst") || name.ends_with(".idx") ||
                           name.ends_with(".enc") || name.ends_with(".ckpt");
    if (!immutable) continue;
    const std::uint64_t bytes = fs::file_size(store_ / name);
    for (const std::uint64_t at : {std::uint64_t{0}, bytes / 3, bytes / 2, bytes - 1}) {
      SCOPED_TRACE(name + " at " + std::to_string(at));
      flip_byte(store_ / name, at);
      expect_named(name);
      expect_no_wrong_answer();
      flip_byte(store_ / name, at);
    }
    SCOPED_TRACE(name + " cut");
    const std::string whole = read_bytes(store_ / name);
    fs::resize_file(store_ / name, bytes / 2);
    expect_named(name);
    expect_no_wrong_answer();
    write_bytes(store_ / name, whole);
  }
  EXPECT_EQ(state_of(store_), state_);
}

TEST_F(DamagedStore, IsRefusedWhenRocksDbsListOfFilesIsDamagedWithoutASeal) {
  fs::remove(store_ / "SEAL");
  for (const std::string& name : files()) {
    if (!name.starts_with("catalog/MANIFEST") && name != "catalog/CURRENT") continue;
    for (std::uint64_t at = 0; at + 1 < fs::file_size(store_ / name); at += 97) {
      SCOPED_TRACE(name + " at " + std::to_string(at));
      flip_byte(store_ / name, at);
      expect_no_wrong_answer();
      EXPECT_FALSE(verify_store(store_).empty());
      flip_byte(store_ / name, at);
    }
  }
}

// An index of another generation under the name of this one: whole in itself, but not what was
// committed.
TEST_F(DamagedStore, IsFoundOutWhenAFileIsSwapped) {
  fs::remove(store_ / "SEAL");
  write_file(store_, "index/1.idx", "index", "iX");
  expect_named("index/1.idx");
  expect_no_wrong_answer();
}

TEST(VerifyStore, SaysThatThereIsNoStore) {
  const TempDir folder;
  const auto error = error_of([&] { verify_store(folder / "none"); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::kNotFound);
}

TEST(VerifyStore, WorksBesideAWriter) {
  const TempDir folder;
  Catalog catalog = Catalog::open(folder / "s", OpenMode::kCreate);
  import_tiny_corpus(catalog);
  CorpusWriter corpus(catalog);
  corpus.add_label("half", "Half", "an import that is not committed");
  EXPECT_THAT(verify_store(folder / "s"), IsEmpty());
}

}  // namespace
}  // namespace dexter
