// One connection: read a request by the strict rules, ask the handler, write the reply.
#include "engine/http_session.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <iterator>
#include <optional>
#include <utility>

#include <spdlog/fmt/chrono.h>
#include <spdlog/fmt/fmt.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http.hpp>

namespace dexter {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::awaitable;
using Clock = std::chrono::steady_clock;

// Errors as values: a client that goes away is no exception.
constexpr std::size_t kReadSize = 16384;
constexpr std::size_t kBodyReadSize = 65536;
// What is read and dropped of a refused request, so that its client sees the answer and not a
// reset.
constexpr std::size_t kLingerBytes = 1 << 20;
constexpr int kLingerMs = 1000;
constexpr std::chrono::seconds kLongestRest{1};
constexpr int kRefused = 429;

constexpr std::string_view kGoOn = "HTTP/1.1 100 Continue\r\n\r\n";

// The reply's way back to the session's strand, from any thread; a handler that loses it has
// failed.
template <class Handler>
class ReplySlot {
 public:
  explicit ReplySlot(Handler handler)
      : handler_(std::move(handler)), work_(asio::get_associated_executor(handler_)) {}
  ~ReplySlot() {
    if (!sent_) send(problem(500, "the request got lost; its log line says more"));
  }
  ReplySlot(const ReplySlot&) = delete;
  ReplySlot& operator=(const ReplySlot&) = delete;

  void send(HttpReply&& reply) {
    if (std::exchange(sent_, true)) return;
    asio::post(work_.get_executor(),
               [handler = std::move(handler_), sent = std::move(reply)]() mutable {
                 std::move(handler)(std::move(sent));
               });
  }

 private:
  Handler handler_;
  asio::executor_work_guard<asio::associated_executor_t<Handler>> work_;
  bool sent_ = false;
};

// RFC 9110's date of now, made once a second.
const std::string& date_line() {
  thread_local std::time_t made = 0;
  thread_local std::string line;
  const std::time_t now = std::time(nullptr);
  if (now != made) line = fmt::format("Date: {:%a, %d %b %Y %H:%M:%S} GMT\r\n", fmt::gmtime(now));
  made = now;
  return line;
}

std::string head_of(const HttpReply& reply, bool keep_alive) {
  std::string head;
  head.reserve(256);
  fmt::format_to(std::back_inserter(head), "HTTP/1.1 {} {}\r\n", reply.status,
                 status_text(reply.status));
  if (reply.status != 204 && reply.status != 304) {
    if (!reply.content_type.empty())
      fmt::format_to(std::back_inserter(head), "Content-Type: {}\r\n", reply.content_type);
    fmt::format_to(std::back_inserter(head), "Content-Length: {}\r\n", reply.body.size());
  }
  for (const auto& [name, value] : reply.headers)
    fmt::format_to(std::back_inserter(head), "{}: {}\r\n", name, value);
  if (!keep_alive) head += "Connection: close\r\n";
  head += date_line();
  head += "\r\n";
  return head;
}

Refusal refusal_of(const beast::error_code& error, const ServeOptions& options) {
  if (error == http::error::body_limit)
    return {413, fmt::format("the body is longer than {} bytes", options.body_bytes)};
  if (error == http::error::header_limit)
    return {431, fmt::format("the header is longer than {} bytes", options.header_bytes)};
  if (error == http::error::buffer_overflow)
    return {400, "a chunk's line or the trailer is too long"};
  return {400, fmt::format("the request is malformed: {}", error.message())};
}

void copy_fields(const http::request<http::string_body>& message, HttpRequest& request) {
  request.method = message.method_string();
  request.target = message.target();
  for (const auto& field : message)
    request.headers.emplace_back(field.name_string(), field.value());
}

std::size_t count_fields(const http::request<http::string_body>& message) {
  return static_cast<std::size_t>(std::distance(message.begin(), message.end()));
}

}  // namespace

Clock::time_point SessionShared::next_turn(int per_second) {
  const Clock::time_point now = Clock::now();
  const auto step = std::chrono::nanoseconds(std::chrono::seconds(1)) / per_second;
  Clock::time_point former = turn_;
  while (true) {
    const Clock::time_point mine = std::max(former, now) + step;
    if (mine > now + kLongestRest) return now + kLongestRest;
    if (turn_.compare_exchange_weak(former, mine)) return mine;
  }
}

