// Numbers, sizes, durations and aligned tables for people.
#include "tools/figures.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <spdlog/fmt/fmt.h>

namespace dexter {
namespace {

bool starts_code_point(char c) { return (static_cast<unsigned char>(c) & 0xC0u) != 0x80u; }

}  // namespace

std::string thousands(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t end = digits.size(); end > 3; end -= 3) digits.insert(end - 3, 1, ',');
  return digits;
}

std::string size_of(std::uint64_t bytes) {
  static constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double amount = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (amount >= 1023.95 && unit + 1 < kUnits.size()) {
    amount /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", amount, kUnits[unit]);
}

std::string duration_of(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  if (seconds < 0.0995) return fmt::format("{:.0f} ms", seconds * 1000);
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<std::uint64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

std::string rate_of(double per_second) {
  if (!std::isfinite(per_second) || per_second < 0) return "?";
  if (per_second < 99.95) return fmt::format("{:.1f}", per_second);
  return thousands(static_cast<std::uint64_t>(std::llround(per_second)));
}

std::string percent_of(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return "-";
  return fmt::format("{} %", static_cast<std::uint64_t>(100.0 * static_cast<double>(part) /
                                                        static_cast<double>(whole)));
}

std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), starts_code_point));
}

std::string clipped(std::string_view text, std::size_t columns) {
  if (columns_of(text) <= columns) return std::string(text);
  std::size_t kept = 0;
  std::size_t end = 0;
  while (end < text.size()) {
    if (starts_code_point(text[end]) && kept++ == (columns == 0 ? 0 : columns - 1)) break;
    ++end;
  }
  return std::string(text.substr(0, end)) + (columns == 0 ? "" : "…");
}

std::string wrapped(std::string_view text, std::size_t columns, std::size_t indent) {
  std::string out;
  std::size_t used = 0;
  bool line_start = true;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find_first_of(" \n", at), text.size());
    const std::string_view word = text.substr(at, end - at);
    if (!word.empty()) {
      if (!line_start && used + 1 + columns_of(word) > columns) {
        out += '\n' + std::string(indent, ' ');
        used = 0;
        line_start = true;
      }
      if (!line_start) out += ' ';
      out += word;
      used += columns_of(word) + (line_start ? 0 : 1);
      line_start = false;
    }
    if (end < text.size() && text[end] == '\n') {
      out += '\n' + std::string(indent, ' ');
      used = 0;
      line_start = true;
    }
    at = end + 1;
  }
  return out;
}

Table& Table::row(std::vector<std::string> cells) {
  cells.resize(alignment_.size());
  rows_.push_back(std::move(cells));
  return *this;
}

std::string Table::text(std::size_t indent) const {
  std::vector<std::size_t> widths(alignment_.size(), 0);
  for (const auto& cells : rows_)
    for (std::size_t i = 0; i < cells.size(); ++i)
      widths[i] = std::max(widths[i], columns_of(cells[i]));
  std::string out;
  for (const auto& cells : rows_) {
    std::string line(indent, ' ');
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::string pad(widths[i] - columns_of(cells[i]), ' ');
      if (i > 0) line += "  ";
      line += alignment_[i] == '>' ? pad + cells[i] : cells[i] + pad;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  }
  return out;
}

std::string text_of(const VoteFusion& fusion) {
  if (fusion.validation_documents == 0)
    return "off unless asked for: no validation part to measure it on";
  return fmt::format(
      "{}: P@1 {:.2f} to {:.2f}, P@5 {:.2f} to {:.2f}, R@10 {:.2f} to {:.2f}, PSP@5 {:.2f} to "
      "{:.2f} on {} validation documents",
      fusion.helps ? "on" : "off, it does not help", fusion.p1_without, fusion.p1,
      fusion.p5_without, fusion.p5, fusion.r10_without, fusion.r10, fusion.psp5_without,
      fusion.psp5, thousands(fusion.validation_documents));
}

}  // namespace dexter
