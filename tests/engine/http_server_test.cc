#include "engine/http_server.h"

#include <chrono>
#include <future>
#include <latch>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "storage/error.h"
#include "tests/support/expect_error.h"
#include "tests/support/raw_http.h"

namespace dexter {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::RawConnection;
using testing::RawReply;
using testing::request_text;

ServeOptions quick_options() {
  ServeOptions options;
  options.port = 0;
  options.header_bytes = 1024;
  options.body_bytes = 4096;
  options.drain_ms = 20000;
  return options;
}

// A server whose answers tell what it was asked: "METHOD TARGET BODY".
class EchoServer {
 public:
  explicit EchoServer(const ServeOptions& options = quick_options())
      : server_(options, [](HttpRequest&& request, ReplyFunction reply) {
          reply({.content_type = "text/plain",
                 .body = request.method + ' ' + request.target + ' ' + request.body});
        }) {
    server_.start(2);
  }
  ~EchoServer() {
    server_.request_stop();
    server_.wait();
  }
  std::uint16_t port() const { return server_.port(); }
  HttpServer& server() { return server_; }

 private:
  HttpServer server_;
};

TEST(HttpServer, AnswersRequestsOfOneConnectionInOrder) {
  EchoServer echo;
  RawConnection connection(echo.port());
  EXPECT_EQ(connection.ask(request_text("GET", "/a")).body, "GET /a ");
  EXPECT_EQ(connection.ask(request_text("POST", "/b", "body")).body, "POST /b body");
  // Two at once, the second in two pieces.
  const std::string second = request_text("PUT", "/d", "second");
  connection.send(request_text("POST", "/c", "first") + second.substr(0, 20));
  EXPECT_EQ(connection.receive().body, "POST /c first");
  connection.send(second.substr(20));
  EXPECT_EQ(connection.receive().body, "PUT /d second");
  connection.send(request_text("HEAD", "/e"));
  const RawReply head = connection.receive(/*has_body=*/false);
  EXPECT_THAT(head.head, HasSubstr("Content-Length: 8"));
  EXPECT_THAT(head.head, HasSubstr("Date: "));
}

TEST(HttpServer, ReadsAByteAtATime) {
  EchoServer echo;
  RawConnection connection(echo.port());
  for (const char byte : "\r\n" + request_text("POST", "/slow", "abc"))
    connection.send(std::string_view(&byte, 1));
  EXPECT_EQ(connection.receive().body, "POST /slow abc");
}

TEST(HttpServer, EndsTheConnectionWhereTheClientAsks) {
  EchoServer echo;
  RawConnection closing(echo.port());
  EXPECT_THAT(closing.ask(request_text("GET", "/", "", "Connection: close\r\n")).head,
              HasSubstr("Connection: close"));
  EXPECT_TRUE(closing.is_ended());
  RawConnection old(echo.port());
  EXPECT_EQ(old.ask("GET / HTTP/1.0\r\n\r\n").status, 200);
  EXPECT_TRUE(old.is_ended());
}

TEST(HttpServer, ReadsChunkedBodies) {
  EchoServer echo;
  RawConnection connection(echo.port());
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(connection.ask(head + "3\r\nabc\r\n00A\r\n0123456789\r\n0\r\n\r\n").body,
            "POST / abc0123456789");
  EXPECT_EQ(connection.ask(head + "0\r\n\r\n").body, "POST / ");
  EXPECT_EQ(connection.ask(request_text("GET", "/next")).body, "GET /next ");
}

TEST(HttpServer, RefusesChunkTricks) {
  EchoServer echo;
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::string& body :
       {std::string("3;a=b\r\nabc\r\n0\r\n\r\n"), std::string("3\r\nabc\r\n0;a\r\n\r\n"),
        std::string("3\nabc\n0\n\n\r\n\r\n"), std::string("0x3\r\nabc\r\n0\r\n\r\n"),
        std::string("+3\r\nabc\r\n0\r\n\r\n"), std::string(" 3\r\nabc\r\n0\r\n\r\n"),
        std::string("3 \r\nabc\r\n0\r\n\r\n"), std::string("-1\r\nabc\r\n0\r\n\r\n"),
        std::string("\r\nabc\r\n0\r\n\r\n"), std::string("3\r\nabcd\r\n0\r\n\r\n"),
        std::string("3\r\nabcX\n0\r\n\r\n"), std::string("ffffffffffffffffff\r\nabc\r\n0\r\n\r\n"),
        std::string("3\r\nabc\r\n0\r\nContent-Length: 5\r\n\r\n"),
        std::string("3\r\nabc\r\n0\r\nX-Trailer: b\r\n\r\n"),
        std::string("3\r\nabc\r\n0\r\nbroken\r\n\r\n")}) {
    RawConnection connection(echo.port());
    const RawReply reply = connection.ask(head + body);
    EXPECT_THAT(reply.status, ::testing::AnyOf(400, 413)) << body;
    EXPECT_THAT(reply.body, Not(HasSubstr("POST"))) << body;
    EXPECT_TRUE(connection.is_ended()) << body;
  }
}

