#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "storage/line_reader.h"
#include "storage/types.h"

namespace dexter {

// A test document and a label that is not to be predicted for it.
struct FilterPair {
  std::uint64_t row = 0;    // of the test file
  std::uint32_t label = 0;  // row of the label file, or the label's id
  auto operator<=>(const FilterPair&) const = default;
};

// Streams a filter file, "test_row label_row" a line, both from 0: the reciprocal pairs of the LF
// data sets. Errors as LineReader, and kInvalidInput "FILE:LINE: ..." for a line that is not two
// numbers.
class LabelFilterReader {
 public:
  LabelFilterReader(const std::filesystem::path& file, std::uint64_t max_line_bytes)
      : lines_(file, max_line_bytes) {}
  std::optional<FilterPair> next_pair();
  std::uint64_t line() const { return lines_.line(); }

 private:
  LineReader lines_;
};

// The pairs in memory, 16 bytes each, by test document.
class LabelFilter {
 public:
  void add(FilterPair pair, std::uint64_t line);
  // After the last `add`: sorts, drops repetitions, returns the number of pairs.
  std::uint64_t finish();
  // Ascending. Valid until the next call.
  std::span<const LabelId> labels_of(std::uint64_t row);
  // Throws kInvalidInput where a pair names a row beyond the `rows` of the test file.
  void check_rows(std::uint64_t rows, const std::filesystem::path& file) const;

 private:
  std::vector<FilterPair> pairs_;
  std::vector<LabelId> found_;
  std::uint64_t last_row_ = 0;
  std::uint64_t last_row_line_ = 0;
};

}  // namespace dexter
