#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "storage/progress.h"

namespace dexter {

// Thrown when nobody reads standard output any more (`dexter query | head`): ends the run quietly.
struct OutputClosed {};

// Standard output for results, standard error for everything said on the way: progress, warnings,
// remarks. Progress is a bar that is redrawn at most ten times a second where standard error is a
// terminal, and plain lines, one in five seconds at most and one at the end of each stage, where it
// is not. One caller.
class Terminal {
 public:
  Terminal();
  ~Terminal();  // clears a bar that is still drawn
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  // No progress and no remarks from now on; results, warnings and errors stay.
  void be_quiet() { quiet_ = true; }

  // Results. Buffered; `flush` and the end of the run write them. Throw OutputClosed, or kIo.
  void print(std::string_view text);
  void flush();
  // One line each, the newline is added.
  void remark(std::string_view line);
  void warn(std::string_view line);
  void fail(std::string_view line);

  void show(const ProgressEvent& event);
  // Closes the running stage with its line: what was done, in what time, how fast.
  void finish_stage();
  // Ends the running stage without a line, where the result says the same.
  void drop_stage();

  bool error_is_terminal() const { return error_is_terminal_; }
  bool output_is_terminal() const { return output_is_terminal_; }
  std::size_t columns() const;

 private:
  using Clock = std::chrono::steady_clock;

  void begin_stage(const ProgressEvent& event);
  void draw_bar(Clock::time_point now);
  void print_step(Clock::time_point now);
  void clear_bar();
  void write_error(std::string_view text);

  // constant after construction
  const bool output_is_terminal_;
  const bool error_is_terminal_;
  const bool unicode_;
  // changed by the one caller
  bool quiet_ = false;
  bool bar_drawn_ = false;
  bool in_stage_ = false;
  std::string output_;
  std::string stage_;
  std::string unit_;
  std::string note_;
  std::uint64_t done_ = 0;
  std::uint64_t total_ = 0;
  std::uint64_t first_done_ = 0;
  Clock::time_point stage_start_;
  Clock::time_point last_shown_;
};

}  // namespace dexter
