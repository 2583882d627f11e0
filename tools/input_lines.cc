// Standard input, line by line.
#include "tools/input_lines.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <spdlog/fmt/fmt.h>

#include "storage/error.h"

namespace dexter {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 16;
constexpr std::size_t kLongestLine = std::size_t{16} << 20;

}  // namespace

bool InputLines::next(std::vector<std::string>& lines, std::size_t most) {
  lines.clear();
  while (lines.size() < most) {
    if (take_line(lines)) continue;
    if (ended_ || (!lines.empty() && !more_is_there())) break;
    read_more();
  }
  return !lines.empty();
}

bool InputLines::take_line(std::vector<std::string>& lines) {
  std::size_t end = buffer_.find('\n', searched_);
  const bool last = end == std::string::npos && ended_ && begin_ < buffer_.size();
  if (last) end = buffer_.size();
  if (end == std::string::npos) {
    searched_ = buffer_.size();
    if (buffer_.size() - begin_ > kLongestLine)
      throw Error(ErrorKind::kInvalidInput,
                  fmt::format("standard input:{}: the line is longer than {} bytes; break it up",
                              line_ + 1, kLongestLine));
    return false;
  }
  std::string line = buffer_.substr(begin_, end - begin_);
  if (!line.empty() && line.back() == '\r') line.pop_back();
  lines.push_back(std::move(line));
  ++line_;
  begin_ = searched_ = last ? end : end + 1;
  return true;
}

void InputLines::read_more() {
  buffer_.erase(0, begin_);
  searched_ -= begin_;
  begin_ = 0;
  const std::size_t size = buffer_.size();
  buffer_.resize(size + kPiece);
  ssize_t count = 0;
  do {
    count = ::read(descriptor_, buffer_.data() + size, kPiece);
  } while (count < 0 && errno == EINTR);
  buffer_.resize(size + (count > 0 ? static_cast<std::size_t>(count) : 0));
  if (count < 0)
    throw Error(ErrorKind::kIo, fmt::format("reading standard input after line {} failed: {}",
                                            line_, std::strerror(errno)));
  ended_ = count == 0;
}

bool InputLines::more_is_there() const {
  pollfd waiting{.fd = descriptor_, .events = POLLIN, .revents = 0};
  return ::poll(&waiting, 1, 0) == 1;
}

}  // namespace dexter
