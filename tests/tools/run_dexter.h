#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace dexter::testing {

// How a run of the binary ended.
struct Outcome {
  int code = -1;   // exit code; -1 when a signal ended it
  int signal = 0;  // 0 when it exited
  std::string out;
  std::string err;
};

struct RunOptions {
  std::string input = {};                       // standard input
  std::map<std::string, std::string> env = {};  // set beside the test's own
  std::filesystem::path folder = {};            // working folder; the test's own where empty
};

// A running `dexter`, the binary that was built with the tests. Destroyed while running it is
// killed.
class Process {
 public:
  Process(const std::vector<std::string>& arguments, const RunOptions& options = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void send(int signal);
  // Writes to its standard input, which `input` was not given for.
  void write_input(std::string_view text);
  // Reads until standard error (or standard output) holds `text`; false when the run ended without
  // it.
  bool wait_for_error(std::string_view text) { return wait_for(err_, text); }
  bool wait_for_output(std::string_view text) { return wait_for(out_, text); }
  const std::string& error_so_far() const { return err_.text; }
  // Whether the run ends in that time.
  bool ends_within(std::chrono::milliseconds time);
  Outcome finish();

 private:
  struct Stream {
    int descriptor = -1;
    std::string text;
  };
  bool wait_for(Stream& stream, std::string_view text);
  bool read_some(int timeout_ms = -1);

  pid_t pid_ = -1;
  int input_ = -1;
  Stream out_;
  Stream err_;
};

Outcome run(const std::vector<std::string>& arguments, const RunOptions& options = {});

// Runs and expects exit code 0; throws with what was printed otherwise.
Outcome run_ok(const std::vector<std::string>& arguments, const RunOptions& options = {});

}  // namespace dexter::testing
