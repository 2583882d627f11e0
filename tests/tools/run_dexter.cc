// The binary as a user runs it: arguments, streams, signals, exit code.
#include "tests/tools/run_dexter.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <stdexcept>
#include <thread>
#include <utility>

namespace dexter::testing {
namespace {

struct Pipe {
  Pipe() {
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  }
  std::array<int, 2> ends{};
};

void write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // the reader went away, as a test may want
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

[[noreturn]] void become_dexter(std::vector<char*>& argv, const RunOptions& options) {
  for (const auto& [name, value] : options.env) ::setenv(name.c_str(), value.c_str(), 1);
  if (!options.folder.empty() && ::chdir(options.folder.c_str()) != 0) ::_exit(126);
  ::execv(DEXTER_BINARY, argv.data());
  ::_exit(127);
}

}  // namespace

Process::Process(const std::vector<std::string>& arguments, const RunOptions& options) {
  std::signal(SIGPIPE, SIG_IGN);  // a run may end before it has read its input
  std::vector<std::string> words = {DEXTER_BINARY};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const Pipe in;
  const Pipe out;
  const Pipe err;
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("no process");
  if (pid_ == 0) {
    std::signal(SIGPIPE, SIG_DFL);
    std::signal(SIGINT, SIG_DFL);
    ::dup2(in.ends[0], STDIN_FILENO);
    ::dup2(out.ends[1], STDOUT_FILENO);
    ::dup2(err.ends[1], STDERR_FILENO);
    become_dexter(argv, options);
  }
  for (const int end : {in.ends[0], out.ends[1], err.ends[1]}) ::close(end);
  input_ = in.ends[1];
  out_.descriptor = out.ends[0];
  err_.descriptor = err.ends[0];
  if (options.input.empty()) return;
  // Beside the reading, for an input and answers that are larger than the pipes.
  std::jthread feeder([descriptor = std::exchange(input_, -1), text = options.input] {
    write_all(descriptor, text);
    ::close(descriptor);
  });
  while (read_some()) {
  }
}

Process::~Process() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  for (const int descriptor : {input_, out_.descriptor, err_.descriptor})
    if (descriptor >= 0) ::close(descriptor);
}

void Process::send(int signal) { ::kill(pid_, signal); }

void Process::write_input(std::string_view text) { write_all(input_, text); }

bool Process::wait_for(Stream& stream, std::string_view text) {
  while (stream.text.find(text) == std::string::npos)
    if (!read_some()) return stream.text.find(text) != std::string::npos;
  return true;
}

bool Process::ends_within(std::chrono::milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    if (!read_some(static_cast<int>(left.count()))) return true;
  }
}

// Waits for either stream, no longer than the timeout; false once both have ended.
bool Process::read_some(int timeout_ms) {
  std::array<pollfd, 2> waiting = {
      {{out_.descriptor, POLLIN, 0}, {err_.descriptor, POLLIN, 0}}};  // -1 is passed over
  if (out_.descriptor < 0 && err_.descriptor < 0) return false;
  if (::poll(waiting.data(), waiting.size(), timeout_ms) < 0) return errno == EINTR;
  std::array<Stream*, 2> streams = {&out_, &err_};
  for (std::size_t i = 0; i < streams.size(); ++i) {
    if (waiting[i].revents == 0) continue;
    std::array<char, 65536> buffer;
    const ssize_t count = ::read(streams[i]->descriptor, buffer.data(), buffer.size());
    if (count > 0) {
      streams[i]->text.append(buffer.data(), static_cast<std::size_t>(count));
    } else {
      ::close(std::exchange(streams[i]->descriptor, -1));
    }
  }
  return true;
}

Outcome Process::finish() {
  if (input_ >= 0) ::close(std::exchange(input_, -1));
  while (read_some()) {
  }
  int status = 0;
  ::waitpid(std::exchange(pid_, -1), &status, 0);
  return {.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
          .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
          .out = std::move(out_.text),
          .err = std::move(err_.text)};
}

Outcome run(const std::vector<std::string>& arguments, const RunOptions& options) {
  return Process(arguments, options).finish();
}

Outcome run_ok(const std::vector<std::string>& arguments, const RunOptions& options) {
  Outcome outcome = run(arguments, options);
  if (outcome.code == 0) return outcome;
  std::string line = "dexter";
  for (const std::string& argument : arguments) line += ' ' + argument;
  throw std::runtime_error(line + " ended with " + std::to_string(outcome.code) + ", signal " +
                           std::to_string(outcome.signal) + ": " + outcome.err + outcome.out);
}

}  // namespace dexter::testing
