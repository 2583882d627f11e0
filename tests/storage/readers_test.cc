// Many read while one writes, and a full disk is met before it is full.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <sys/wait.h>

#include <atomic>
#include <set>
#include <thread>

#include "tests/storage/store_fixtures.h"

namespace dexter {
namespace {

using namespace dexter::testing;  // NOLINT
using ::testing::HasSubstr;

namespace fs = std::filesystem;

// A corpus of `documents` whose texts and keys all carry `version`.
void import_version(Catalog& catalog, int version, int documents) {
  const std::string tag = std::to_string(version);
  CorpusWriter corpus(catalog);
  const LabelId label = corpus.add_label("label", "version " + tag, tag);
  const std::vector<LabelId> labels = {label};
  for (int i = 0; i < documents; ++i)
    corpus.add_example(Split::kTrain, std::to_string(i), tag, labels, {});
  corpus.commit({});
}

// Reads a store in full and returns the versions that it met: one, where the state is whole.
std::set<std::string> versions_in(const fs::path& store) {
  const Catalog catalog = Catalog::open(store, OpenMode::kRead);
  std::set<std::string> versions;
  for (const Example& example : examples_of(catalog, Split::kTrain)) versions.insert(example.text);
  for (const Label& label : labels_of(catalog)) versions.insert(label.text);
  const auto documents = catalog.manifest().corpus->train_documents;
  EXPECT_EQ(catalog.label_frequencies().at(0), documents);
  if (catalog.manifest().generation)
    versions.insert(std::to_string(catalog.manifest().generation->number));
  return versions;
}

TEST(Readers, SeeOneWholeStateWhileAWriterReplacesIt) {
  const TempDir folder;
  const fs::path store = folder / "s";
  {
    Catalog catalog = Catalog::open(store, OpenMode::kCreate);
    import_version(catalog, 0, 2000);
  }
  std::atomic<bool> done = false;
  std::atomic<int> readings = 0;
  std::vector<std::jthread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!done) {
        std::set<std::string> versions;
        const auto error = error_of([&] { versions = versions_in(store); });
        // A reader may be told to come again, but never that something is damaged.
        if (error)
          EXPECT_EQ(error->kind(), ErrorKind::kUnavailable) << error->what();
        else
          EXPECT_EQ(versions.size(), 1u);
        ++readings;
      }
    });
  }
  for (int version = 1; version <= 6; ++version) {
    Catalog catalog = Catalog::open(store, OpenMode::kWrite);
    import_version(catalog, version, 2000);
    commit_generation(catalog, static_cast<std::uint64_t>(version));
  }
  while (readings < 6) std::this_thread::yield();
  done = true;
  readers.clear();
  EXPECT_EQ(versions_in(store), std::set<std::string>{"6"});
}

TEST(Readers, VerifyAStoreThatIsBeingWritten) {
  const TempDir folder;
  const fs::path store = folder / "s";
  {
    Catalog catalog = Catalog::open(store, OpenMode::kCreate);
    import_version(catalog, 0, 500);
  }
  std::atomic<bool> done = false;
  std::jthread verifier([&] {
    while (!done) {
      std::vector<Damage> damages;
      const auto error = error_of([&] { damages = verify_store(store); });
      if (error) {
        EXPECT_EQ(error->kind(), ErrorKind::kUnavailable) << error->what();
      }
      for (const Damage& damage : damages) ADD_FAILURE() << damage.file << ": " << damage.what;
    }
  });
  for (int version = 1; version <= 4; ++version) {
    Catalog catalog = Catalog::open(store, OpenMode::kWrite);
    import_version(catalog, version, 500);
    commit_generation(catalog, static_cast<std::uint64_t>(version));
  }
  done = true;
}

TEST(Readers, KeepTheStateThatTheyOpened) {
  const TempDir folder;
  Catalog writer = Catalog::open(folder / "s", OpenMode::kCreate);
  import_version(writer, 1, 3000);
  const Catalog reader = Catalog::open(folder / "s", OpenMode::kRead);
  import_version(writer, 2, 10);  // drops the records that the reader stands on
  EXPECT_EQ(examples_of(reader, Split::kTrain).size(), 3000u);
  EXPECT_EQ(reader.find_label("label")->text, "1");
  EXPECT_EQ(reader.find_example(Split::kTrain, "2999")->text, "1");
  EXPECT_EQ(versions_in(folder / "s"), std::set<std::string>{"2"});
}

TEST(Readers, ShareOneCatalogAmongThreads) {
  const TempDir folder;
  {
    Catalog catalog = Catalog::open(folder / "s", OpenMode::kCreate);
    import_tiny_corpus(catalog);
  }
  const Catalog catalog = Catalog::open(folder / "s", OpenMode::kRead);
  std::vector<std::jthread> threads;
  for (std::uint32_t i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (std::uint32_t round = 0; round < 50; ++round) {
        const LabelId id{(i + round) % tiny::kLabels};
        EXPECT_EQ(catalog.labels(std::span(&id, 1)).at(0), tiny::labels()[value(id)]);
        EXPECT_EQ(examples_of(catalog, Split::kTest).size(), tiny::kTestDocuments);
      }
    });
  }
}

TEST(Import, IsRefusedWithAFigureBeforeTheDiskIsFull) {
  const TempDir folder;
  const std::string command = std::string(DEXTER_CRASH_CHILD) + " " + (folder / "s").string() +
                              " import_onto_small_disk 2>&1";
  FILE* const child = ::popen(command.c_str(), "r");
  ASSERT_NE(child, nullptr);
  std::string output(4096, '\0');
  output.resize(std::fread(output.data(), 1, output.size(), child));
  const int code = WEXITSTATUS(::pclose(child));
  if (code == 77) GTEST_SKIP() << "no small file system can be mounted here";
  EXPECT_EQ(code, 10 + static_cast<int>(ErrorKind::kIo));
  EXPECT_THAT(output, HasSubstr("MiB left"));
}

}  // namespace
}  // namespace dexter
