#pragma once

#include <atomic>
#include <stop_token>
#include <thread>

namespace dexter {

// SIGINT and SIGTERM of this process, taken by one waiting thread, so that no handler runs between
// two instructions of the work. Until `ask_to_stop` a signal ends the process at once; after it the
// first signal requests a stop and says so, and the second ends the process. SIGPIPE is ignored: a
// write reports it. Make it first in main, before any other thread: threads inherit the blocked
// signals.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  std::stop_token ask_to_stop();

 private:
  void wait(std::stop_token ended);

  std::stop_source source_;
  std::atomic<bool> graceful_ = false;
  // last, so that it ends before anything it uses is destroyed
  std::jthread watcher_;
};

}  // namespace dexter
