// Bar, line and histogram charts drawn as SVG text.
#include "engine/svg_chart.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include "engine/html_text.h"

namespace dexter {
namespace {

// The plot area within the view box, in its units.
struct Frame {
  double width = 480, height = 230;
  double left = 40, right = 14, top = 18, bottom = 34;
  double low = 0, high = 1;  // of the vertical axis

  double plot_width() const { return width - left - right; }
  double y(double value) const {
    return height - bottom - (value - low) / (high - low) * (height - top - bottom);
  }
};

// 1, 2 or 5 times a power of ten, so that about `steps` of them span `range`.
double round_step(double range, int steps) {
  const double raw = std::max(range, 1e-9) / steps;
  const double power = std::pow(10, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (raw <= factor * power) return factor * power;
  return 10 * power;
}

int decimals_of(double step) {
  return std::max(0, static_cast<int>(-std::floor(std::log10(step) + 1e-9)));
}

std::string open_svg(const Frame& frame, const std::string& description) {
  return fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n", frame.width,
                     frame.height, escaped(description));
}

std::string text_at(double x, double y, const char* style, const std::string& text) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" class=\"{}\">{}</text>\n", x, y, style,
                     escaped(text));
}

// A tick's number; one that rounding left just beside 0 is 0, without a sign.
std::string tick_text(double value, double step) {
  return fmt::format("{:.{}f}", std::abs(value) < step / 2 ? 0.0 : value, decimals_of(step));
}

// About `steps` horizontal rules with their values at the left.
std::string rules(const Frame& frame, const char* unit, int steps) {
  const double step = round_step(frame.high - frame.low, steps);
  std::string result;
  for (double v = std::ceil(frame.low / step - 1e-9) * step; v <= frame.high + step * 1e-6;
       v += step) {
    result += fmt::format(
        "<line x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"{:.1f}\" y2=\"{:.1f}\" class=\"{}\"/>\n",
        frame.left, frame.width - frame.right, frame.y(v), frame.y(v),
        std::abs(v) < step / 2 ? "axis" : "rule");
    result += text_at(frame.left - 6, frame.y(v) + 4, "tick end", tick_text(v, step) + unit);
  }
  return result;
}

std::string draw_bar(const Frame& frame, const Bar& bar, double x, double width) {
  const double middle = x + width / 2;
  std::string result = fmt::format(
      "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" rx=\"2\" "
      "class=\"fill-accent\">"
      "<title>{}: {:.2f} % \u00b1 {:.2f}</title></rect>\n",
      x, frame.y(bar.value), width, std::max(0.0, frame.y(0) - frame.y(bar.value)),
      escaped(bar.label), bar.value, bar.half_width);
  if (bar.half_width > 0)
    result += fmt::format(
        "<path d=\"M{0:.1f} {1:.1f}V{2:.1f}M{3:.1f} {1:.1f}h6M{3:.1f} {2:.1f}h6\" "
        "class=\"whisker\"/>\n",
        middle, frame.y(bar.value + bar.half_width),
        frame.y(std::max(0.0, bar.value - bar.half_width)), middle - 3);
  result += text_at(middle, frame.y(bar.value + bar.half_width) - 5, "value small middle",
                    fmt::format("{:.1f}", bar.value));
  result += text_at(middle, frame.y(0) + 13, "tick small middle", bar.label);
  return result;
}

double total_of(const std::vector<std::uint64_t>& counts) {
  return static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}));
}

std::vector<double> shares_of(const std::vector<std::uint64_t>& counts) {
  const double total = std::max(1.0, total_of(counts));
  std::vector<double> shares;
  for (const std::uint64_t count : counts)
    shares.push_back(100 * static_cast<double>(count) / total);
  return shares;
}

// Bins [first, last) that hold anything, with one empty bin at either side.
std::pair<std::size_t, std::size_t> filled_bins(const HistogramPair& chart) {
  const std::size_t bins = std::min(chart.hits.size(), chart.misses.size());
  std::size_t first = bins, last = 0;
  for (std::size_t i = 0; i < bins; ++i) {
    if (chart.hits[i] + chart.misses[i] == 0) continue;
    first = std::min(first, i);
    last = i + 1;
  }
  if (first >= last) return {0, bins};
  return {first == 0 ? 0 : first - 1, std::min(bins, last + 1)};
}

// A filled outline of steps, one a bin.
std::string step_shape(const Frame& frame, std::span<const double> shares, const char* style) {
  const double width = frame.plot_width() / static_cast<double>(shares.size());
  std::string path = fmt::format("M{:.1f} {:.1f}", frame.left, frame.y(0));
  for (const double share : shares) path += fmt::format("V{:.1f}h{:.2f}", frame.y(share), width);
  return fmt::format("<path d=\"{}V{:.1f}Z\" class=\"shape {}\"/>\n", path, frame.y(0), style);
}

}  // namespace

