#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace dexter {

// Lines of a file descriptor in batches: as many as are there, so that a slow writer is answered
// line by line and a file in full batches. A line keeps no end (LF or CRLF). One caller.
class InputLines {
 public:
  explicit InputLines(int descriptor) : descriptor_(descriptor) {}

  // Waits for at least one line, then takes up to `most` without waiting. False at the end. Errors:
  // kIo; kInvalidInput for a line of more than 16 MiB.
  bool next(std::vector<std::string>& lines, std::size_t most);

 private:
  bool take_line(std::vector<std::string>& lines);
  void read_more();
  bool more_is_there() const;

  int descriptor_;
  bool ended_ = false;
  std::string buffer_;
  std::size_t begin_ = 0;     // of the first line not yet taken
  std::size_t searched_ = 0;  // no line end in [begin_, searched_)
  std::uint64_t line_ = 0;
};

}  // namespace dexter
