// Chunks of texts that several take from one folder.
#include "engine/encoding_work.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "storage/file_io.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace dexter {
namespace {

using testing::expect_error;
using testing::TempDir;

constexpr int kWorkDim = 8;
constexpr std::size_t kWorkChunks = 40;
const FileRef kWorkEncoder{
    .name = "encoders/000001.enc", .bytes = 7, .checksum = "0123456789abcdef"};

// Chunk c has 1 + c % 3 texts, and `first` + c in every place of its vectors.
ChunkScan numbered(std::atomic<int>& encoded, std::uint64_t first = 0,
                   std::size_t chunks = kWorkChunks) {
  return [&encoded, first, chunks](const std::function<void(const TextChunk&)>& visit) {
    for (std::size_t c = 0; c < chunks; ++c) {
      const std::size_t texts = 1 + c % 3;
      visit({.texts = texts,
             .checksum = first + c,
             .encode = [&encoded, texts, value = first + c](const TextChunk::PartDone& done) {
               EmbeddingMatrix vectors(texts, kWorkDim);
               std::fill_n(vectors.data(), texts * kWorkDim, static_cast<float>(value));
               std::this_thread::sleep_for(std::chrono::milliseconds(1));
               ++encoded;
               done(texts);
               return vectors;
             }});
    }
  };
}

void expect_vectors(EncodingWork& work, const ChunkScan& scan, std::uint64_t first = 0,
                    const Progress& progress = {}) {
  std::uint64_t value = first;
  scan([&](const TextChunk& chunk) {
    const EmbeddingMatrix vectors = work.vectors(chunk, progress);
    ASSERT_EQ(vectors.rows(), chunk.texts);
    EXPECT_EQ(vectors.row(chunk.texts - 1)[kWorkDim - 1], static_cast<float>(value++));
  });
}

TEST(EncodingWork, EachChunkIsEncodedOnceByManyThreads) {
  const TempDir store;
  std::atomic<int> encoded = 0;
  const ChunkScan scan = numbered(encoded);
  EncodingWork owner(store.path(), kWorkEncoder, false, kWorkDim, scan, {});
  std::vector<std::jthread> helpers;
  for (int i = 0; i < 3; ++i)
    helpers.emplace_back([&] {
      EncodingWork helper(store.path(), read_encoding_manifest(store.path()).value(), kWorkDim,
                          scan);
      EXPECT_TRUE(helper.run({}));
    });
  EXPECT_TRUE(owner.run({}));
  helpers.clear();
  EXPECT_EQ(encoded, static_cast<int>(kWorkChunks));
  expect_vectors(owner, scan);
  EXPECT_EQ(encoded, static_cast<int>(kWorkChunks));
  EncodingWork::finish(store.path());
  EXPECT_FALSE(read_encoding_manifest(store.path()));
}

TEST(EncodingWork, AHelperLeavesWorkThatIsNotTheManifests) {
  const TempDir store;
  std::atomic<int> encoded = 0;
  EncodingWork owner(store.path(), kWorkEncoder, true, kWorkDim, numbered(encoded), {});
  const EncodingManifest manifest = read_encoding_manifest(store.path()).value();
  EXPECT_EQ(manifest.encoder, kWorkEncoder);
  EXPECT_TRUE(manifest.documents);
  EXPECT_EQ(manifest.chunks.size(), kWorkChunks);
  EXPECT_FALSE(EncodingWork(store.path(), manifest, kWorkDim, numbered(encoded, 1000)).run({}));
  EXPECT_EQ(encoded, 0);
  EXPECT_FALSE(EncodingWork(store.path(), manifest, kWorkDim, numbered(encoded, 0, 2)).run({}));
  EXPECT_EQ(encoded, 2);  // both are the manifest's
  // Other work keeps no file of this, and this one's helpers see it.
  EncodingWork next(store.path(), kWorkEncoder, true, kWorkDim, numbered(encoded, 500), {});
  EXPECT_FALSE(EncodingWork(store.path(), manifest, kWorkDim, numbered(encoded)).run({}));
  EXPECT_TRUE(next.run({}));
  EXPECT_EQ(encoded, 2 + static_cast<int>(kWorkChunks));
  expect_vectors(next, numbered(encoded, 500), 500);
}

TEST(EncodingWork, FilesThatSomebodyIsWritingStay) {
  const TempDir store;
  std::atomic<int> encoded = 0;
  const EncodingWork former(store.path(), kWorkEncoder, true, kWorkDim, numbered(encoded), {});
  const std::filesystem::path folder = store / "encoding";
  std::ofstream(folder / "0000000000000001.vec.tmp") << "begun";
  std::ofstream(folder / "0000000000000002.vec.tmp") << "left";
  std::ofstream(folder / "0000000000000002.lock");
  const FileLock at_it(folder / "0000000000000001.lock");
  const EncodingWork next(store.path(), kWorkEncoder, true, kWorkDim, numbered(encoded, 500), {});
  EXPECT_TRUE(std::filesystem::exists(folder / "0000000000000001.vec.tmp"));
  EXPECT_TRUE(std::filesystem::exists(folder / "0000000000000001.lock"));
  EXPECT_FALSE(std::filesystem::exists(folder / "0000000000000002.vec.tmp"));
  EXPECT_FALSE(std::filesystem::exists(folder / "0000000000000002.lock"));
}

// Its writer ends the work while a helper is amid a chunk.
TEST(EncodingWork, AHelperThatIsLateWritesNothing) {
  const TempDir store;
  std::atomic<int> encoded = 0;
  const EncodingWork owner(store.path(), kWorkEncoder, true, kWorkDim, numbered(encoded), {});
  const ChunkScan ends_amid = [&](const std::function<void(const TextChunk&)>& visit) {
    numbered(encoded)([&](const TextChunk& chunk) {
      TextChunk last = chunk;
      last.encode = [&](const TextChunk::PartDone& done) {
        EncodingWork::finish(store.path());
        return chunk.encode(done);
      };
      visit(last);
    });
  };
  EncodingWork helper(store.path(), read_encoding_manifest(store.path()).value(), kWorkDim,
                      ends_amid);
  EXPECT_FALSE(helper.run({}));
  EXPECT_EQ(encoded, 1);
  EXPECT_FALSE(std::filesystem::exists(store / "encoding"));
}

TEST(EncodingWork, ADamagedFileIsMadeAgain) {
  const TempDir store;
  std::atomic<int> encoded = 0;
  const ChunkScan scan = numbered(encoded);
  std::vector<std::string> warnings;
  Progress progress;
  progress.warn = [&](const std::string& message) { warnings.push_back(message); };
  EncodingWork owner(store.path(), kWorkEncoder, false, kWorkDim, scan, progress);
  owner.run(progress);
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(store / "encoding"))
    if (entry.path().extension() == ".vec") files.push_back(entry.path());
  ASSERT_EQ(files.size(), kWorkChunks);
  testing::flip_byte(files[0], 200);
  // One in another's place, whole in itself; and one that is cut off.
  std::filesystem::copy_file(files[1], files[2], std::filesystem::copy_options::overwrite_existing);
  std::filesystem::resize_file(files[3], 10);
  expect_vectors(owner, scan, 0, progress);
  EXPECT_EQ(warnings.size(), 3u);
  EXPECT_THAT(warnings[0], ::testing::HasSubstr("encoded again"));
  EXPECT_EQ(encoded, static_cast<int>(kWorkChunks) + 3);
  // Begun again, it finds them before the others come.
  EncodingWork again(store.path(), kWorkEncoder, false, kWorkDim, scan, progress);
  EXPECT_TRUE(again.run(progress));
  EXPECT_EQ(again.encoded(), 3u);
  EXPECT_EQ(warnings.size(), 6u);
  // Another kind of file is no better than a damaged one.
  std::filesystem::copy_file(store / "encoding/manifest", files[4],
                             std::filesystem::copy_options::overwrite_existing);
  expect_vectors(again, scan, 0, progress);
  EXPECT_EQ(warnings.size(), 7u);
  // A helper says so where the list itself is damaged; the owner makes it anew.
  testing::flip_byte(store / "encoding/manifest", 100);
  expect_error(
      ErrorKind::kCorrupt, [&] { read_encoding_manifest(store.path()); }, "manifest");
}

}  // namespace
}  // namespace dexter
