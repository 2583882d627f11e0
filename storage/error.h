#pragma once

#include <stdexcept>
#include <string>

namespace dexter {

// What went wrong, as a caller can act on it. tools/main.cc maps a kind to an exit code.
enum class ErrorKind {
  kInvalidInput,  // the caller's text, file, option or argument; mend it and call again
  kNotFound,      // a named thing (store, label, file) is not there
  kCorrupt,       // bytes on disk fail their checksum or contradict each other
  kIncompatible,  // a newer format, another encoder, another dimension
  kUnavailable,   // another process holds the store, or a queue is full; try later
  kIo,            // the operating system refused: disk full, permission, read error
  kInterrupted,   // a stop was asked for; what was committed before it stands
  kInternal,      // our own mistake
};

// The only exception type dexter throws. A message has three parts: what was being done, what was
// found (both values), what to do.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const noexcept { return kind_; }

 private:
  ErrorKind kind_;
};

// Throws Error(kind, message) unless `condition` holds. For checks at public entries; build the
// message lazily with `if (!ok) throw Error(...)` where formatting it would cost in a loop.
inline void ensure(bool condition, ErrorKind kind, const std::string& message) {
  if (!condition) throw Error(kind, message);
}

}  // namespace dexter