HttpSession::HttpSession(asio::ip::tcp::socket socket, SessionShared& shared)
    : stream_(std::move(socket), shared.tls()), shared_(shared), options_(shared.options()) {
  arm(options_->idle_ms);
  beast::error_code gone;
  stream_.socket().set_option(asio::ip::tcp::no_delay(true), gone);
  const auto remote = stream_.socket().remote_endpoint(gone);
  if (!gone) peer_ = remote.address().to_string();
}

awaitable<void> HttpSession::run() {
  const auto self = shared_from_this();
  arm(options_->header_ms);
  bool goes_on = co_await stream_.handshake();
  while (goes_on) goes_on = co_await serve_one();
  end();
}

awaitable<bool> HttpSession::serve_one() {
  const std::size_t head_bytes = co_await read_head();
  if (head_bytes == 0) co_return false;
  ++shared_.requests;
  HttpRequest request;
  const bool whole = co_await read_request(head_bytes, request);
  if (!whole) co_return false;
  const bool without_body = request.method == "HEAD";
  HttpReply reply = co_await ask(request);
  const bool keep_alive = keep_alive_ && !reply.close && !shared_.leaving;
  const bool written = co_await write(reply, keep_alive, without_body);
  if (written && !keep_alive) co_await linger();
  if (written && keep_alive && reply.status == kRefused && options_->refused_per_s > 0)
    co_await rest();
  co_return written&& keep_alive;
}

awaitable<std::size_t> HttpSession::read_head() {
  options_ = shared_.options();
  const ServeOptions& options = *options_;
  buffer_.max_size(std::max(buffer_.size(), static_cast<std::size_t>(options.header_bytes)) +
                   2 * 65536);
  const auto most = static_cast<std::size_t>(options.header_bytes);
  idle_ = buffer_.size() == 0;
  if (idle_ && shared_.stopping) co_return 0;
  arm(idle_ ? options.idle_ms : options.header_ms);
  std::size_t searched = 0;
  while (true) {
    // A client may leave an empty line after its last body (RFC 9112, 2.2).
    for (; buffered().starts_with("\r\n"); searched = 0) buffer_.consume(2);
    const std::size_t end = find_head_end(buffered(), searched);
    if (end != std::string_view::npos && end <= most) co_return end;
    if (end != std::string_view::npos || buffered().size() > most) {
      const Refusal refusal{431, fmt::format("the header is longer than {} bytes", most)};
      co_await refuse(refusal);
      co_return 0;
    }
    searched = buffered().size();
    const auto room = buffer_.prepare(kReadSize);
    const auto [error, count] = co_await stream_.read_some(room);
    if (error && gave_up_ && !idle_) {
      ++shared_.timeouts;
      const Refusal refusal{408,
                            fmt::format("the header took longer than {} ms", options.header_ms)};
      co_await refuse(refusal);
    }
    if (error) co_return 0;
    buffer_.commit(count);
    if (std::exchange(idle_, false)) arm(options.header_ms);
  }
}

awaitable<bool> HttpSession::read_request(std::size_t head_bytes, HttpRequest& request) {
  const std::string_view head = buffered().substr(0, head_bytes);
  std::optional<Refusal> refusal = check_request_head(head);
  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(options_->header_bytes));
  parser.body_limit(static_cast<std::uint64_t>(options_->body_bytes));
  auto refuse_extension = [](std::uint64_t, beast::string_view text, beast::error_code& error) {
    if (!text.empty()) error = http::error::bad_chunk_extension;
  };
  parser.on_chunk_header(refuse_extension);
  if (!refusal) {
    beast::error_code error;
    buffer_.consume(parser.put(asio::buffer(head.data(), head.size()), error));
    if (error && error != http::error::need_more) refusal = refusal_of(error, *options_);
  }
  if (!refusal) {
    copy_fields(parser.get(), request);
    const std::string_view expected = request.header("expect");
    if (!expected.empty() && !equals_ignoring_case(expected, "100-continue"))
      refusal = Refusal{417, "the only expectation that is met is 100-continue"};
    arm(options_->body_ms);
    const std::array<asio::const_buffer, 2> go_on = {asio::buffer(kGoOn)};
    if (!refusal && !expected.empty() && !parser.is_done() && buffer_.size() == 0)
      co_await stream_.write(go_on);
  }
  if (!refusal && !parser.is_done()) {
    const beast::error_code error = co_await read_body(parser);
    const bool malformed =
        error.category() == http::make_error_code(http::error::bad_chunk).category();
    if (error && gave_up_)
      refusal = Refusal{408, fmt::format("the body took longer than {} ms", options_->body_ms)};
    else if (error && malformed)
      refusal = refusal_of(error, *options_);
    else if (error)
      co_return false;
    else if (count_fields(parser.get()) != request.headers.size())
      refusal = Refusal{400, "a body's trailer is not taken; send its fields in the header"};
    if (gave_up_) ++shared_.timeouts;
  }
  if (refusal) {
    co_await refuse(*refusal);
    co_return false;
  }
  keep_alive_ = parser.keep_alive();
  request.body = std::move(parser.get().body());
  request.peer = peer_;
  co_return true;
}

