#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>

namespace dexter {

// SIGINT and SIGTERM of this process, taken by one waiting thread, so that no handler runs between
// two instructions of the work. Until `ask_to_stop` a signal ends the process at once; after it the
// first signal requests a stop and says so, and the second ends the process. SIGPIPE is ignored: a
// write reports it. SIGHUP runs what
// `on_hangup` was given, else it does what it always does. Make it first in main, before any other
// thread: threads inherit the blocked signals.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  std::stop_token ask_to_stop();
  // Runs `action` on the waiting thread at each SIGHUP; empty: as before. When it returns no former
  // action is running.
  void on_hangup(std::function<void()> action);

 private:
  void hang_up();
  void wait(std::stop_token ended);

  std::stop_source source_;
  std::atomic<bool> graceful_ = false;
  std::mutex mutex_;
  std::function<void()> hangup_;  // guarded by mutex_
  // last, so that it ends before anything it uses is destroyed
  std::jthread watcher_;
};

}  // namespace dexter
