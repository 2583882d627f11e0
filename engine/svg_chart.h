#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace dexter {

// Charts as SVG elements for an HTML page that carries report_style(): colours come from its
// classes, so that they follow the reader's light or dark mode. Widths adapt to the page. Texts are
// escaped.

struct Bar {
  std::string label;  // "@5"
  double value = 0;
  double half_width = 0;  // of the interval drawn over the bar; 0 draws none
};
struct BarGroup {
  std::string name;
  std::vector<Bar> bars;
};
// Upright bars in named groups, values above 0 in percent, the axis beginning at 0.
std::string bar_chart(std::span<const BarGroup> groups, const std::string& description);

struct LineChart {
  std::string description;  // for readers that hear the page
  std::vector<int> x;       // ascending
  std::vector<double> y;    // as many
  int marked = 0;           // the x of the ringed point; none where it is no x
  int decimals = 1;
  std::string series;  // class of the line: "accent", "second"
};
// One line over whole-numbered x, its axis fitted to the values.
std::string line_chart(const LineChart& chart);

// Two counts over the same equal bins of [low, high], each drawn as its share of all in percent,
// one filled shape over the other.
struct HistogramPair {
  std::string description;
  double low = -1, high = 1;
  std::vector<std::uint64_t> hits, misses;
};
std::string histogram_chart(const HistogramPair& chart);

}  // namespace dexter
