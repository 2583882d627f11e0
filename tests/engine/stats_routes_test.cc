#include <algorithm>
#include <string>

#include <gmock/gmock.h>
#include <boost/json.hpp>

#include "engine/http_api.h"
#include "tests/engine/ask_api.h"
#include "tests/engine/served_store.h"

namespace dexter {
namespace {

namespace json = boost::json;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using ::testing::StartsWith;

class CountedApi : public ::testing::Test {
 protected:
  HttpReply ask(const std::string& method, const std::string& target, const std::string& body = {},
                std::vector<std::pair<std::string, std::string>> headers = {}) {
    return testing::ask(api_, method, target, body, std::move(headers));
  }

  ServerMetrics metrics_;
  ApiKeys keys_;
  QueryBatcher batcher_{{.workers = 1, .metrics = &metrics_}, [] { return tiny::shared_engine(); }};
  ServeOptions options_;
  HttpApi api_{{.options = options_,
                .version = "1",
                .batcher = batcher_,
                .engine = [] { return tiny::shared_engine(); },
                .stopping = [] { return false; },
                .keys = keys_,
                .metrics = &metrics_,
                .sockets = [] { return HttpFigures{.connections = 3}; }}};
};

TEST_F(CountedApi, TellsPrometheusOfRoutesStagesAndState) {
  EXPECT_EQ(ask("POST", "/v1/query", R"({"texts": ["a cat", "rain"]})").status, 200);
  EXPECT_EQ(ask("POST", "/v1/query", "{").status, 400);
  EXPECT_EQ(ask("GET", "/v1/labels/music").status, 200);
  EXPECT_EQ(ask("GET", "/nowhere").status, 404);
  EXPECT_EQ(ask("PUT", "/v1/query").status, 405);
  const HttpReply reply = ask("GET", "/metrics");
  EXPECT_THAT(reply.content_type, StartsWith("text/plain; version=0.0.4"));
  for (const char* line :
       {"dexter_request_seconds_count{method=\"POST\",route=\"/v1/query\",status=\"200\"} 1\n",
        "dexter_request_seconds_count{method=\"POST\",route=\"/v1/query\",status=\"400\"} 1\n",
        "dexter_request_seconds_count{method=\"GET\",route=\"/v1/labels/{key}\",status=\"200\"} 1",
        "dexter_request_seconds_count{method=\"\",route=\"none\",status=\"404\"} 1\n",
        "dexter_request_seconds_count{method=\"\",route=\"none\",status=\"405\"} 1\n",
        "dexter_stage_seconds_count{stage=\"wait\"} 1\n",
        "dexter_stage_seconds_count{stage=\"encode\"} 1\n",
        "dexter_stage_seconds_count{stage=\"search\"} 1\n", "dexter_batch_texts_sum 2\n",
        "dexter_connections 3\n", "dexter_labels 12\n", "dexter_queue_texts 0\n"})
    EXPECT_THAT(reply.body, HasSubstr(line));
  EXPECT_THAT(reply.body, Not(HasSubstr("music")));
}

TEST_F(CountedApi, TellsTheSameAsJson) {
  EXPECT_EQ(ask("POST", "/v1/query", R"({"text": "a cat"})").status, 200);
  const json::value stats = json::parse(ask("GET", "/v1/stats").body);
  const json::array& requests = stats.at("requests").as_array();
  const auto* const query = std::find_if(requests.begin(), requests.end(), [](const auto& row) {
    return row.at("route") == json::string_view("/v1/query");
  });
  ASSERT_NE(query, requests.end());
  EXPECT_EQ(query->at("count").to_number<int>(), 1);
  EXPECT_GT(query->at("p99_ms").to_number<double>(), 0);
  EXPECT_EQ(stats.at("stages").at("encode").at("count").to_number<int>(), 1);
  EXPECT_EQ(stats.at("labels").to_number<int>(), 12);
  EXPECT_GT(stats.at("process_resident_memory_bytes").to_number<double>(), 1e6);
}

TEST_F(CountedApi, GivesEveryReplyItsRequestsId) {
  const std::vector<std::pair<std::string, std::string>> headers = {
      {"X-Request-Id", "mine"},
      {"traceparent", "00-" + std::string(32, 'a') + "-" + std::string(16, 'b') + "-01"}};
  for (const char* target : {"/livez", "/nowhere"}) {
    const HttpReply reply = ask("GET", target, "", headers);
    EXPECT_THAT(reply.headers, Contains(Pair("X-Request-Id", "mine")));
    EXPECT_THAT(reply.headers,
                Contains(Pair("traceparent", StartsWith("00-" + std::string(32, 'a') + "-"))));
  }
  EXPECT_THAT(ask("POST", "/v1/query", R"({"text": "a cat"})").headers,
              Contains(Pair("X-Request-Id", ::testing::SizeIs(32))));
}

}  // namespace
}  // namespace dexter
