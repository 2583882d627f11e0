// Damaged corpora of every format: a reader reads or throws Error, whatever the bytes.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "storage/corpus_reader.h"
#include "storage/error.h"
#include "tests/support/corpus_files.h"
#include "tests/support/gzip_file.h"
#include "tests/support/memory_file.h"
#include "tests/support/mutator.h"
#include "tests/support/temp_dir.h"

namespace dexter {
namespace {

using testing::Mutator;
using testing::read_bytes;
using testing::TempDir;

constexpr int kMutationsPerFile = 1500;
constexpr std::uint64_t kLongestLine = 1 << 10;
constexpr std::size_t kMostAdded =
    2 * kLongestLine;  // beyond the longest line that the reader takes

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
  ASSERT_LE(row.text.size(), kLongestLine);
  ASSERT_TRUE(row.label_keys.empty() || row.label_rows.empty());
  ASSERT_TRUE(format.labels_by_row ? row.label_keys.empty() : row.label_rows.empty());
  ASSERT_EQ(row.text.find('\0'), std::string::npos);
}

Outcome read_documents(const std::filesystem::path& file, const CorpusFormat& format,
                       std::uint64_t lines) {
  try {
    const auto reader =
        open_corpus(file, {.format = std::string(format.name), .max_line_bytes = kLongestLine});
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
        open_labels(file, {.format = std::string(format.name), .max_line_bytes = kLongestLine});
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
  Mutator mutator(20240611, kMostAdded);
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
  Mutator mutator(20240612, kMostAdded);
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
  Mutator mutator(20240613, kMostAdded);
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
  Mutator mutator(20240614, kMostAdded);
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
