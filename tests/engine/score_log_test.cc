// Scores kept on disk.
#include "engine/score_log.h"

#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace dexter {
namespace {

using testing::read_bytes;
using testing::TempDir;
using testing::write_bytes;

TEST(ScoreLog, KeepsWhatWasFlushedToTheLastBit) {
  const TempDir folder;
  ScoreLog log(folder / "scores");
  EXPECT_EQ(log.size(), 0U);
  log.add(7, -1.0 / 3);
  log.add(~0ULL, 1e-300);
  log.flush();
  log.add(7, 0.1);  // the newer one counts
  log.flush();
  log.add(9, 1);  // never flushed
  const ScoreLog read(folder / "scores");
  EXPECT_EQ(read.size(), 2U);
  EXPECT_EQ(read.find(7), 0.1);
  EXPECT_EQ(read.find(~0ULL), 1e-300);
  EXPECT_EQ(read.find(9), std::nullopt);
}

// Cut at every byte of the last line the earlier one stands, and what is added then stands too.
TEST(ScoreLog, LosesNoMoreThanTheLineThatAKillCutShort) {
  const TempDir folder;
  {
    ScoreLog log(folder / "whole");
    log.add(1, 0.5);
    log.add(2, 0.25);
    log.flush();
  }
  const std::string bytes = read_bytes(folder / "whole");
  const std::size_t first = bytes.find('\n') + 1;
  for (std::size_t size = first; size < bytes.size(); ++size) {
    write_bytes(folder / "cut", bytes.substr(0, size));
    ScoreLog log(folder / "cut");
    EXPECT_EQ(log.find(1), 0.5);
    const bool only_the_end_is_missing = size + 1 == bytes.size();
    EXPECT_EQ(log.find(2).has_value(), only_the_end_is_missing) << size;
    log.add(3, 4);
    log.flush();
    const ScoreLog again(folder / "cut");
    EXPECT_EQ(again.find(1), 0.5);
    EXPECT_EQ(again.find(3), 4);
  }
}

TEST(ScoreLog, PassesOverALineThatIsNotAsItWasWritten) {
  const TempDir folder;
  ScoreLog log(folder / "scores");
  log.add(1, 0.5);
  log.add(2, 0.25);
  log.flush();
  std::string bytes = read_bytes(folder / "scores");
  bytes[bytes.find("0.5")] = '9';
  write_bytes(folder / "scores", bytes);
  const ScoreLog read(folder / "scores");
  EXPECT_EQ(read.find(1), std::nullopt);
  EXPECT_EQ(read.find(2), 0.25);
}

}  // namespace
}  // namespace dexter
