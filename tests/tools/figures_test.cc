#include "tools/figures.h"

#include <gmock/gmock.h>

namespace dexter {
namespace {

TEST(Figures, ThousandsAreSeparatedByCommas) {
  EXPECT_EQ(thousands(0), "0");
  EXPECT_EQ(thousands(999), "999");
  EXPECT_EQ(thousands(1000), "1,000");
  EXPECT_EQ(thousands(590764), "590,764");
  EXPECT_EQ(thousands(18446744073709551615u), "18,446,744,073,709,551,615");
}

TEST(Figures, SizesTakeTheLargestUnitBelowThem) {
  EXPECT_EQ(size_of(0), "0 B");
  EXPECT_EQ(size_of(1023), "1023 B");
  EXPECT_EQ(size_of(1024), "1.0 KiB");
  EXPECT_EQ(size_of(1024 * 1024 - 1), "1.0 MiB");  // not "1024.0 KiB"
  EXPECT_EQ(size_of(1610612736), "1.5 GiB");
}

TEST(Figures, DurationsAreReadAtAGlance) {
  EXPECT_EQ(duration_of(0.0123), "12 ms");
  EXPECT_EQ(duration_of(0.25), "0.2 s");
  EXPECT_EQ(duration_of(9.94), "9.9 s");
  EXPECT_EQ(duration_of(9.96), "10 s");
  EXPECT_EQ(duration_of(59.6), "1 min 0 s");
  EXPECT_EQ(duration_of(75), "1 min 15 s");
  EXPECT_EQ(duration_of(7260), "2 h 1 min");
  EXPECT_EQ(duration_of(-1), "?");
}

TEST(Figures, RatesKeepADecimalWhereItMatters) {
  EXPECT_EQ(rate_of(3.25), "3.2");
  EXPECT_EQ(rate_of(99.96), "100");
  EXPECT_EQ(rate_of(48211.3), "48,211");
}

TEST(Figures, PercentRoundsDownSoThat100MeansAll) {
  EXPECT_EQ(percent_of(999, 1000), "99 %");
  EXPECT_EQ(percent_of(1000, 1000), "100 %");
  EXPECT_EQ(percent_of(1, 0), "-");
}

TEST(Figures, ClippingCountsCodePointsAndKeepsThemWhole) {
  EXPECT_EQ(columns_of("h\u00e4ll\u00f6"), 5u);
  EXPECT_EQ(clipped("h\u00e4ll\u00f6", 5), "h\u00e4ll\u00f6");
  EXPECT_EQ(clipped("h\u00e4ll\u00f6", 3), "h\u00e4\u2026");
  EXPECT_EQ(clipped("abc", 0), "");
}

TEST(Figures, WrappingBreaksAtSpacesAndKeepsLineBreaks) {
  EXPECT_EQ(wrapped("one two three", 7, 0), "one two\nthree");
  EXPECT_EQ(wrapped("one two three", 7, 2), "one two\n  three");
  EXPECT_EQ(wrapped("one two six ten", 7, 2), "one two\n  six ten");
  EXPECT_EQ(wrapped("a\n\nb", 80, 0), "a\n\nb");
  EXPECT_EQ(wrapped("unbreakable", 4, 0), "unbreakable");
}

TEST(Table, AlignsColumnsAndEndsNoLineInSpaces) {
  Table table("<>");
  table.row({"name", "count"}).row({"\u00e4", "12"}).row({"longer name", ""});
  EXPECT_EQ(table.text(0),
            "name         count\n"
            "\u00e4               12\n"
            "longer name\n");
}

}  // namespace
}  // namespace dexter
