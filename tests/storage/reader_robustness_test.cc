// Damaged corpora of every format: a reader reads or throws Error, whatever the bytes.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "storage/corpus_reader.h"
#include "storage/error.h"
#include "tests/support/corpus_files.h"
#include "tests/support/gzip_file.h"
#include "tests/support/memory_file.h"
#include "tests/support/temp_dir.h"

namespace dexter {
namespace {

using testing::read_bytes;
using testing::TempDir;

constexpr int kMutationsPerFile = 1500;
constexpr std::uint64_t kMaxLine = 1 << 10;

// What breaks parsers: structure, number limits, control bytes, parts of characters.
const std::string_view kFragments[] = {"\n",
                                       "\r\n",
                                       "\t",
                                       " ",
                                       ",",
                                       ":",
                                       "\"",
                                       "\\",
                                       "\\u0000",
                                       "\\ud83d",
                                       "{",
                                       "}",
                                       "[",
                                       "]",
                                       "null",
                                       "-1",
                                       "1e999",
                                       "4294967295",
                                       "18446744073709551616",
                                       "nan",
                                       "\xC3",
                                       "\xED\xA0\x80",
                                       "\xEF\xBB\xBF",
                                       "\x1F\x8B\x08",
                                       "<",
                                       ">",
                                       "true",
                                       "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["};

class Mutator {
 public:
  explicit Mutator(unsigned seed) : random_(seed) {}

  std::string mutate(std::string text) {
    for (std::size_t changes = 1 + below(4); changes > 0; --changes) change(text);
    return text;
  }

 private:
  std::size_t below(std::size_t bound) {
    return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_);
  }
  void change(std::string& text) {
    const std::size_t at = below(text.size() + 1);
    const std::size_t count = std::min(text.size() - at, 1 + below(80));
    switch (below(7)) {
      case 0:
        if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << below(8)));
        break;
      case 1:
        if (at < text.size()) text[at] = static_cast<char>(below(256));
        break;
      case 2:
        text.resize(at);
        break;
      case 3:
        text.insert(below(text.size() + 1), text.substr(at, count));
        break;
      case 4:
        text.erase(at, count);
        break;
      case 5:
        text.insert(at, kFragments[below(std::size(kFragments))]);
        break;
      default:  // beyond the longest line that the reader takes
        text.insert(at, std::string(below(2 * kMaxLine), 'x'));
    }
  }

  std::mt19937 random_;
};

struct Outcome {
  std::uint64_t rows = 0;
  std::uint64_t bad_rows = 0;
  bool corrupt = false;
};

// Reads to the end, past every bad row. A reader takes no more steps than the file has lines.
template <class Next>
Outcome read_all(const Next& next, std::uint64_t lines) {
  Outcome outcome;
  while (outcome.rows + outcome.bad_rows <= lines) {
    try {
      if (!next()) return outcome;
      ++outcome.rows;
    } catch (const Error& error) {
      outcome.corrupt = error.kind() == ErrorKind::kCorrupt;
      if (outcome.corrupt) return outcome;
      EXPECT_EQ(error.kind(), ErrorKind::kInvalidInput) << error.what();
      ++outcome.bad_rows;
    }
  }
  ADD_FAILURE() << "more rows than lines";
  return outcome;
}

void check_row(const CorpusRow& row, const CorpusFormat& format) {
  ASSERT_FALSE(row.key.empty());
  ASSERT_FALSE(row.text.empty());
  ASSERT_LE(row.text.size(), kMaxLine);
  ASSERT_TRUE(row.label_keys.empty() || row.label_rows.empty());
  ASSERT_TRUE(format.labels_by_row ? row.label_keys.empty() : row.label_rows.empty());
  ASSERT_EQ(row.text.find('\0'), std::string::npos);
}

Outcome read_documents(const std::filesystem::path& file, const CorpusFormat& format,
                       std::uint64_t lines) {
  try {
    const auto reader =
        open_corpus(file, {.format = std::string(format.name), .max_line_bytes = kMaxLine});
    CorpusRow row;
    return read_all(
        [&] {
          if (!reader->next_document(row)) return false;
          check_row(row, format);
          return true;
        },
        lines);
  } catch (const Error&) {  // an xmc header, a gzip magic
    return {.corrupt = true};
  }
}