awaitable<beast::error_code> HttpSession::read_body(Parser& parser) {
  parser.eager(true);
  while (true) {
    beast::error_code error;
    if (buffer_.size() > 0) buffer_.consume(parser.put(buffer_.data(), error));
    if (error && error != http::error::need_more) co_return error;
    if (parser.is_done()) co_return beast::error_code();
    if (buffer_.size() + kBodyReadSize > buffer_.max_size()) co_return http::error::buffer_overflow;
    const auto room = buffer_.prepare(kBodyReadSize);
    const auto [failure, count] = co_await stream_.read_some(room);
    if (failure) co_return failure;
    buffer_.commit(count);
  }
}

awaitable<HttpReply> HttpSession::ask(HttpRequest& request) {
  deadline_ = Clock::time_point::max();  // answering takes what it takes
  auto start = [this, &request](auto completion) {
    using Slot = ReplySlot<std::decay_t<decltype(completion)>>;
    auto slot = std::make_shared<Slot>(std::move(completion));
    shared_.handler(std::move(request),
                    [slot](HttpReply&& reply) { slot->send(std::move(reply)); });
  };
  return asio::async_initiate<const asio::use_awaitable_t<>, void(HttpReply)>(start,
                                                                              asio::use_awaitable);
}

awaitable<bool> HttpSession::write(HttpReply& reply, bool keep_alive, bool without_body) {
  const std::string head = head_of(reply, keep_alive);
  const bool has_body = !without_body && reply.status != 204 && reply.status != 304;
  const std::array<asio::const_buffer, 2> parts = {
      asio::buffer(head), has_body ? asio::buffer(reply.body) : asio::const_buffer()};
  arm(options_->write_ms);
  const auto [error, count] = co_await stream_.write(parts);
  if (error && gave_up_) ++shared_.timeouts;
  co_return !error;
}

awaitable<void> HttpSession::refuse(const Refusal& refusal) {
  ++shared_.malformed;
  HttpReply reply = problem(refusal.status, refusal.detail);
  const bool written = co_await write(reply, false, false);
  if (written) co_await linger();
}

awaitable<void> HttpSession::linger() {
  arm(kLingerMs);
  co_await stream_.end_writing();
  beast::error_code error;
  for (std::size_t total = 0; !error && total < kLingerBytes;) {
    buffer_.clear();
    const auto room = buffer_.prepare(kReadSize);
    const auto read = co_await stream_.read_some(room);
    error = std::get<0>(read);
    total += std::get<1>(read);
  }
}

awaitable<void> HttpSession::rest() {
  idle_ = true;
  deadline_ = Clock::time_point::max();
  asio::steady_timer timer(executor(), shared_.next_turn(options_->refused_per_s));
  co_await timer.async_wait(kTuple);
}

void HttpSession::end_if_idle() {
  beast::error_code ignored;
  if (idle_ && stream_.socket().available(ignored) == 0) end();
}

void HttpSession::end() {
  beast::error_code ignored;
  stream_.socket().close(ignored);
}

bool HttpSession::is_late() const { return deadline_.load() < Clock::now(); }

void HttpSession::give_up() {
  if (!is_late()) return;
  gave_up_ = true;
  beast::error_code ignored;
  stream_.socket().cancel(ignored);
}

void HttpSession::arm(int time_ms) {
  gave_up_ = false;
  deadline_ = Clock::now() + std::chrono::milliseconds(time_ms);
}

std::string_view HttpSession::buffered() const {
  const auto bytes = buffer_.data();
  return {static_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace dexter
