#include "tools/input_lines.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <array>
#include <string_view>
#include <thread>

#include "storage/error.h"

namespace dexter {
namespace {

using ::testing::ElementsAre;

// A pipe whose writing end is closed by `close` or the end of the test.
class TestPipe {
 public:
  TestPipe() { EXPECT_EQ(::pipe(ends_.data()), 0); }
  ~TestPipe() {
    close();
    ::close(ends_[0]);
  }
  void write(std::string_view text) {
    EXPECT_EQ(::write(ends_[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void close() {
    if (open_) ::close(ends_[1]);
    open_ = false;
  }
  int reading_end() const { return ends_[0]; }

 private:
  std::array<int, 2> ends_{};
  bool open_ = true;
};

TEST(InputLines, GivesTheLinesThatAreThereWithoutWaitingForMore) {
  TestPipe pipe;
  pipe.write("one\ntwo\nthr");
  InputLines input(pipe.reading_end());
  std::vector<std::string> lines;
  ASSERT_TRUE(input.next(lines, 10));  // the writer is still open: waiting for more would never end
  EXPECT_THAT(lines, ElementsAre("one", "two"));
  pipe.write("ee\n");
  ASSERT_TRUE(input.next(lines, 10));
  EXPECT_THAT(lines, ElementsAre("three"));
}

TEST(InputLines, StopsAtTheMostThatWasAskedFor) {
  TestPipe pipe;
  pipe.write("1\n2\n3\n");
  pipe.close();
  InputLines input(pipe.reading_end());
  std::vector<std::string> lines;
  ASSERT_TRUE(input.next(lines, 2));
  EXPECT_THAT(lines, ElementsAre("1", "2"));
  ASSERT_TRUE(input.next(lines, 2));
  EXPECT_THAT(lines, ElementsAre("3"));
  EXPECT_FALSE(input.next(lines, 2));
}

TEST(InputLines, KeepsBlankLinesAndDropsCarriageReturns) {
  TestPipe pipe;
  pipe.write("a\r\n\nlast without an end");
  pipe.close();
  InputLines input(pipe.reading_end());
  std::vector<std::string> lines;
  ASSERT_TRUE(input.next(lines, 10));
  EXPECT_THAT(lines, ElementsAre("a", "", "last without an end"));
}

TEST(InputLines, IsOverAtOnceForAnEmptyInput) {
  TestPipe pipe;
  pipe.close();
  InputLines input(pipe.reading_end());
  std::vector<std::string> lines;
  EXPECT_FALSE(input.next(lines, 10));
}

TEST(InputLines, RefusesALineThatWouldFillTheMemory) {
  TestPipe pipe;
  std::jthread writer([&] {
    const std::string piece(1 << 16, 'x');
    for (int i = 0; i < 17 * 16; ++i) pipe.write(piece);  // 17 MiB without a line end
    pipe.close();
  });
  InputLines input(pipe.reading_end());
  std::vector<std::string> lines;
  EXPECT_THROW(input.next(lines, 10), Error);
  std::array<char, 1 << 16> rest;
  while (::read(pipe.reading_end(), rest.data(), rest.size()) > 0) {
  }
}

}  // namespace
}  // namespace dexter
