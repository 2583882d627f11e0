#include "engine/history.h"

#include <gtest/gtest.h>

#include "tests/support/expect_error.h"

namespace dexter {
namespace {

TEST(History, SurvivesJson) {
  TrainReport report;
  report.encoder.fingerprint = "0123456789abcdef";
  report.best_epoch = 2;
  report.stopped_early = true;
  report.seconds = 301.5;
  report.history = {{1, 5.25, 30.5, 12.5, 0.01, 100.5, 5900.25, 1u << 30},
                    {2, 4.125, 36.75, 16, 0, 101, 6000, 0xFFFFFFFFFF}};
  report.history[0].pretraining = true;
  report.history[1].waiting = 0.75;
  report.history[1].band_shares = {0.125, 0.25, 0.625};
  const TrainReport read = train_report_from_json(to_json(report));
  EXPECT_EQ(read.encoder.fingerprint, report.encoder.fingerprint);
  EXPECT_EQ(read.best_epoch, 2);
  EXPECT_TRUE(read.stopped_early);
  EXPECT_FALSE(read.resumed);
  EXPECT_DOUBLE_EQ(read.seconds, 301.5);
  ASSERT_EQ(read.history.size(), 2u);
  const EpochRecord& epoch = read.history[1];
  EXPECT_EQ(epoch.epoch, 2);
  EXPECT_DOUBLE_EQ(epoch.loss, 4.125);
  EXPECT_DOUBLE_EQ(epoch.validation_p1, 36.75);
  EXPECT_DOUBLE_EQ(epoch.validation_p5, 16);
  EXPECT_DOUBLE_EQ(epoch.learning_rate, 0);
  EXPECT_DOUBLE_EQ(epoch.seconds, 101);
  EXPECT_DOUBLE_EQ(epoch.documents_per_second, 6000);
  EXPECT_EQ(epoch.resident_bytes, 0xFFFFFFFFFFu);
  EXPECT_EQ(epoch.band_shares, report.history[1].band_shares);
  EXPECT_DOUBLE_EQ(epoch.waiting, 0.75);
  EXPECT_FALSE(epoch.pretraining);
  EXPECT_TRUE(read.history[0].pretraining);
}

TEST(History, RefusesWhatItDidNotWrite) {
  for (const char* json :
       {"", "[]", "{}", R"({"fingerprint": 3})", R"({"fingerprint": "a", "epochs": 1})"})
    testing::expect_error(
        ErrorKind::kCorrupt, [&] { train_report_from_json(json); }, "history", "train again");
}

}  // namespace
}  // namespace dexter
