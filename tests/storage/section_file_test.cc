#include "storage/section_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

#include "storage/checksum.h"
#include "storage/error.h"
#include "tests/storage/store_fixtures.h"

namespace dexter {
namespace {

using testing::error_of;
using testing::flip_byte;
using ::testing::HasSubstr;
using testing::read_bytes;
using testing::TempDir;
using testing::write_bytes;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

FileRef write_three_sections(const TempDir& root) {
  SectionFileWriter file(root / "index/7.idx", "index", 3);
  file.add("options", R"({"kind":"flat"})");
  file.add("empty", "");
  file.begin("vectors");
  file.append(bytes_of("0123456789"));
  file.append(bytes_of("abcdef"));
  file.end();
  return file.commit(root.path());
}

TEST(SectionFile, GivesBackWhatWasWritten) {
  const TempDir root;
  const FileRef ref = write_three_sections(root);
  EXPECT_EQ(ref.name, "index/7.idx");
  EXPECT_EQ(ref.bytes, std::filesystem::file_size(root / "index/7.idx"));
  EXPECT_EQ(ref.checksum.size(), 16u);
  const SectionFileReader file(root.path(), ref, "index", 3);
  EXPECT_EQ(file.version(), 3u);
  EXPECT_EQ(file.text("options"), R"({"kind":"flat"})");
  EXPECT_EQ(file.text("empty"), "");
  EXPECT_EQ(file.text("vectors"), "0123456789abcdef");
  EXPECT_TRUE(file.has("empty"));
  EXPECT_FALSE(file.has("Empty"));
  EXPECT_NO_THROW(file.verify());
}

TEST(SectionFile, AlignsEverySectionTo64Bytes) {
  const TempDir root;
  write_three_sections(root);
  const SectionFileReader file(root / "index/7.idx", "index", 3);
  for (const char* name : {"options", "empty", "vectors"})
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(file.section(name).data()) % 64, 0u) << name;
}

TEST(SectionFile, HoldsASectionLargerThanItsBuffer) {
  const TempDir root;
  std::string large(5'000'001, 'x');
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 31 % 251);
  {
    SectionFileWriter file(root / "a.enc", "encoder", 1);
    file.add("small", "s");
    file.begin("large");
    for (std::size_t at = 0; at < large.size(); at += 700'001)
      file.append(bytes_of(std::string_view(large).substr(at, 700'001)));
    file.end();
    file.commit(root.path());
  }
  const SectionFileReader file(root / "a.enc", "encoder", 1);
  EXPECT_TRUE(file.text("large") == large);
}

TEST(SectionFile, LeavesNothingBehindWithoutCommit) {
  const TempDir root;
  write_bytes(root / "a.enc", "the former file");
  {
    SectionFileWriter file(root / "a.enc", "encoder", 1);
    file.add("weights", "new");
    EXPECT_TRUE(std::filesystem::exists(root / "a.enc.tmp"));
  }
  EXPECT_FALSE(std::filesystem::exists(root / "a.enc.tmp"));
  EXPECT_EQ(read_bytes(root / "a.enc"), "the former file");
}

TEST(SectionFile, RefusesAnotherTypeAndANewerVersionByName) {
  const TempDir root;
  write_three_sections(root);
  const auto type = error_of([&] { SectionFileReader(root / "index/7.idx", "encoder", 3); });
  ASSERT_TRUE(type);
  EXPECT_EQ(type->kind(), ErrorKind::kIncompatible);
  EXPECT_THAT(type->what(), HasSubstr("7.idx"));
  EXPECT_THAT(type->what(), HasSubstr("\"index\""));
  EXPECT_THAT(type->what(), HasSubstr("\"encoder\""));
  const auto version = error_of([&] { SectionFileReader(root / "index/7.idx", "index", 2); });
  ASSERT_TRUE(version);
  EXPECT_EQ(version->kind(), ErrorKind::kIncompatible);
  EXPECT_THAT(version->what(), HasSubstr("format is 3"));
}

TEST(SectionFile, SaysThatAFileIsNotThere) {
  const TempDir root;
  const auto error = error_of([&] { SectionFileReader(root / "none.idx", "index", 1); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::kNotFound);
}

TEST(SectionFile, RefusesAFileThatTheReferenceDoesNotName) {
  const TempDir root;
  FileRef ref = write_three_sections(root);
  {
    SectionFileWriter other(root / "index/7.idx", "index", 3);
    other.add("options", R"({"kind":"hnsw"})");
    other.add("empty", "");
    other.add("vectors", "0123456789abcdeX");
    EXPECT_EQ(other.commit(root.path()).bytes, ref.bytes);  // as long, but another one
  }
  const auto swapped = error_of([&] { SectionFileReader(root.path(), ref, "index", 3); });
  ASSERT_TRUE(swapped);
  EXPECT_EQ(swapped->kind(), ErrorKind::kCorrupt);
  EXPECT_THAT(swapped->what(), HasSubstr(ref.checksum));
  ref.bytes += 1;
  const auto longer = error_of([&] { verify_section_file(root.path(), ref); });
  ASSERT_TRUE(longer);
  EXPECT_EQ(longer->kind(), ErrorKind::kCorrupt);
}

// Whatever byte changes, the file is refused by name: every byte is covered.
TEST(SectionFile, DetectsEveryFlippedByte) {
  const TempDir root;
  write_three_sections(root);
  const auto path = root / "index/7.idx";
  const std::uint64_t bytes = std::filesystem::file_size(path);
  for (std::uint64_t at = 0; at < bytes; ++at) {
    flip_byte(path, at);
    const auto error = error_of([&] { verify_section_file(path); });
    ASSERT_TRUE(error) << "byte " << at;
    EXPECT_EQ(error->kind(), ErrorKind::kCorrupt) << "byte " << at << ": " << error->what();
    EXPECT_THAT(error->what(), HasSubstr("7.idx"));
    flip_byte(path, at);
  }
  EXPECT_NO_THROW(verify_section_file(path));
}

TEST(SectionFile, DetectsEveryTruncationAndExtension) {
  const TempDir root;
  write_three_sections(root);
  const auto path = root / "index/7.idx";
  const std::string whole = read_bytes(path);
  for (std::size_t length = whole.size(); length-- > 0;) {
    std::filesystem::resize_file(path, length);
    const auto error = error_of([&] { verify_section_file(path); });
    ASSERT_TRUE(error) << length << " bytes";
    EXPECT_EQ(error->kind(), ErrorKind::kCorrupt) << error->what();
  }
  write_bytes(path, whole + "x");
  EXPECT_TRUE(error_of([&] { verify_section_file(path); }));
}

TEST(SectionFile, ChecksASectionOnlyWhenItIsRead) {
  const TempDir root;
  write_three_sections(root);
  const auto path = root / "index/7.idx";
  flip_byte(path, read_bytes(path).find("0123456789"));
  const SectionFileReader file(path, "index", 3);
  EXPECT_EQ(file.text("options"), R"({"kind":"flat"})");
  const auto error = error_of([&] { file.section("vectors"); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::kCorrupt);
  EXPECT_THAT(error->what(), HasSubstr("\"vectors\""));
}

// A table with a fitting checksum but impossible offsets, as an attacker would write it.
TEST(SectionFile, SurvivesATableThatPointsOutsideTheFile) {
  const TempDir root;
  write_three_sections(root);
  const auto path = root / "index/7.idx";
  const std::string whole = read_bytes(path);
  std::uint64_t table_at = 0;
  std::uint64_t table_bytes = 0;
  std::memcpy(&table_at, &whole[whole.size() - 32], 8);
  std::memcpy(&table_bytes, &whole[whole.size() - 24], 8);
  std::uint64_t seed = 0;
  std::memcpy(&seed, &whole[56], 8);
  for (std::size_t at = 0; at < table_bytes; ++at) {
    for (const char value : {'\x7f', '\xff'}) {
      std::string forged = whole;
      forged[table_at + at] = value;
      const std::uint64_t sum =
          checksum64(std::string_view(forged).substr(table_at, table_bytes), seed);
      std::memcpy(&forged[forged.size() - 16], &sum, 8);
      write_bytes(path, forged);
      if (const auto error = error_of([&] { verify_section_file(path); })) {
        EXPECT_EQ(error->kind(), ErrorKind::kCorrupt) << error->what();
      }
    }
  }
}

TEST(SectionFile, ServesManyThreads) {
  const TempDir root;
  write_three_sections(root);
  const SectionFileReader file(root / "index/7.idx", "index", 3);
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] { EXPECT_EQ(file.text("vectors"), "0123456789abcdef"); });
}

TEST(SectionFile, RefusesMisuseOfTheWriter) {
  const TempDir root;
  SectionFileWriter file(root / "a.enc", "encoder", 1);
  file.add("weights", "w");
  EXPECT_THROW(file.add("weights", "again"), Error);
  EXPECT_THROW(file.append(bytes_of("loose")), Error);
  file.begin("open");
  EXPECT_THROW(file.begin("inner"), Error);
  EXPECT_THROW(file.commit(root.path()), Error);
}

}  // namespace
}  // namespace dexter
