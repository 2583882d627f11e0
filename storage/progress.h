#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "storage/error.h"

namespace dexter {

// One step of a long operation. `total` is 0 where it is not known in advance.
struct ProgressEvent {
  std::string_view stage;  // "reading train.jsonl", "encoding labels"
  std::uint64_t done = 0;
  std::uint64_t total = 0;
  std::string_view unit = "documents";
  std::string note = {};  // figures of the moment: "loss 2.31"
};

// How a long operation reports and is stopped. Both may be empty. `report` is called from the
// calling thread, often (the receiver thins it out), and must not throw.
struct Progress {
  std::function<void(const ProgressEvent&)> report;
  // Called for a thing the user must read even when the operation goes on: a skipped line.
  std::function<void(const std::string&)> warn;
  std::stop_token stop;

  void update(const ProgressEvent& event) const {
    if (report) report(event);
  }
  void warning(const std::string& message) const {
    if (warn) warn(message);
  }
  // Throws kInterrupted once a stop was asked for.
  void check(std::string_view what) const {
    if (stop.stop_requested())
      throw Error(ErrorKind::kInterrupted, std::string(what) + " was interrupted");
  }
};

}  // namespace dexter
