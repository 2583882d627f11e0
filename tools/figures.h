#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "storage/manifest.h"

namespace dexter {

// Figures and tables as people read them. Pure functions.

std::string thousands(std::uint64_t number);  // 590764 -> "590,764"
std::string size_of(std::uint64_t bytes);     // 1610612736 -> "1.5 GiB"
std::string duration_of(double seconds);      // 0.0123 -> "12 ms", 75 -> "1 min 15 s"
std::string rate_of(double per_second);       // 48211.3 -> "48,211", 3.25 -> "3.2"
std::string percent_of(std::uint64_t part, std::uint64_t whole);  // "62 %"

// Columns a terminal needs for `text`: its code points. `clipped` cuts to at most `columns` of
// them.
std::size_t columns_of(std::string_view text);
std::string clipped(std::string_view text, std::size_t columns);
// Breaks at spaces so that no line but one of a single long word exceeds `columns`, not counting
// the `indent` spaces that begin every line but the first. Line breaks in `text` are kept.
std::string wrapped(std::string_view text, std::size_t columns, std::size_t indent);

// Aligned columns: `<` left, `>` right, one character a column.
class Table {
 public:
  explicit Table(std::string alignment) : alignment_(std::move(alignment)) {}
  // The first row is the head where the table has one.
  Table& row(std::vector<std::string> cells);
  std::string text(std::size_t indent = 2) const;

 private:
  std::string alignment_;
  std::vector<std::vector<std::string>> rows_;
};

// "on: validation P@1 41.0 to 42.2, ..." or why not.
std::string text_of(const VoteFusion& fusion);

}  // namespace dexter
