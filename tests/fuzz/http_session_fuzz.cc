// A connection from its first byte to its end: heads, bodies, chunks, pipelines. What the handler
// gets and what is answered must not depend on how the bytes were cut into packets.
#include "engine/http_session.h"

#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>

#include "tests/fuzz/fuzz_target.h"

namespace dexter::fuzz {
namespace {

namespace asio = boost::asio;

struct Exchange {
  std::vector<std::string> requests;
  std::string replies;
};

// Both ends of a stream; the session owns the second.
struct Pair {
  Pair() { require(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "a pair of sockets is had"); }
  ~Pair() { ::close(ends[0]); }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  void drain(std::string& into) const {
    char bytes[8192];
    for (ssize_t count = 0; (count = ::recv(ends[0], bytes, sizeof bytes, MSG_DONTWAIT)) > 0;)
      into.append(bytes, static_cast<std::size_t>(count));
  }

  int ends[2] = {};
};

void erase_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos;)
    text.erase(at, text.find(to, at) + to.size() - at);
}

HttpHandler noting(Exchange& exchange) {
  return [&exchange](HttpRequest&& request, const ReplyFunction& reply) {
    std::string noted = request.method + '\n' + request.target + '\n' + request.body;
    for (const auto& [name, value] : request.headers)
      noted.append("\n").append(name).append(":").append(value);
    exchange.requests.push_back(std::move(noted));
    reply({.body = std::to_string(request.body.size())});
  };
}

// Sends `input` in pieces of `piece` bytes and lets the session end.
Exchange exchange_in_pieces(std::string_view input, std::size_t piece) {
  Exchange exchange;
  const Pair pair;
  asio::io_context context(1);
  ServeOptions options;
  options.header_bytes = 2048;
  options.body_bytes = 1024;
  SessionShared shared(options, noting(exchange));
  asio::ip::tcp::socket socket(asio::make_strand(context));
  socket.assign(asio::ip::tcp::v4(), pair.ends[1]);
  const auto session = std::make_shared<HttpSession>(std::move(socket), shared);
  asio::co_spawn(session->executor(), session->run(), asio::detached);
  for (; !input.empty(); input.remove_prefix(std::min(piece, input.size()))) {
    const std::string_view part = input.substr(0, piece);
    if (::send(pair.ends[0], part.data(), part.size(), MSG_NOSIGNAL) < 0) break;
    context.poll();
    pair.drain(exchange.replies);
  }
  ::shutdown(pair.ends[0], SHUT_WR);
  while (!context.stopped()) {
    context.poll();
    pair.drain(exchange.replies);
  }
  erase_all(exchange.replies, "Date: ", "\r\n");
  // Sent only where the body had not arrived with the head.
  erase_all(exchange.replies, "HTTP/1.1 100 Continue", "\r\n\r\n");
  return exchange;
}

}  // namespace

std::vector<std::string> seeds() {
  const std::string post = "POST /v1/query HTTP/1.1\r\nHost: a\r\n";
  const std::string get = "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n";
  return {
      get + get,
      post + "Content-Length: 5\r\n\r\nhello" + get,
      post + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + get,
      post + "Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n",
      post + "Transfer-Encoding: chunked\r\n\r\n0\r\nTrailer: x\r\n\r\n" + get,
      post + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
      post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
      post + "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
      post + "Connection: close\r\nContent-Length: 2\r\n\r\nhi" + get,
      post + "Content-Length: 2000\r\n\r\n" + std::string(2000, 'x'),
      "HEAD / HTTP/1.0\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(3000, 'y') + "\r\n\r\n",
      "\r\n\r\n" + get,
  };
}

void run(std::string_view input) {
  const std::string_view some = input.substr(0, 8192);
  const Exchange whole = exchange_in_pieces(some, some.size() + 1);
  const Exchange cut = exchange_in_pieces(some, 1 + some.size() / 7);
  require(whole.requests == cut.requests, "packets do not change what is asked");
  require(whole.replies == cut.replies, "packets do not change what is answered");
}

}  // namespace dexter::fuzz
