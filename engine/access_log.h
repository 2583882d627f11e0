#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace dexter {

// One answered request, as its line tells it.
struct AccessEntry {
  std::string_view method;
  std::string_view route;  // the pattern, not what stood in it
  int status = 0;
  double ms = 0;
  std::size_t bytes = 0;  // of the reply's body
  std::string_view request_id;
  std::string_view trace_id;  // empty: none
  std::string_view body;      // of the request; empty where texts are not to be logged
};

// Lines of "access method=POST route=/v1/query status=200 ms=0.412 bytes=310 id=..." among the log
// lines, written by a thread of its own, so that no request waits for who reads the log; where that
// one is too slow the oldest lines are lost. Safe from many threads.
class AccessLog {
 public:
  AccessLog();
  ~AccessLog();  // writes what waits
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

  void write(const AccessEntry& entry);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The line of an entry.
std::string access_line(const AccessEntry& entry);

}  // namespace dexter
