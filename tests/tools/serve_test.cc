#include <gmock/gmock.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/raw_http.h"
#include "tests/tools/run_dexter.h"
#include "tests/tools/served.h"
#include "tests/tools/tiny_run.h"

namespace dexter::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Serve : public ::testing::Test {
 protected:
  Serve() { tiny.make_all(); }
  const TinyRun tiny;
};

TEST_F(Serve, SaysThatItIsReadyAnswersAndEndsOnSigterm) {
  Served served(tiny.store);
  RawConnection connection(served.port());
  const RawReply reply =
      connection.ask(request_text("POST", "/v1/query", R"({"text": "rain and wind", "k": 1})"));
  EXPECT_EQ(reply.status, 200);
  EXPECT_THAT(reply.body, HasSubstr(R"("key":"weather","name":"Weather","score":)"));
  served.process().send(SIGTERM);
  const Outcome outcome = served.process().finish();
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr("stopped after 1 requests"));
}

TEST_F(Serve, KeepsAnAcknowledgedLabelWhenItIsKilled) {
  {
    Served served(tiny.store);
    RawConnection connection(served.port());
    const RawReply reply = connection.ask(
        request_text("PUT", "/v1/labels/a%2Fb", R"({"name": "New", "text": "rain and wind"})"));
    EXPECT_EQ(reply.status, 201) << reply.body;
    served.process().send(SIGKILL);
    served.process().finish();
  }
  Served served(tiny.store);
  RawConnection connection(served.port());
  EXPECT_EQ(connection.ask(request_text("GET", "/v1/labels/a/b")).body,
            R"({"key":"a/b","name":"New","text":"rain and wind"})");
}

TEST_F(Serve, AsksForAKeyOfItsFile) {
  const std::string file = (tiny.folder / "keys").string();
  write_bytes(file, "secret\nreader read\n");
  Served served(tiny.store, {"--api-key-file", file});
  RawConnection connection(served.port());
  const auto status = [&](std::string_view key) {
    return connection
        .ask(request_text("PUT", "/v1/labels/a", R"({"text": "rain"})",
                          "Authorization: Bearer " + std::string(key) + "\r\n"))
        .status;
  };
  EXPECT_EQ(status("secret"), 201);
  EXPECT_EQ(status("reader"), 403);
  EXPECT_EQ(status("other"), 401);
  EXPECT_EQ(connection.ask(request_text("GET", "/v1/info")).status, 401);
  EXPECT_EQ(connection.ask(request_text("GET", "/readyz")).status, 200);
}

TEST_F(Serve, ReadsKeysAndConfigurationAgainOnSighup) {
  const std::string keys = (tiny.folder / "keys").string();
  const std::string config = (tiny.folder / "config").string();
  write_bytes(keys, "one\n");
  write_bytes(config, R"({"serve": {"max_k": 3}})");
  Served served(tiny.store, {"--api-key-file", keys, "--config", config});
  RawConnection connection(served.port());
  const auto status = [&](const std::string& key) {
    const std::string header = "X-API-Key: " + key + "\r\n";
    return connection.ask(request_text("POST", "/v1/query", R"({"text": "rain", "k": 4})", header))
        .status;
  };
  EXPECT_EQ(status("one"), 400);
  write_bytes(keys, "two\n");
  write_bytes(config, R"({"serve": {"max_k": 4}})");
  served.process().send(SIGHUP);
  served.process().wait_for_error("read again: 1 keys");
  EXPECT_EQ(status("one"), 401);
  EXPECT_EQ(status("two"), 200);
  write_bytes(config, R"({"serve": {"max_k": 0}})");
  served.process().send(SIGHUP);
  served.process().wait_for_error("all stays as it was");
  EXPECT_EQ(status("two"), 200);
}

// Two servers of one store, which a third process changes.
TEST_F(Serve, ReadsWhatAnotherProcessWroteOnAReload) {
  const std::vector<std::string> reading = {"--set", "serve.read_only=true"};
  Served first(tiny.store, reading), second(tiny.store, reading);
  run_ok({"labels", "add", "new", "--store", tiny.store, "--text", "rain and wind"});
  for (Served* served : {&first, &second}) {
    RawConnection connection(served->port());
    const std::string get = request_text("GET", "/v1/labels/new");
    EXPECT_EQ(connection.ask(get).status, 404);
    EXPECT_EQ(connection.ask(request_text("DELETE", "/v1/labels/new")).status, 403);
    EXPECT_EQ(connection.ask(request_text("POST", "/v1/admin/reload")).status, 200);
    EXPECT_EQ(connection.ask(get).status, 200);
  }
}

