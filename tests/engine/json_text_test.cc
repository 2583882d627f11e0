#include "engine/json_text.h"

#include <cmath>
#include <limits>
#include <string>

#include <gtest/gtest.h>
#include <boost/json.hpp>

namespace dexter {
namespace {

std::string json_of(float number) {
  std::string out;
  append_json(out, number);
  return out;
}

TEST(JsonText, ReadsBackAsTheSameTextWhateverItsBytes) {
  std::string text = "caf\xc3\xa9 \"quoted\" back\\slash \xf0\x9f\x98\x80";
  for (char c = 1; c < 0x20; ++c) text += c;
  text += '\x7f';
  std::string out;
  append_json(out, text);
  EXPECT_EQ(boost::json::parse(out).as_string(), text);
}

TEST(JsonText, WritesTheShortestNumberThatReadsBack) {
  EXPECT_EQ(json_of(0.5f), "0.5");
  EXPECT_EQ(json_of(-0.1f), "-0.1");
  EXPECT_EQ(json_of(0), "0");
  EXPECT_EQ(json_of(std::numeric_limits<float>::infinity()), "null");
  EXPECT_EQ(json_of(NAN), "null");
  for (float number = 1; number > 1e-30f; number *= 0.37f)
    EXPECT_EQ(static_cast<float>(boost::json::parse(json_of(number)).to_number<double>()), number);
}

}  // namespace
}  // namespace dexter
