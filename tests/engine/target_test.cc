#include "engine/target.h"

#include <string>
#include <utility>

#include <gmock/gmock.h>

#include "storage/error.h"
#include "tests/support/expect_error.h"

namespace dexter {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(Target, DecodesEscapesAndRefusesBrokenOnes) {
  EXPECT_EQ(decode_percent("a%20b%2Fc+%c3%A9"), "a b/c+\xc3\xa9");
  EXPECT_EQ(decode_percent("a+b", true), "a b");
  for (const char* broken : {"%", "%4", "%zz", "%+1", "%00"})
    testing::expect_error(
        ErrorKind::kInvalidInput, [&] { decode_percent(broken); }, "escape");
}

TEST(Target, ReadsParameters) {
  EXPECT_THAT(parse_parameters("a=1&&b=x%3Dy&c&=d"),
              ElementsAre(Pair("a", "1"), Pair("b", "x=y"), Pair("c", ""), Pair("", "d")));
  EXPECT_EQ(split_target("/a/b?c?d").path, "/a/b");
  EXPECT_EQ(split_target("/a/b?c?d").parameters, "c?d");
  EXPECT_EQ(split_target("/").parameters, "");
}

}  // namespace
}  // namespace dexter