Outcome read_labels(const std::filesystem::path& file, const CorpusFormat& format,
                    std::uint64_t lines) {
  try {
    const auto reader =
        open_labels(file, {.format = std::string(format.name), .max_line_bytes = kMaxLine});
    LabelRow row;
    return read_all([&] { return reader->next_label(row); }, lines);
  } catch (const Error&) {
    return {.corrupt = true};
  }
}

std::uint64_t lines_in(std::string_view text) {
  return static_cast<std::uint64_t>(std::ranges::count(text, '\n')) + 1;
}

class DamagedCorpus : public ::testing::TestWithParam<std::string> {
 protected:
  const TempDir folder_;
  const CorpusFormat& format_ = find_format(GetParam());
  const tiny::Files files_ = tiny::write_corpus(folder_.path(), GetParam());
  testing::MemoryFile damaged_;
};

INSTANTIATE_TEST_SUITE_P(Formats, DamagedCorpus,
                         ::testing::Values("jsonl", "lf-xmc", "xmc", "annif"),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           std::erase(name, '-');
                           return name;
                         });

TEST_P(DamagedCorpus, DocumentsAreReadOrRefused) {
  const std::string whole = read_bytes(files_.test);
  Mutator mutator(20240611);
  std::uint64_t rows = 0;
  std::uint64_t refused = 0;
  for (int i = 0; i < kMutationsPerFile && !HasFatalFailure(); ++i) {
    const std::string text = mutator.mutate(whole);
    damaged_.write(text);
    const Outcome outcome = read_documents(damaged_.path(), format_, lines_in(text));
    rows += outcome.rows;
    refused += outcome.bad_rows > 0 || outcome.corrupt;
  }
  EXPECT_GT(rows, 1000u);
  EXPECT_GT(refused, kMutationsPerFile / 4);
}

TEST_P(DamagedCorpus, LabelsAreReadOrRefused) {
  const std::string whole = read_bytes(files_.labels);
  Mutator mutator(20240612);
  std::uint64_t rows = 0;
  for (int i = 0; i < kMutationsPerFile && !HasFatalFailure(); ++i) {
    const std::string text = mutator.mutate(whole);
    damaged_.write(text);
    rows += read_labels(damaged_.path(), format_, lines_in(text)).rows;
  }
  EXPECT_GT(rows, 1000u);
}

TEST_P(DamagedCorpus, PackedDocumentsAreReadOrRefused) {
  testing::write_gzip(folder_ / "whole.gz", read_bytes(files_.test));
  const std::string whole = read_bytes(folder_ / "whole.gz");
  Mutator mutator(20240613);
  std::uint64_t refused = 0;
  for (int i = 0; i < kMutationsPerFile && !HasFatalFailure(); ++i) {
    const std::string packed = mutator.mutate(whole);
    damaged_.write(packed);
    // Unpacked there may be more lines than packed: gzip makes at most 1,032 bytes of one.
    const Outcome outcome = read_documents(damaged_.path(), format_, packed.size() * 1032 + 1);
    refused += outcome.bad_rows > 0 || outcome.corrupt;
  }
  EXPECT_GT(refused, kMutationsPerFile * 3 / 4);
}

TEST_P(DamagedCorpus, RecognitionNamesAFormatOrRefuses) {
  const std::string whole = read_bytes(files_.test);
  Mutator mutator(20240614);
  int recognised = 0;
  for (int i = 0; i < kMutationsPerFile; ++i) {
    damaged_.write(mutator.mutate(whole));
    try {
      recognised += recognise_format(damaged_.path()).name == GetParam();
    } catch (const Error& error) {
      EXPECT_NE(error.kind(), ErrorKind::kInternal) << error.what();
    }
  }
  EXPECT_GT(recognised, kMutationsPerFile / 4);
}

}  // namespace
}  // namespace dexter
