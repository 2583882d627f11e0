// One kept connection to a server, with a time limit on each step.
#include "engine/post_client.h"

#include <chrono>
#include <optional>

#include <spdlog/fmt/fmt.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include "storage/error.h"

namespace dexter {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;

constexpr std::uint64_t kLongestReply = 1ULL << 30;

struct Address {
  std::string host, port, prefix;
};

Address parse(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  const auto fail = [&](std::string_view what) {
    throw Error(ErrorKind::kInvalidInput,
                fmt::format("reading the address of a server: '{}' {}; write for instance "
                            "http://127.0.0.1:8000/v1",
                            url, what));
  };
  if (url.starts_with("https://"))
    fail("asks for TLS, which is not spoken here (let a proxy on this machine speak it)");
  if (!url.starts_with(kScheme)) fail("does not begin with http://");
  std::string_view rest = url.substr(kScheme.size());
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  std::string_view place = rest.substr(0, slash);
  std::string prefix(rest.substr(slash));
  while (prefix.ends_with('/')) prefix.pop_back();
  const std::size_t colon = place.rfind(':');
  const bool bracketed = place.starts_with('[');
  const std::size_t end = bracketed ? place.find(']') : std::min(colon, place.size());
  if (end == std::string_view::npos || end == 0) fail("names no host");
  const std::string host(place.substr(bracketed, end - bracketed));
  const std::string_view behind = place.substr(end + bracketed);
  if (!behind.empty() && (behind.front() != ':' || behind.size() == 1 ||
                          behind.find_first_not_of("0123456789", 1) != std::string_view::npos))
    fail("names no port behind its host");
  return {host, behind.empty() ? "80" : std::string(behind.substr(1)), prefix};
}

}  // namespace

struct PostClient::Impl {
  Impl(std::string_view given, double timeout_seconds)
      : url(given), address(parse(given)), timeout(timeout_seconds) {}

  // Starts an operation of Beast that ends by `done(error, ...)` and runs it to its end.
  template <class Start>
  error_code run(const Start& start) {
    error_code result;
    stream->expires_after(std::chrono::duration_cast<std::chrono::nanoseconds>(timeout));
    start([&result](error_code error, auto&&...) { result = error; });
    context.restart();
    context.run();
    return result;
  }

  [[noreturn]] void fail(std::string_view step, const error_code& error) {
    stream.reset();
    throw Error(ErrorKind::kUnavailable,
                fmt::format("asking {}: {}: {}; check that the server runs and the address is "
                            "right",
                            url, step,
                            error == beast::error::timeout
                                ? fmt::format("no answer in {} s", timeout.count())
                                : error.message()));
  }

  void connect() {
    error_code error;
    asio::ip::tcp::resolver resolver(context);
    const auto found = resolver.resolve(address.host, address.port, error);
    stream.emplace(context);
    buffer.clear();
    if (error) fail("looking up the host", error);
    error = run([&](auto done) { stream->async_connect(found, done); });
    if (error) fail("connecting", error);
    stream->socket().set_option(asio::ip::tcp::no_delay(true), error);
  }

  error_code exchange(const http::request<http::string_body>& request,
                      http::response_parser<http::string_body>& parser) {
    error_code error = run([&](auto done) { http::async_write(*stream, request, done); });
    if (error) return error;
    return run([&](auto done) { http::async_read(*stream, buffer, parser, done); });
  }

  const std::string url;
  const Address address;
  const std::chrono::duration<double> timeout;
  asio::io_context context;
  std::optional<beast::tcp_stream> stream;  // none: not connected
  beast::flat_buffer buffer;
};

PostClient::PostClient(std::string_view url, double timeout_seconds)
    : impl_(std::make_unique<Impl>(url, timeout_seconds)) {}
PostClient::~PostClient() = default;
PostClient::PostClient(PostClient&&) noexcept = default;
PostClient& PostClient::operator=(PostClient&&) noexcept = default;

PostReply PostClient::post(std::string_view path, std::string body,
                           const std::vector<std::pair<std::string, std::string>>& headers) {
  http::request<http::string_body> request(http::verb::post,
                                           impl_->address.prefix + std::string(path), 11);
  const bool named_port = impl_->address.port != "80";
  request.set(http::field::host,
              named_port ? fmt::format("{}:{}", impl_->address.host, impl_->address.port)
                         : impl_->address.host);
  request.set(http::field::content_type, "application/json");
  for (const auto& [name, value] : headers) request.set(name, value);
  request.body() = std::move(body);
  request.prepare_payload();
  const bool kept = impl_->stream.has_value();
  if (!kept) impl_->connect();
  std::optional<http::response_parser<http::string_body>> parser(std::in_place);
  parser->body_limit(kLongestReply);
  error_code error = impl_->exchange(request, *parser);
  if (error && kept && !parser->got_some()) {  // a kept connection may have ended meanwhile
    impl_->connect();
    parser.emplace();
    parser->body_limit(kLongestReply);
    error = impl_->exchange(request, *parser);
  }
  if (error) impl_->fail("waiting for its answer", error);
  http::response<http::string_body> response = parser->release();
  if (!response.keep_alive()) impl_->stream.reset();
  return {static_cast<int>(response.result_int()), std::move(response.body()),
          std::string(response[http::field::retry_after])};
}

}  // namespace dexter
