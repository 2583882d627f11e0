// Filter files: pairs of a test document and a label that evaluation drops.
#include "storage/label_filter.h"

#include <algorithm>
#include <charconv>

#include <spdlog/fmt/fmt.h>

#include "storage/error.h"

namespace dexter {

std::optional<FilterPair> LabelFilterReader::next_pair() {
  std::string_view line;
  if (!lines_.next(line)) return std::nullopt;
  const char* const end = line.data() + line.size();
  const auto skip_spaces = [end](const char* at) {
    return std::find_if(at, end, [](char c) { return c != ' ' && c != '\t'; });
  };
  FilterPair pair;
  const auto first = std::from_chars(skip_spaces(line.data()), end, pair.row);
  const char* const between = skip_spaces(first.ptr);
  const auto second = std::from_chars(between, end, pair.label);
  if (first.ec != std::errc() || second.ec != std::errc() || between == first.ptr ||
      skip_spaces(second.ptr) != end)
    lines_.fail(
        fmt::format("\"{}\" is not a pair of row numbers; write the test document's row, "
                    "a space, and the label's",
                    line.substr(0, 60)));
  return pair;
}

void LabelFilter::add(FilterPair pair, std::uint64_t line) {
  if (pairs_.empty() || pair.row > last_row_) {
    last_row_ = pair.row;
    last_row_line_ = line;
  }
  pairs_.push_back(pair);
}

std::uint64_t LabelFilter::finish() {
  std::ranges::sort(pairs_);
  const auto repeated = std::ranges::unique(pairs_);
  pairs_.erase(repeated.begin(), repeated.end());
  return pairs_.size();
}

std::span<const LabelId> LabelFilter::labels_of(std::uint64_t row) {
  found_.clear();
  for (auto at = std::ranges::lower_bound(pairs_, row, {}, &FilterPair::row);
       at != pairs_.end() && at->row == row; ++at)
    found_.push_back(LabelId{at->label});
  return found_;
}

void LabelFilter::check_rows(std::uint64_t rows, const std::filesystem::path& file) const {
  if (pairs_.empty() || last_row_ < rows) return;
  throw Error(ErrorKind::kInvalidInput,
              fmt::format("{}:{}: test row {} is out of range: the test file has {} rows, counted "
                          "from 0; name the filter of this test file",
                          file.string(), last_row_line_, last_row_, rows));
}

}  // namespace dexter
