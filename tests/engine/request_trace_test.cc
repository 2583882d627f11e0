#include "engine/request_trace.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>

namespace dexter {
namespace {

using ::testing::ElementsAre;
using ::testing::MatchesRegex;
using ::testing::Pair;

const std::string kTrace = "4bf92f3577b34da6a3ce929d0e0e4736";
const std::string kSpan = "00f067aa0ba902b7";

RequestTrace trace(std::vector<std::pair<std::string, std::string>> headers) {
  HttpRequest request;
  request.headers = std::move(headers);
  return trace_of(request);
}

RequestTrace traced(const std::string& parent) { return trace({{"TraceParent", parent}}); }

TEST(RequestTrace, TakesTheClientsIdWhereItIsSoundAndMakesOneElsewhere) {
  EXPECT_EQ(trace({{"x-request-id", "order-7/a.b:c+d=e@f_g"}}).id, "order-7/a.b:c+d=e@f_g");
  EXPECT_EQ(trace({{"X-Request-Id", std::string(128, 'a')}}).id, std::string(128, 'a'));
  for (const std::string& unsound :
       {std::string(), std::string(129, 'a'), std::string("a b"), std::string("a\"b"),
        std::string("caf\xc3\xa9"), std::string("a;b")})
    EXPECT_THAT(trace({{"X-Request-Id", unsound}}).id, MatchesRegex("[0-9a-f]{32}")) << unsound;
  EXPECT_NE(trace({}).id, trace({}).id);
}

TEST(RequestTrace, GoesOnWithTheClientsTraceInASpanOfItsOwn) {
  const RequestTrace found = traced("00-" + kTrace + "-" + kSpan + "-01");
  EXPECT_EQ(found.trace_id, kTrace);
  EXPECT_THAT(found.span_id, MatchesRegex("[0-9a-f]{16}"));
  EXPECT_NE(found.span_id, kSpan);
  EXPECT_TRUE(found.is_sampled);
  EXPECT_FALSE(traced("00-" + kTrace + "-" + kSpan + "-00").is_sampled);
  EXPECT_TRUE(traced("00-" + kTrace + "-" + kSpan + "-ff").is_sampled);
  EXPECT_FALSE(traced("00-" + kTrace + "-" + kSpan + "-fe").is_sampled);
  // Of a later version the known part is read.
  EXPECT_EQ(traced("01-" + kTrace + "-" + kSpan + "-01").trace_id, kTrace);
  EXPECT_EQ(traced("cc-" + kTrace + "-" + kSpan + "-01-what-the-future-brings").trace_id, kTrace);
}

TEST(RequestTrace, LeavesOutATraceparentThatIsNotWellFormed) {
  const std::string zeros(32, '0');
  for (const std::string& parent :
       {std::string(), "00-" + kTrace + "-" + kSpan, "00-" + kTrace + "-" + kSpan + "-1",
        "ff-" + kTrace + "-" + kSpan + "-01", "00-" + zeros + "-" + kSpan + "-01",
        "00-" + kTrace + "-" + zeros.substr(16) + "-01", "00-" + kTrace + "-" + kSpan + "-01-more",
        "00-" + kTrace + "-" + kSpan + "-01.", "01-" + kTrace + "-" + kSpan + "-01.more",
        "00_" + kTrace + "-" + kSpan + "-01", "00-" + kTrace + "-" + kSpan + "-0g",
        "0G-" + kTrace + "-" + kSpan + "-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" + kSpan + "-01"})
    EXPECT_EQ(traced(parent).trace_id, "") << parent;
  const std::string sound = "00-" + kTrace + "-" + kSpan + "-01";
  EXPECT_EQ(trace({{"traceparent", sound}, {"traceparent", sound}}).trace_id, "");
}

TEST(RequestTrace, TellsTheClient) {
  HttpReply reply;
  add_trace({.id = "a", .trace_id = kTrace, .span_id = kSpan, .is_sampled = true}, reply);
  EXPECT_THAT(reply.headers,
              ElementsAre(Pair("X-Request-Id", "a"),
                          Pair("traceparent", "00-" + kTrace + "-" + kSpan + "-01")));
  HttpReply untraced;
  add_trace({.id = "a", .trace_id = "", .span_id = ""}, untraced);
  EXPECT_THAT(untraced.headers, ElementsAre(Pair("X-Request-Id", "a")));
}

}  // namespace
}  // namespace dexter
