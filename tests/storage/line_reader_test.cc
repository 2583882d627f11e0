#include "storage/line_reader.h"

#include <sys/resource.h>

#include <fstream>
#include <string>
#include <vector>

#include "tests/support/expect_error.h"
#include "tests/support/gzip_file.h"
#include "tests/support/temp_dir.h"

namespace dexter {
namespace {

using ::testing::ElementsAre;
using testing::expect_error;
using testing::flip_byte;
using testing::read_bytes;
using testing::TempDir;
using testing::write_bytes;
using testing::write_gzip;

constexpr std::uint64_t kMaxLine = 1 << 20;

std::vector<std::string> lines_of(const std::filesystem::path& file,
                                  std::uint64_t max_line_bytes = kMaxLine) {
  LineReader reader(file, max_line_bytes);
  std::vector<std::string> lines;
  for (std::string_view line; reader.next(line);) lines.emplace_back(line);
  return lines;
}

// Lines of 1 to 5,000 bytes, 2.5 MB in all: many cross the reader's blocks.
std::vector<std::string> long_and_short_lines() {
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < 1000; ++i)
    lines.emplace_back(1 + i * 7919 % 5000, static_cast<char>('a' + i % 26));
  return lines;
}

std::string joined(const std::vector<std::string>& lines, std::string_view end) {
  std::string text;
  for (const std::string& line : lines) text.append(line).append(end);
  return text;
}

// The position of the first invalid byte by the definition of UTF-8, one character at a time.
std::size_t invalid_by_definition(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  for (std::size_t i = 0; i < text.size();) {
    const unsigned first = byte(i);
    const std::size_t length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if ((first >= 0x80 && first < 0xC2) || first > 0xF4 || i + length > text.size()) return i;
    unsigned code = length == 1 ? first : first & (0xFFu >> (length + 1));
    for (std::size_t j = 1; j < length; ++j) {
      if ((byte(i + j) & 0xC0) != 0x80) return i;
      code = code << 6 | (byte(i + j) & 0x3Fu);
    }
    constexpr unsigned kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < kSmallest[length] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return i;
    i += length;
  }
  return std::string_view::npos;
}

TEST(FindInvalidUtf8, AcceptsCharactersOfEveryLength) {
  EXPECT_EQ(find_invalid_utf8(""), std::string_view::npos);
  EXPECT_EQ(find_invalid_utf8("plain ASCII, more than eight bytes"), std::string_view::npos);
  EXPECT_EQ(find_invalid_utf8("naïve façade Pyhäjärvi, 日本語, 🦆 and ASCII behind it"),
            std::string_view::npos);
}

TEST(FindInvalidUtf8, AgreesWithTheDefinitionOnEveryShortSequence) {
  for (unsigned lead = 0x80; lead <= 0xFF; ++lead) {
    for (const unsigned second : {0x20u, 0x7Fu, 0x80u, 0x8Fu, 0x90u, 0x9Fu, 0xA0u, 0xBFu, 0xC0u}) {
      for (const char* const tail : {"", "\x80", "\x80\x80", "\xBF\xBF", "\xBF\xC0", "x"}) {
        std::string text = "twelve bytes";
        text += static_cast<char>(lead);
        text += static_cast<char>(second);
        text += tail;
        ASSERT_EQ(find_invalid_utf8(text), invalid_by_definition(text))
            << std::hex << lead << " " << second;
        text += " and then ASCII";
        ASSERT_EQ(find_invalid_utf8(text), invalid_by_definition(text))
            << std::hex << lead << " " << second;
      }
    }
  }
}

TEST(LineReader, ReadsEveryLineAcrossItsBlocks) {
  const TempDir folder;
  const auto lines = long_and_short_lines();
  write_bytes(folder / "lf.txt", joined(lines, "\n"));
  write_bytes(folder / "crlf.txt", joined(lines, "\r\n"));
  write_gzip(folder / "lf.txt.gz", joined(lines, "\n"));
  EXPECT_EQ(lines_of(folder / "lf.txt"), lines);
  EXPECT_EQ(lines_of(folder / "crlf.txt"), lines);
  EXPECT_EQ(lines_of(folder / "lf.txt.gz"), lines);
}

TEST(LineReader, ReadsALastLineWithoutItsEndAndDropsTheByteOrderMark) {
  const TempDir folder;
  write_bytes(folder / "a.txt",
              "\xEF\xBB\xBF"
              "first\r\nsecond");
  EXPECT_THAT(lines_of(folder / "a.txt"), ElementsAre("first", "second"));
}

TEST(LineReader, AnEmptyFileHasNoLine) {
  const TempDir folder;
  write_bytes(folder / "empty.txt", "");
  write_gzip(folder / "empty.gz", "");
  EXPECT_TRUE(lines_of(folder / "empty.txt").empty());
  EXPECT_TRUE(lines_of(folder / "empty.gz").empty());
}

TEST(LineReader, KnowsGzipByItsFirstBytesAndReadsSeveralMembersAsOneFile) {
  const TempDir folder;
  write_gzip(folder / "a", "one\ntw");
  write_gzip(folder / "b", "o\nthree\n");
  write_bytes(folder / "both.txt", read_bytes(folder / "a") + read_bytes(folder / "b"));
  write_bytes(folder / "padded.txt", read_bytes(folder / "both.txt") + std::string(512, '\0'));
  EXPECT_THAT(lines_of(folder / "both.txt"), ElementsAre("one", "two", "three"));
  EXPECT_THAT(lines_of(folder / "padded.txt"), ElementsAre("one", "two", "three"));
}

TEST(LineReader, ATruncatedGzipFileIsCorruptWhereverItIsCut) {
  const TempDir folder;
  write_gzip(folder / "whole.gz", joined({"the first line", "the second line"}, "\n"));
  const std::string whole = read_bytes(folder / "whole.gz");
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    SCOPED_TRACE(bytes);
    write_bytes(folder / "cut.gz", whole.substr(0, bytes));
    expect_error(
        ErrorKind::kCorrupt, [&] { lines_of(folder / "cut.gz"); }, (folder / "cut.gz").string());
  }
}

