#include "engine/server_metrics.h"

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <boost/json.hpp>

#include "engine/access_log.h"

namespace dexter {
namespace {

namespace json = boost::json;
using std::chrono::microseconds;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr RouteName kQuery{.number = 1, .method = "POST", .path = "/v1/query"};

TEST(ServerMetrics, CountsRepliesByRouteAndStatus) {
  ServerMetrics metrics;
  for (int i = 0; i < 3; ++i) metrics.count_reply(kQuery, 200, microseconds(400));
  metrics.count_reply(kQuery, 429, microseconds(12));
  metrics.count_reply({}, 404, microseconds(12));
  const std::string text = metrics.to_text({});
  for (const char* line :
       {"# TYPE dexter_request_seconds histogram\n",
        "dexter_request_seconds_count{method=\"POST\",route=\"/v1/query\",status=\"200\"} 3\n",
        "dexter_request_seconds_count{method=\"POST\",route=\"/v1/query\",status=\"429\"} 1\n",
        "dexter_request_seconds_count{method=\"\",route=\"none\",status=\"404\"} 1\n",
        "status=\"200\",le=\"0.0003\"} 0\n", "status=\"200\",le=\"0.0005\"} 3\n",
        "status=\"200\",le=\"+Inf\"} 3\n"})
    EXPECT_THAT(text, HasSubstr(line));
}

TEST(ServerMetrics, TellsTheStateOfTheMoment) {
  const ServerMetrics metrics;
  ServerState state;
  state.batcher.waiting = 7;
  state.batcher.refused = 3;
  state.http.connections = 5;
  state.generation = 2;
  state.process.resident_bytes = 4096;
  const std::string text = metrics.to_text(state);
  EXPECT_THAT(text, HasSubstr("# TYPE dexter_queue_texts gauge\ndexter_queue_texts 7\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE dexter_queries_refused_total counter\n"
                              "dexter_queries_refused_total 3\n"));
  EXPECT_THAT(text, HasSubstr("\nprocess_resident_memory_bytes 4096\n"));
  const json::value stats = json::parse(metrics.to_json(state));
  EXPECT_EQ(stats.at("queue_texts").to_number<int>(), 7);
  EXPECT_EQ(stats.at("connections").to_number<int>(), 5);
  EXPECT_EQ(stats.at("generation").to_number<int>(), 2);
}

TEST(ServerMetrics, InterpolatesQuantilesWithinABucket) {
  ServerMetrics metrics;
  // 50 in (0.3 ms, 0.5 ms] and 50 in (2 ms, 3 ms]: the median ends the first bucket, 0.95 lies nine
  // tenths into the second.
  for (int i = 0; i < 50; ++i) metrics.count_reply(kQuery, 200, microseconds(400));
  for (int i = 0; i < 50; ++i) metrics.count_reply(kQuery, 200, microseconds(2500));
  metrics.count_stage(Stage::kSearch, std::chrono::seconds(60));
  for (int i = 0; i < 4; ++i) metrics.count_batch(4);
  const json::value stats = json::parse(metrics.to_json({}));
  const json::value& query = stats.at("requests").at(0);
  EXPECT_EQ(query.at("route").as_string(), "/v1/query");
  EXPECT_EQ(query.at("status").to_number<int>(), 200);
  EXPECT_EQ(query.at("count").to_number<int>(), 100);
  EXPECT_NEAR(query.at("mean_ms").to_number<double>(), 1.45, 1e-3);
  EXPECT_NEAR(query.at("p50_ms").to_number<double>(), 0.5, 1e-3);
  EXPECT_NEAR(query.at("p95_ms").to_number<double>(), 2.9, 1e-3);
  // Beyond the last bound, the last bound is what is known.
  EXPECT_EQ(stats.at("stages").at("search").at("p50_ms").to_number<double>(), 20000);
  EXPECT_EQ(stats.at("stages").at("wait").at("p50_ms").to_number<double>(), 0);
  EXPECT_EQ(stats.at("batches").at("p50_texts").to_number<double>(), 3.5);
}

TEST(ServerMetrics, CountsWithManyThreads) {
  ServerMetrics metrics;
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 4; ++thread)
      threads.emplace_back([&] {
        for (int i = 0; i < 500; ++i) metrics.count_reply(kQuery, 200 + i % 5, microseconds(1));
      });
    for (int i = 0; i < 5; ++i) EXPECT_FALSE(metrics.to_text({}).empty());
  }
  const std::string text = metrics.to_text({});
  for (int status = 200; status < 205; ++status)
    EXPECT_THAT(text, HasSubstr("status=\"" + std::to_string(status) + "\"} 400\n"));
}

TEST(ServerMetrics, KnowsItsProcess) {
  EXPECT_GT(process_figures().resident_bytes, 1u << 20);
  EXPECT_GE(process_figures().descriptors, 3u);
}

TEST(AccessLog, WritesALineOfFields) {
  const AccessEntry entry{.method = "POST",
                          .route = "/v1/query",
                          .status = 200,
                          .ms = 0.4123,
                          .bytes = 310,
                          .request_id = "abc",
                          .trace_id = {},
                          .body = {}};
  EXPECT_EQ(access_line(entry),
            "access method=POST route=/v1/query status=200 ms=0.412 bytes=310 id=abc");
}

TEST(AccessLog, KeepsATextInQuotesAndShort) {
  AccessEntry entry;
  const std::string method(40, 'M');
  const std::string body = "a\nforged \"line\" " + std::string(5000, 'x');
  entry.method = method;
  entry.trace_id = "t";
  entry.body = body;
  const std::string line = access_line(entry);
  EXPECT_THAT(line, HasSubstr(R"( trace=t body="a\nforged \"line\" xxx)"));
  EXPECT_THAT(line, Not(HasSubstr("\n")));
  EXPECT_THAT(line, HasSubstr("method=MMMMMMMMMMMMMMMM route"));
  EXPECT_LT(line.size(), 2300u);
}

}  // namespace
}  // namespace dexter
