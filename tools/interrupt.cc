// Ctrl-C as a request, then as an order.
#include "tools/interrupt.h"

#include <pthread.h>
#include <unistd.h>
#include <csignal>
#include <string_view>
#include <utility>

#include "tools/verb.h"

namespace dexter {
namespace {

constexpr int kWake = SIGUSR1;  // ends the wait at the end of the run

sigset_t watched_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, kWake}) sigaddset(&set, signal);
  return set;
}

void say(std::string_view text) {
  static_cast<void>(!::write(STDERR_FILENO, text.data(), text.size()));
}

}  // namespace

Interrupt::Interrupt() {
  std::signal(SIGPIPE, SIG_IGN);
  const sigset_t set = watched_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  watcher_ = std::jthread([this](std::stop_token ended) { wait(ended); });
}

Interrupt::~Interrupt() {
  watcher_.request_stop();
  pthread_kill(watcher_.native_handle(), kWake);
}

std::stop_token Interrupt::ask_to_stop() {
  graceful_ = true;
  return source_.get_token();
}

void Interrupt::on_hangup(std::function<void()> action) {
  const std::lock_guard lock(mutex_);
  hangup_ = std::move(action);
}

void Interrupt::hang_up() {
  const std::lock_guard lock(mutex_);
  if (hangup_) return hangup_();
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGHUP);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  std::raise(SIGHUP);  // ends the process unless it was started to ignore it
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

void Interrupt::wait(std::stop_token ended) {
  const sigset_t set = watched_signals();
  while (!ended.stop_requested()) {
    int signal = 0;
    if (sigwait(&set, &signal) != 0 || signal == kWake) continue;
    if (signal == SIGHUP) {
      hang_up();
      continue;
    }
    if (!graceful_ || source_.stop_requested()) {
      if (::isatty(STDERR_FILENO) == 1) say("\n");  // off the line of a bar
      ::_exit(static_cast<int>(ExitCode::kInterrupted));
    }
    source_.request_stop();
    say("\nstopping at the next safe point; Ctrl-C again ends it at once\n");
  }
}

}  // namespace dexter