TEST(LineReader, AFlippedByteInAGzipFileNeverChangesALine) {
  const TempDir folder;
  const std::vector<std::string> lines = {"the first line", "the second line"};
  write_gzip(folder / "whole.gz", joined(lines, "\n"));
  const std::string whole = read_bytes(folder / "whole.gz");
  int found = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    SCOPED_TRACE(at);
    write_bytes(folder / "flipped.gz", whole);
    flip_byte(folder / "flipped.gz", at);
    try {
      EXPECT_EQ(lines_of(folder / "flipped.gz"), lines);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kCorrupt) << error.what();
      ++found;
    }
  }
  // The header's time, flags of speed and system (bytes 4 to 9) say nothing about the content.
  EXPECT_GE(found, static_cast<int>(whole.size()) - 6);
}

TEST(LineReader, OtherBytesBehindAGzipStreamAreCorrupt) {
  const TempDir folder;
  write_gzip(folder / "a.gz", "one\n");
  write_bytes(folder / "a.gz", read_bytes(folder / "a.gz") + "two\n");
  expect_error(
      ErrorKind::kCorrupt, [&] { lines_of(folder / "a.gz"); }, "a.gz");
}

TEST(LineReader, ALongLineIsPassedOverInBoundedMemory) {
  const TempDir folder;
  const std::string megabyte(1 << 20, 'x');
  {
    std::ofstream out(folder / "long.txt");
    out << "before\n";
    for (int i = 0; i < 100; ++i) out << megabyte;
    out << "\nafter\n";
  }
  rusage before{};
  getrusage(RUSAGE_SELF, &before);
  LineReader reader(folder / "long.txt", kMaxLine);
  std::string_view line;
  ASSERT_TRUE(reader.next(line));
  expect_error(
      ErrorKind::kInvalidInput, [&] { reader.next(line); }, "long.txt:2: ", "104857600", "1048576");
  ASSERT_TRUE(reader.next(line));
  EXPECT_EQ(line, "after");
  EXPECT_EQ(reader.line(), 3u);
  rusage after{};
  getrusage(RUSAGE_SELF, &after);
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 16 << 10);  // KiB
}

TEST(LineReader, ALineOfExactlyTheLimitIsRead) {
  const TempDir folder;
  write_bytes(folder / "a.txt", "12345678\n123456789\n12345678");
  LineReader reader(folder / "a.txt", 8);
  std::string_view line;
  ASSERT_TRUE(reader.next(line));
  EXPECT_EQ(line, "12345678");
  expect_error(
      ErrorKind::kInvalidInput, [&] { reader.next(line); }, "a.txt:2: ");
  ASSERT_TRUE(reader.next(line));
  EXPECT_EQ(line, "12345678");
  EXPECT_FALSE(reader.next(line));
}

TEST(LineReader, NamesTheByteThatIsNotTextAndGoesOnBehindTheLine) {
  const TempDir folder;
  write_bytes(folder / "a.txt", std::string("na\xEFve\n\nnul \0 byte\ngood\n", 23));
  LineReader reader(folder / "a.txt", kMaxLine);
  std::string_view line;
  const auto next = [&] { reader.next(line); };
  expect_error(ErrorKind::kInvalidInput, next, "a.txt:1: ", "byte 3", "0xEF", "UTF-8");
  expect_error(ErrorKind::kInvalidInput, next, "a.txt:2: ", "empty");
  expect_error(ErrorKind::kInvalidInput, next, "a.txt:3: ", "byte 5", "NUL");
  ASSERT_TRUE(reader.next(line));
  EXPECT_EQ(line, "good");
  EXPECT_FALSE(reader.next(line));
}

TEST(LineReader, SaysWhyAFileCannotBeOpened) {
  const TempDir folder;
  expect_error(
      ErrorKind::kNotFound, [&] { lines_of(folder / "absent.txt"); }, "absent.txt");
  expect_error(
      ErrorKind::kInvalidInput, [&] { lines_of(folder.path()); }, "folder");
  write_bytes(folder / "plain.gz", "not gzip\n");
  expect_error(
      ErrorKind::kCorrupt, [&] { lines_of(folder / "plain.gz"); }, "plain.gz", ".gz");
}

TEST(LineReader, CountsTheBytesOfTheFile) {
  const TempDir folder;
  write_gzip(folder / "a.gz", joined(long_and_short_lines(), "\n"));
  LineReader reader(folder / "a.gz", kMaxLine);
  EXPECT_EQ(reader.bytes_total(), std::filesystem::file_size(folder / "a.gz"));
  EXPECT_EQ(reader.bytes_read(), 0u);
  for (std::string_view line; reader.next(line);)
    EXPECT_LE(reader.bytes_read(), reader.bytes_total());
  EXPECT_EQ(reader.bytes_read(), reader.bytes_total());
}

}  // namespace
}  // namespace dexter
