#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "engine/http_message.h"
#include "engine/http_stream.h"
#include "engine/request_head.h"
#include "engine/serve_options.h"

namespace dexter {

// Inner header of the HTTP server: one connection.

// What all sessions of a server share.
struct SessionShared {
  SessionShared(const ServeOptions& chosen, HttpHandler handle)
      : handler(std::move(handle)),
        options_(std::make_shared<const ServeOptions>(chosen)),
        tls_(make_tls(chosen.tls_certificate, chosen.tls_key)) {}

  std::shared_ptr<const ServeOptions> options() const {
    const std::lock_guard lock(mutex_);
    return options_;
  }
  TlsContext tls() const {
    const std::lock_guard lock(mutex_);
    return tls_;
  }
  // Errors as of make_tls; all stays as it was then.
  void set_options(const ServeOptions& options) {
    auto next = std::make_shared<const ServeOptions>(options);
    TlsContext tls = make_tls(options.tls_certificate, options.tls_key);
    const std::lock_guard lock(mutex_);
    options_.swap(next);
    tls_.swap(tls);
  }

  // When the next connection that was refused may be read again.
  std::chrono::steady_clock::time_point next_turn(int per_second);

  const HttpHandler handler;
  // counted by all
  std::atomic<bool> leaving = false;   // each answer closes its connection
  std::atomic<bool> stopping = false;  // no connection waits for a request
  std::atomic<std::uint64_t> requests = 0, malformed = 0, timeouts = 0;

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const ServeOptions> options_;  // guarded by mutex_
  TlsContext tls_;                               // guarded by mutex_
  std::atomic<std::chrono::steady_clock::time_point> turn_{};
};

// Requests of one connection, one after another, until either side ends it. Runs on the session's
// strand; `is_late` may be asked from any thread.
class HttpSession : public std::enable_shared_from_this<HttpSession> {
 public:
  HttpSession(boost::asio::ip::tcp::socket socket, SessionShared& shared);

  boost::asio::awaitable<void> run();
  auto executor() { return stream_.socket().get_executor(); }
  void end_if_idle();  // closes the connection unless a request has arrived or is being answered
  void end();
  // Whether what is being read or written has taken longer than it may; `give_up` then ends the
  // wait for it.
  bool is_late() const;
  void give_up();

 private:
  boost::asio::awaitable<bool> serve_one();
  // Reads until the buffer begins with a whole head; its bytes, or 0 where the connection ends.
  boost::asio::awaitable<std::size_t> read_head();
  // Reads the request whose head is the buffer's first `head_bytes`; false where it was refused.
  boost::asio::awaitable<bool> read_request(std::size_t head_bytes, HttpRequest& request);
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  boost::asio::awaitable<boost::beast::error_code> read_body(Parser& parser);
  boost::asio::awaitable<HttpReply> ask(HttpRequest& request);
  boost::asio::awaitable<bool> write(HttpReply& reply, bool keep_alive, bool without_body);
  boost::asio::awaitable<void> refuse(const Refusal& refusal);
  boost::asio::awaitable<void> linger();
  boost::asio::awaitable<void> rest();  // after a refusal
  void arm(int time_ms);
  std::string_view buffered() const;

  HttpStream stream_;
  boost::beast::flat_buffer buffer_;
  SessionShared& shared_;
  std::shared_ptr<const ServeOptions> options_;  // of the present request
  std::string peer_;
  bool idle_ = true;
  bool keep_alive_ = true;
  bool gave_up_ = false;  // since the clock was last set
  std::atomic<std::chrono::steady_clock::time_point> deadline_;
};

}  // namespace dexter
