#include "tools/terminal.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace dexter {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// A container may come without.
bool has_pseudo_terminal() {
  const int end = ::posix_openpt(O_RDWR | O_NOCTTY);
  const bool works = end >= 0 && ::grantpt(end) == 0 && ::unlockpt(end) == 0;
  if (end >= 0) ::close(end);
  return works;
}

// Standard error goes to a pipe or to a pseudo-terminal of 60 columns until `text` is asked for.
class CapturedError {
 public:
  enum class Kind { kPipe, kTerminal };

  explicit CapturedError(Kind kind) : saved_(::dup(STDERR_FILENO)) {
    int writing_end = -1;
    if (kind == Kind::kPipe) {
      std::array<int, 2> ends{};
      if (::pipe(ends.data()) != 0) throw std::runtime_error("no pipe");
      reading_end_ = ends[0];
      writing_end = ends[1];
    } else {
      reading_end_ = ::posix_openpt(O_RDWR | O_NOCTTY);
      if (::grantpt(reading_end_) != 0 || ::unlockpt(reading_end_) != 0)
        throw std::runtime_error("no pseudo-terminal");
      writing_end = ::open(::ptsname(reading_end_), O_RDWR | O_NOCTTY);
      const winsize size{.ws_row = 24, .ws_col = 60, .ws_xpixel = 0, .ws_ypixel = 0};
      ::ioctl(writing_end, TIOCSWINSZ, &size);
    }
    ::dup2(writing_end, STDERR_FILENO);
    ::close(writing_end);
  }
  ~CapturedError() { restore(); }

  std::string text() {
    ::fcntl(reading_end_, F_SETFL, O_NONBLOCK);
    std::string all;
    std::array<char, 4096> buffer;
    ssize_t count = 0;
    while ((count = ::read(reading_end_, buffer.data(), buffer.size())) > 0)
      all.append(buffer.data(), static_cast<std::size_t>(count));
    restore();
    return all;
  }

 private:
  void restore() {
    if (saved_ < 0) return;
    ::dup2(saved_, STDERR_FILENO);
    ::close(saved_);
    ::close(reading_end_);
    saved_ = -1;
  }

  int saved_;
  int reading_end_ = -1;
};

ProgressEvent event(std::uint64_t done, std::uint64_t total) {
  return {
      .stage = "reading a.jsonl", .done = done, .total = total, .unit = "documents", .note = ""};
}

TEST(Terminal, RedrawsABarNoOftenerThanTheEyeFollows) {
  if (!has_pseudo_terminal()) GTEST_SKIP() << "this machine has no pseudo-terminal";
  CapturedError error(CapturedError::Kind::kTerminal);
  Terminal terminal;
  for (std::uint64_t done = 1; done <= 100; ++done) terminal.show(event(done, 1000));
  const std::string text = error.text();
  EXPECT_THAT(text, HasSubstr("\rreading a.jsonl  "));
  EXPECT_THAT(text, HasSubstr("1 / 1,000"));
  EXPECT_LE(std::count(text.begin(), text.end(), '\r'), 3);  // 100 events within a moment
}

TEST(Terminal, KeepsABarWithinItsLine) {
  if (!has_pseudo_terminal()) GTEST_SKIP() << "this machine has no pseudo-terminal";
  CapturedError error(CapturedError::Kind::kTerminal);
  Terminal terminal;
  ProgressEvent wide = event(123456789, 987654321);
  wide.note = "a remark that is much too long for what is left of the line";
  terminal.show(wide);
  const std::string text = error.text();
  const std::size_t end = text.find("\x1b[K");
  ASSERT_NE(end, std::string::npos);
  const auto code_points =
      std::count_if(text.begin() + 1, text.begin() + static_cast<std::ptrdiff_t>(end),
                    [](char c) { return (c & 0xC0) != 0x80; });
  EXPECT_LE(code_points, 59);
}

TEST(Terminal, WipesTheBarBeforeAnythingElseIsSaid) {
  if (!has_pseudo_terminal()) GTEST_SKIP() << "this machine has no pseudo-terminal";
  CapturedError error(CapturedError::Kind::kTerminal);
  Terminal terminal;
  terminal.show(event(1, 2));
  terminal.warn("careful");
  EXPECT_THAT(error.text(), HasSubstr("\x1b[K\r\x1b[Kcareful\r\n"));
}

TEST(Terminal, WritesALineAtTheEndOfEachStageWhereThereIsNoTerminal) {
  CapturedError error(CapturedError::Kind::kPipe);
  Terminal terminal;
  for (std::uint64_t done = 1; done <= 1234; ++done) terminal.show(event(done, 1234));
  ProgressEvent next = event(1, 0);
  next.stage = "committing";
  terminal.show(next);
  terminal.drop_stage();
  const std::string text = error.text();
  EXPECT_THAT(text, HasSubstr("reading a.jsonl: 1,234 documents in "));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_THAT(text, Not(HasSubstr("\r")));
}

TEST(Terminal, SaysOnlyWhatMustBeSaidWhenQuiet) {
  CapturedError error(CapturedError::Kind::kPipe);
  Terminal terminal;
  terminal.be_quiet();
  terminal.show(event(1, 2));
  terminal.finish_stage();
  terminal.remark("by the way");
  terminal.warn("careful");
  EXPECT_EQ(error.text(), "careful\n");
}

}  // namespace
}  // namespace dexter