TEST(HttpServer, RefusesAmbiguousHeadsAndEndsTheConnection) {
  EchoServer echo;
  for (const std::string& bytes :
       {std::string("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: "
                    "chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"),
        std::string("GET / HTTP/1.1\nHost: a\n\n"),
        std::string("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        std::string("nonsense\r\n\r\n")}) {
    RawConnection connection(echo.port());
    const RawReply reply = connection.ask(bytes);
    EXPECT_EQ(reply.status, 400) << bytes;
    EXPECT_THAT(reply.head, HasSubstr("application/problem+json"));
    EXPECT_TRUE(connection.is_ended()) << bytes;
  }
  EXPECT_EQ(echo.server().figures().malformed, 5u);
}

TEST(HttpServer, NamesTheLimitThatARequestIsBeyond) {
  EchoServer echo;
  const auto reply_to = [&](const std::string& bytes) {
    RawConnection connection(echo.port());
    const RawReply reply = connection.ask(bytes);
    EXPECT_TRUE(connection.is_ended());
    return reply;
  };
  const std::string long_field = "X: " + std::string(2000, 'x') + "\r\n";
  const RawReply head = reply_to(request_text("GET", "/", "", long_field));
  EXPECT_EQ(head.status, 431);
  EXPECT_THAT(head.body, HasSubstr("1024 bytes"));
  EXPECT_EQ(reply_to("GET /" + std::string(2000, 'x')).status, 431);
  const RawReply body = reply_to(request_text("POST", "/", std::string(5000, 'x')));
  EXPECT_EQ(body.status, 413);
  EXPECT_THAT(body.body, HasSubstr("4096 bytes"));
  EXPECT_EQ(reply_to("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n" +
                     std::string(5000, 'x'))
                .status,
            413);
  EXPECT_EQ(reply_to(request_text("GET", "/", "", "Expect: miracles\r\n")).status, 417);
}

TEST(HttpServer, AsksForABodyThatTheClientHoldsBack) {
  EchoServer echo;
  RawConnection connection(echo.port());
  connection.send(
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(connection.receive().status, 100);
  EXPECT_EQ(connection.ask("abc").body, "POST / abc");
}

TEST(HttpServer, GivesUpOnSlowClients) {
  ServeOptions options = quick_options();
  options.header_ms = 30;
  options.body_ms = 30;
  options.idle_ms = 60;
  EchoServer echo(options);
  RawConnection header(echo.port());
  EXPECT_EQ(header.ask("GET / HTTP/1.1\r\nHost:").status, 408);
  RawConnection body(echo.port());
  EXPECT_EQ(body.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc").status, 408);
  RawConnection idle(echo.port());
  EXPECT_TRUE(idle.is_ended());
  EXPECT_EQ(echo.server().figures().timeouts, 2u);
}

TEST(HttpServer, TurnsAwayMoreConnectionsThanItHasRoomFor) {
  ServeOptions options = quick_options();
  options.connections = 2;
  EchoServer echo(options);
  RawConnection first(echo.port());
  RawConnection second(echo.port());
  EXPECT_EQ(first.ask(request_text("GET", "/")).status, 200);
  EXPECT_EQ(second.ask(request_text("GET", "/")).status, 200);
  RawConnection third(echo.port());
  EXPECT_EQ(third.receive().status, 503);
  EXPECT_EQ(echo.server().figures().turned_away, 1u);
}

TEST(HttpServer, RefusesAnAddressThatIsTakenOrNone) {
  EchoServer echo;
  ServeOptions options = quick_options();
  options.port = echo.port();
  testing::expect_error(
      ErrorKind::kUnavailable, [&] { EchoServer other(options); }, std::to_string(echo.port()),
      "--port");
  options.host = "localhost.example";
  testing::expect_error(
      ErrorKind::kInvalidInput, [&] { EchoServer other(options); }, "localhost.example");
}

// Keeps every reply until it is asked for them.
class HoldingServer {
 public:
  HoldingServer()
      : server_(quick_options(), [this](HttpRequest&&, ReplyFunction reply) {
          const std::lock_guard lock(mutex_);
          replies_.push_back(std::move(reply));
          ++held_;
          held_.notify_all();
        }) {
    server_.start(2);
  }
  void wait_for(int count) {
    for (int seen = held_; seen < count; seen = held_) held_.wait(seen);
  }
  std::vector<ReplyFunction> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(replies_, {});
  }
  HttpServer& server() { return server_; }

 private:
  std::mutex mutex_;
  std::vector<ReplyFunction> replies_;
  std::atomic<int> held_ = 0;
  HttpServer server_;
};

TEST(HttpServer, ReadsARefusedConnectionAgainInItsTurn) {
  ServeOptions options = quick_options();
  options.refused_per_s = 50;
  HttpServer server(options, [](HttpRequest&& request, ReplyFunction reply) {
    reply({.status = request.target == "/full" ? 429 : 200});
  });
  server.start(1);
  RawConnection refused(server.port()), other(server.port());
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(refused.ask(request_text("GET", "/full")).status, 429);
    EXPECT_EQ(other.ask(request_text("GET", "/")).status, 200);
  }
  // Three turns of 20 ms have passed before the fourth request was read.
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(60));
  EXPECT_EQ(refused.ask(request_text("GET", "/")).status, 200);
  server.request_stop();
  server.wait();
}

TEST(HttpServer, EndsIdleConnectionsAndAnswersTheRestWhenItStops) {
  HoldingServer holding;
  RawConnection busy(holding.server().port());
  RawConnection idle(holding.server().port());
  busy.send(request_text("GET", "/"));
  idle.send(request_text("GET", "/"));
  holding.wait_for(2);
  for (ReplyFunction& reply : holding.take()) reply({.body = "first"});
  EXPECT_EQ(busy.receive().body, "first");
  EXPECT_EQ(idle.receive().body, "first");
  busy.send(request_text("GET", "/"));
  holding.wait_for(3);
  holding.server().request_stop();
  EXPECT_TRUE(idle.is_ended());
  for (ReplyFunction& reply : holding.take()) reply({.body = "last"});
  const RawReply last = busy.receive();
  EXPECT_EQ(last.body, "last");
  EXPECT_THAT(last.head, HasSubstr("Connection: close"));
  holding.server().wait();
  EXPECT_EQ(holding.server().figures().connections, 0u);
  EXPECT_THROW(RawConnection(holding.server().port()), std::runtime_error);
}

TEST(HttpServer, SaysSoWhereARequestGotLost) {
  HoldingServer holding;
  RawConnection connection(holding.server().port());
  connection.send(request_text("GET", "/"));
  holding.wait_for(1);
  holding.take();
  EXPECT_EQ(connection.receive().status, 500);
  holding.server().request_stop();
  holding.server().wait();
}

TEST(HttpServer, AnswersThreadsOfClientsThroughAStop) {
  HttpServer server(quick_options(), [](HttpRequest&& request, ReplyFunction reply) {
    reply({.body = std::move(request.body)});
  });
  server.start(2);
  std::atomic<int> answered = 0;
  {
    std::vector<std::jthread> clients;
    for (int i = 0; i < 4; ++i)
      clients.emplace_back([&, i] {
        RawConnection connection(server.port());
        for (int n = 0;; ++n) {
          const std::string body = std::to_string(i * 1000 + n);
          const RawReply reply = connection.ask(request_text("POST", "/", body));
          if (reply.status == 0) break;
          EXPECT_EQ(reply.body, body);
          ++answered;
        }
      });
    while (answered < 200) std::this_thread::yield();
    server.request_stop();
  }
  server.wait();
  EXPECT_GE(server.figures().requests, 200u);
}

}  // namespace
}  // namespace dexter
