#include "tools/json_output.h"

#include <gmock/gmock.h>
#include <boost/json.hpp>

#include <limits>

namespace dexter {
namespace {

TEST(JsonLine, WritesNumbersAsPeopleDo) {
  EXPECT_EQ(json_line({{"P@1", 41.25}, {"whole", 40.0}, {"count", 12}, {"tiny", 1e-9}}),
            "{\"P@1\": 41.25, \"whole\": 40, \"count\": 12, \"tiny\": 1e-09}\n");
}

TEST(JsonLine, ReadsBackAsItWas) {
  const boost::json::value value = {{"a", {1, 2.5, nullptr, true}},
                                    {"empty object", boost::json::object()},
                                    {"empty array", boost::json::array()},
                                    {"text \"q\"\n", "h\u00e4\x01"},
                                    {"nested", {{"x", -0.1}}}};
  EXPECT_EQ(boost::json::parse(json_line(value)), value);
}

TEST(JsonLine, HasNoNumberForWhatIsNotFinite) {
  EXPECT_EQ(json_line(boost::json::value(std::numeric_limits<double>::infinity())), "null\n");
}

TEST(Rounded, GivesAScoreTheDigitsItHas) {
  EXPECT_EQ(json_line(boost::json::value(rounded(0.812F))), "0.812\n");
  EXPECT_EQ(json_line(boost::json::value(rounded(-0.1F))), "-0.1\n");
}

}  // namespace
}  // namespace dexter