TEST_F(Serve, LogsRequestsWhereItIsAskedToAndTextsOnlyByName) {
  const std::string query =
      request_text("POST", "/v1/query", R"({"text": "rain and wind"})", "X-Request-Id: mine\r\n");
  std::vector<std::string> errors;
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{},
        {"--set", "serve.access_log=true"},
        {"--set", "serve.access_log=true", "--set", "serve.log_texts=true"}}) {
    Served served(tiny.store, more);
    RawConnection connection(served.port());
    const RawReply reply = connection.ask(query);
    EXPECT_THAT(reply.head, HasSubstr("X-Request-Id: mine\r\n"));
    served.process().send(SIGTERM);
    errors.push_back(served.process().finish().err);
  }
  const std::string line = "access method=POST route=/v1/query status=200 ms=";
  EXPECT_THAT(errors[0], Not(HasSubstr("access ")));
  EXPECT_THAT(errors[1], HasSubstr(line));
  EXPECT_THAT(errors[1], HasSubstr(" id=mine"));
  EXPECT_THAT(errors[1], Not(HasSubstr("rain")));
  EXPECT_THAT(errors[2], HasSubstr(R"(body="{\"text\": \"rain and wind\"}")"));
}

TEST_F(Serve, EndsAtOnceOnASecondSignal) {
  Served served(tiny.store);
  RawConnection half(served.port());
  half.send("POST /v1/query HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n");
  RawConnection whole(served.port());
  EXPECT_EQ(whole.ask(request_text("GET", "/readyz")).status, 200);
  served.process().send(SIGTERM);
  served.process().wait_for_error("stopping: ");
  EXPECT_FALSE(served.process().ends_within(std::chrono::milliseconds(50)));
  served.process().send(SIGTERM);
  EXPECT_EQ(served.process().finish().code, 130);
}

TEST_F(Serve, AnswersUntilItsGraceEndsAndSaysThatItGoes) {
  Served served(tiny.store, {"--set", "serve.grace_ms=60000"});
  RawConnection before(served.port()), idle(served.port());
  EXPECT_EQ(before.ask(request_text("GET", "/readyz")).status, 200);
  EXPECT_EQ(idle.ask(request_text("GET", "/readyz")).status, 200);
  served.process().send(SIGTERM);
  served.process().wait_for_error("stopping: ");
  const std::string query = request_text("POST", "/v1/query", R"({"text": "rain", "k": 1})");
  const RawReply reply = before.ask(query);
  EXPECT_EQ(reply.status, 200);
  EXPECT_THAT(reply.head, HasSubstr("Connection: close\r\n"));
  EXPECT_EQ(RawConnection(served.port()).ask(query).status, 200);
  EXPECT_EQ(RawConnection(served.port()).ask(request_text("GET", "/readyz")).status, 503);
  EXPECT_EQ(idle.ask(query).status, 200);
  served.process().send(SIGTERM);
  EXPECT_EQ(served.process().finish().code, 130);
}

TEST_F(Serve, EndsWithItsGrace) {
  Served served(tiny.store, {"--set", "serve.grace_ms=50"});
  RawConnection idle(served.port());
  EXPECT_EQ(idle.ask(request_text("GET", "/readyz")).status, 200);
  served.process().send(SIGTERM);
  EXPECT_EQ(served.process().finish().code, 0);
}

TEST_F(Serve, RefusesAPortThatIsTaken) {
  const std::string other = (tiny.folder / "other").string();
  std::filesystem::copy(tiny.store, other, std::filesystem::copy_options::recursive);
  Served served(tiny.store);
  EXPECT_EQ(run({"serve", "--store", tiny.store}).code, 6);
  const Outcome outcome = run({"serve", "--store", other, "--port", std::to_string(served.port())});
  EXPECT_EQ(outcome.code, 6);
  EXPECT_THAT(outcome.err, HasSubstr("--port"));
}

TEST_F(Serve, KeepsTheLimitsItIsGiven) {
  Served served(tiny.store, {"--set", "serve.max_k=3", "--set", "serve.body_bytes=1024"});
  RawConnection connection(served.port());
  const RawReply reply =
      connection.ask(request_text("POST", "/v1/query", R"({"text": "rain", "k": 4})"));
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.body, HasSubstr("1 to 3"));
  EXPECT_EQ(connection.ask(request_text("POST", "/v1/query", std::string(2000, ' '))).status, 413);
}

}  // namespace
}  // namespace dexter::testing
