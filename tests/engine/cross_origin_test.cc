#include "engine/cross_origin.h"

#include <string>

#include <gmock/gmock.h>

#include "storage/error.h"

namespace dexter {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Pair;

HttpRequest from(const std::string& origin, const std::string& method = "POST") {
  HttpRequest request;
  request.method = method;
  if (!origin.empty()) request.headers.emplace_back("Origin", origin);
  return request;
}

TEST(CrossOrigin, AllowsTheOriginsOfTheListAlone) {
  const std::string list = "https://a.example, http://b.example:8080";
  EXPECT_EQ(allowed_origin(list, from("https://a.example")), "https://a.example");
  EXPECT_EQ(allowed_origin(list, from("http://b.example:8080")), "http://b.example:8080");
  for (const char* other : {"http://a.example", "https://a.example:1", "https://a.example.evil",
                            "https://A.example", "null", ""})
    EXPECT_EQ(allowed_origin(list, from(other)), "") << other;
  EXPECT_EQ(allowed_origin("", from("https://a.example")), "");
  EXPECT_EQ(allowed_origin("*", from("https://any.example")), "https://any.example");
}

TEST(CrossOrigin, AnswersTheQuestionBeforeARequest) {
  HttpRequest request = from("https://a.example", "OPTIONS");
  EXPECT_EQ(preflight_reply(request), std::nullopt);
  request.headers.emplace_back("Access-Control-Request-Method", "PUT");
  const auto reply = preflight_reply(request);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 204);
  EXPECT_THAT(reply->headers, Contains(Pair("Access-Control-Allow-Methods", HasSubstr("PUT"))));
  EXPECT_THAT(reply->headers,
              Contains(Pair("Access-Control-Allow-Headers", HasSubstr("Authorization"))));
  request.method = "PUT";
  EXPECT_EQ(preflight_reply(request), std::nullopt);
}

TEST(CrossOrigin, TakesOnlyWhatIsAnOrigin) {
  for (const char* sound : {"", "*", "https://a.example", "http://a:1,https://b"})
    EXPECT_NO_THROW(check_origins(sound)) << sound;
  for (const char* wrong : {"a.example", "https://a.example/", "https://", "https://*.example",
                            "https://a, *", "ftp://a"})
    EXPECT_THROW(check_origins(wrong), Error) << wrong;
}

}  // namespace
}  // namespace dexter