std::string bar_chart(std::span<const BarGroup> groups, const std::string& description) {
  Frame frame;
  frame.height = 240;
  frame.bottom = 44;
  double highest = 1;
  std::size_t bars = 0;
  for (const BarGroup& group : groups)
    for (const Bar& bar : group.bars) {
      highest = std::max(highest, bar.value + bar.half_width);
      ++bars;
    }
  frame.high = highest * 1.1;
  std::string svg = open_svg(frame, description) + rules(frame, "", 4);
  // A gap as wide as a bar stands between groups and a third of one between bars.
  const double slots =
      static_cast<double>(bars) * 4 / 3 + static_cast<double>(groups.size()) * 2 / 3;
  const double width = frame.plot_width() / std::max(1.0, slots);
  double x = frame.left + width / 2;
  for (const BarGroup& group : groups) {
    const double start = x;
    for (const Bar& bar : group.bars) {
      svg += draw_bar(frame, bar, x, width);
      x += width * 4 / 3;
    }
    svg += text_at((start + x - width / 3) / 2, frame.height - 6, "group middle", group.name);
    x += width * 2 / 3;
  }
  return svg + "</svg>\n";
}

std::string line_chart(const LineChart& chart) {
  Frame frame;
  frame.height = 170;
  const auto [lowest, highest] = std::minmax_element(chart.y.begin(), chart.y.end());
  const double margin = std::max((*highest - *lowest) * 0.15, std::abs(*highest) * 0.01 + 1e-6);
  frame.low = *lowest - margin;
  frame.high = *highest + margin;
  const int first = chart.x.front(), last = chart.x.back();
  const auto x_of = [&](int x) {
    const double inset = 16;
    if (first == last) return frame.left + frame.plot_width() / 2;
    return frame.left + inset + (frame.plot_width() - 2 * inset) * (x - first) / (last - first);
  };
  std::string svg = open_svg(frame, chart.description) + rules(frame, "", 6);
  std::string path, points;
  const int label_every = std::max(1, (last - first + 1 + 11) / 12);
  for (std::size_t i = 0; i < chart.x.size(); ++i) {
    const double x = x_of(chart.x[i]), y = frame.y(chart.y[i]);
    path += fmt::format("{}{:.1f} {:.1f}", i == 0 ? "M" : "L", x, y);
    const bool marked = chart.x[i] == chart.marked;
    points += fmt::format(
        "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\" class=\"dot {}{}\"><title>{}: {:.{}f}"
        "</title></circle>\n",
        x, y, marked ? 5 : 3, chart.series, marked ? " marked" : "", chart.x[i], chart.y[i],
        chart.decimals + 1);
    if (marked || i == 0 || i + 1 == chart.x.size())
      points +=
          text_at(x, y - 9, "value middle", fmt::format("{:.{}f}", chart.y[i], chart.decimals));
    if ((chart.x[i] - first) % label_every == 0)
      points +=
          text_at(x, frame.height - frame.bottom + 15, "tick middle", std::to_string(chart.x[i]));
  }
  svg += fmt::format("<path d=\"{}\" class=\"line {}\"/>\n", path, chart.series) + points;
  svg += text_at(frame.left + frame.plot_width() / 2, frame.height - 3, "tick middle", "epoch");
  return svg + "</svg>\n";
}

std::string histogram_chart(const HistogramPair& chart) {
  const auto [first, last] = filled_bins(chart);
  const std::vector<double> hits = shares_of(chart.hits), misses = shares_of(chart.misses);
  const std::span<const double> shown_hits = std::span(hits).subspan(first, last - first);
  const std::span<const double> shown_misses = std::span(misses).subspan(first, last - first);
  Frame frame;
  frame.height = 290;
  frame.high = 1.08 * std::max({1.0, *std::max_element(shown_hits.begin(), shown_hits.end()),
                                *std::max_element(shown_misses.begin(), shown_misses.end())});
  std::string svg = open_svg(frame, chart.description) + rules(frame, "%", 4);
  svg += step_shape(frame, shown_misses, "second") + step_shape(frame, shown_hits, "accent");
  const double bin = (chart.high - chart.low) / static_cast<double>(hits.size());
  const double low = chart.low + bin * static_cast<double>(first);
  const double high = chart.low + bin * static_cast<double>(last);
  const double step = round_step(high - low, 6);
  for (double v = std::ceil(low / step - 1e-9) * step; v <= high + step * 1e-6; v += step)
    svg += text_at(frame.left + frame.plot_width() * (v - low) / (high - low),
                   frame.height - frame.bottom + 15, "tick middle", tick_text(v, step));
  svg += text_at(frame.left + frame.plot_width() / 2, frame.height - 4, "tick middle", "score");
  return svg + "</svg>\n";
}

}  // namespace dexter
