// Where a run speaks to its user: results on standard output, the rest on standard error.
#include "tools/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <clocale>
#include <cmath>
#include <cstring>
#include <utility>

#include <langinfo.h>

#include <spdlog/fmt/fmt.h>

#include "tools/figures.h"

namespace dexter {
namespace {

constexpr std::chrono::milliseconds kRedraw{100};
constexpr std::chrono::seconds kPlainLine{5};
constexpr std::size_t kFlushAt = std::size_t{1} << 16;
// A narrow terminal shows the figures rather than the bar.
constexpr std::size_t bar_columns(std::size_t columns) {
  return columns >= 100 ? 24 : columns >= 70 ? 10 : 0;
}

bool speaks_utf8() {
  std::setlocale(LC_CTYPE, "");
  return std::strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

// Writes all of `text`; the error number, or 0.
int write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

std::string amount_of(std::uint64_t done, std::uint64_t total, std::string_view unit) {
  if (unit == "bytes")
    return total == 0 ? size_of(done) : fmt::format("{} / {}", size_of(done), size_of(total));
  return total == 0 ? fmt::format("{} {}", thousands(done), unit)
                    : fmt::format("{} / {} {}", thousands(done), thousands(total), unit);
}

std::string speed_of(double per_second, std::string_view unit) {
  if (unit == "bytes") return size_of(static_cast<std::uint64_t>(per_second)) + "/s";
  return rate_of(per_second) + "/s";
}

// Whole seconds: a forecast has no more.
std::string time_left(std::uint64_t to_do, double per_second) {
  const double seconds = std::ceil(static_cast<double>(to_do) / per_second);
  return (seconds < 60 ? fmt::format("{:.0f} s", seconds) : duration_of(seconds)) + " left";
}

double seconds_between(std::chrono::steady_clock::time_point from,
                       std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

Terminal::Terminal()
    : output_is_terminal_(::isatty(STDOUT_FILENO) == 1),
      error_is_terminal_(::isatty(STDERR_FILENO) == 1),
      unicode_(speaks_utf8()) {}

Terminal::~Terminal() { clear_bar(); }

void Terminal::print(std::string_view text) {
  clear_bar();
  output_ += text;
  if (output_is_terminal_ || output_.size() >= kFlushAt) flush();
}

void Terminal::flush() {
  const std::string pending = std::exchange(output_, {});
  const int error = write_all(STDOUT_FILENO, pending);
  if (error == EPIPE) throw OutputClosed{};
  if (error != 0)
    throw Error(
        ErrorKind::kIo,
        fmt::format("writing {} bytes to standard output failed: {}; free the disk or choose "
                    "another file",
                    pending.size(), std::strerror(error)));
}

void Terminal::remark(std::string_view line) {
  if (!quiet_) warn(line);
}

void Terminal::warn(std::string_view line) {
  clear_bar();
  write_error(std::string(line) + '\n');
}

void Terminal::fail(std::string_view line) {
  clear_bar();
  in_stage_ = false;
  write_error(std::string(line) + '\n');
}

std::size_t Terminal::columns() const {
  winsize size{};
  const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

void Terminal::show(const ProgressEvent& event) {
  if (quiet_) return;
  if (!in_stage_ || event.stage != stage_) {
    finish_stage();
    begin_stage(event);
  }
  done_ = event.done;
  total_ = event.total;
  note_ = event.note;
  const auto now = Clock::now();
  if (error_is_terminal_ && now - last_shown_ >= kRedraw) draw_bar(now);
  if (!error_is_terminal_ && now - last_shown_ >= kPlainLine) print_step(now);
}

void Terminal::begin_stage(const ProgressEvent& event) {
  in_stage_ = true;
  stage_ = event.stage;
  unit_ = event.unit;
  first_done_ = event.done;
  stage_start_ = Clock::now();
  // A bar appears at once, a plain line only for a stage that lasts.
  last_shown_ = error_is_terminal_ ? stage_start_ - kRedraw : stage_start_;
}

void Terminal::draw_bar(Clock::time_point now) {
  last_shown_ = now;
  const double elapsed = seconds_between(stage_start_, now);
  const double rate =
      elapsed > 0 ? static_cast<double>(done_ - std::min(done_, first_done_)) / elapsed : 0;
  std::string line = stage_ + "  ";
  if (total_ > 0) {
    const std::size_t width = bar_columns(columns());
    const std::size_t filled = std::min<std::size_t>(width, width * done_ / total_);
    for (std::size_t i = 0; i < width; ++i)
      line += i < filled ? (unicode_ ? "━" : "#") : (unicode_ ? "╌" : ".");
    line += fmt::format("  {:>5}", percent_of(std::min(done_, total_), total_));
  }
  line += "  " + amount_of(done_, total_, unit_);
  if (rate > 0) line += "  " + speed_of(rate, unit_);
  if (rate > 0 && total_ > done_ && elapsed >= 1) line += "  " + time_left(total_ - done_, rate);
  if (!note_.empty()) line += "  " + note_;
  write_error(fmt::format("\r{}\x1b[K", clipped(line, columns() - 1)));
  bar_drawn_ = true;
}

void Terminal::print_step(Clock::time_point now) {
  last_shown_ = now;
  const double elapsed = seconds_between(stage_start_, now);
  const double rate =
      elapsed > 0 ? static_cast<double>(done_ - std::min(done_, first_done_)) / elapsed : 0;
  std::string line = fmt::format("{}: {}", stage_, amount_of(done_, total_, unit_));
  if (total_ > 0) line += fmt::format(" ({})", percent_of(std::min(done_, total_), total_));
  if (rate > 0) line += ", " + speed_of(rate, unit_);
  if (rate > 0 && total_ > done_) line += ", " + time_left(total_ - done_, rate);
  if (!note_.empty()) line += ", " + note_;
  write_error(line + '\n');
}

void Terminal::finish_stage() {
  if (!in_stage_) return;
  in_stage_ = false;
  clear_bar();
  if (quiet_) return;
  const double elapsed = seconds_between(stage_start_, Clock::now());
  std::string line = stage_ + ": ";
  if (done_ > 0) line += amount_of(done_, 0, unit_) + " in ";
  line += duration_of(elapsed);
  if (done_ > 0 && elapsed >= 1)
    line += fmt::format(" ({})", speed_of(static_cast<double>(done_) / elapsed, unit_));
  if (!note_.empty()) line += ", " + note_;
  write_error(line + '\n');
}

void Terminal::drop_stage() {
  clear_bar();
  in_stage_ = false;
}

void Terminal::clear_bar() {
  if (!bar_drawn_) return;
  bar_drawn_ = false;
  write_error("\r\x1b[K");
}

void Terminal::write_error(std::string_view text) {
  // Standard error that cannot be written leaves nobody to tell.
  static_cast<void>(write_all(STDERR_FILENO, text));
}

}  // namespace dexter
