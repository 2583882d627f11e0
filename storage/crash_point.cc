#include "storage/crash_point.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace dexter {
namespace {

std::function<void(const char*)> watcher;

void append_line(const char* file, std::string_view name) {
  const int fd = ::open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd < 0) return;
  const std::string line = std::string(name) + "\n";
  [[maybe_unused]] const auto written = ::write(fd, line.data(), line.size());
  ::close(fd);
}

// Whether this is the visit that `wanted` ("NAME" or "NAME:N") names.
bool is_reached(std::string_view wanted, std::string_view name) {
  static std::mutex mutex;
  static std::map<std::string, int, std::less<>> visits;  // guarded by mutex
  int nth = 1;
  if (const auto colon = wanted.rfind(':'); colon != std::string_view::npos) {
    std::from_chars(wanted.data() + colon + 1, wanted.data() + wanted.size(), nth);
    wanted = wanted.substr(0, colon);
  }
  if (wanted != name) return false;
  const std::scoped_lock lock(mutex);
  return ++visits[std::string(name)] == nth;
}

}  // namespace

void watch_crash_points(std::function<void(const char* name)> visit) { watcher = std::move(visit); }

void crash_point(const char* name) {
  if (watcher) watcher(name);
  if (const char* list = std::getenv("DEXTER_CRASH_LIST")) append_line(list, name);
  const char* at = std::getenv("DEXTER_CRASH_AT");
  if (at != nullptr && is_reached(at, name)) ::kill(::getpid(), SIGKILL);
}

}  // namespace dexter
