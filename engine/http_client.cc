// One connection to a server, asked request by request.
#include "engine/http_client.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <optional>
#include <thread>
#include <utility>

#include <spdlog/fmt/fmt.h>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>

#include "storage/error.h"

namespace dexter {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace json = boost::json;
using Request = http::request<http::string_body>;
using Response = http::response<http::string_body>;

constexpr std::uint64_t kLargestAnswer = 1ull << 30;
constexpr int kLongestPauseMs = 10000;

// What a problem says, or the beginning of another body.
std::string detail_of(const Response& response) {
  json::error_code error;
  const json::value body = json::parse(response.body(), error);
  if (!error.failed() && body.is_object())
    if (const json::value* detail = body.get_object().if_contains("detail");
        detail != nullptr && detail->is_string())
      return {detail->get_string().data(), detail->get_string().size()};
  constexpr std::size_t kMost = 200;
  return fmt::format("it answered {} {}", response.result_int(), response.body().substr(0, kMost));
}

ErrorKind kind_of(unsigned status) {
  switch (status) {
    case 400:
    case 401:
    case 403:
    case 413:
    case 415:
      return ErrorKind::kInvalidInput;
    case 404:
      return ErrorKind::kNotFound;
    case 408:
    case 429:
    case 503:
    case 504:
      return ErrorKind::kUnavailable;
    default:
      return ErrorKind::kInternal;
  }
}

std::chrono::milliseconds pause_before(const Response& response, int attempt) {
  const std::string named(response[http::field::retry_after]);
  const bool digits =
      !named.empty() && named.size() < 6 &&
      std::all_of(named.begin(), named.end(), [](char c) { return c >= '0' && c <= '9'; });
  const int wanted = digits ? std::stoi(named) * 1000 : 100 << attempt;
  return std::chrono::milliseconds(std::min(wanted, kLongestPauseMs));
}

}  // namespace

std::string ServerUrl::text() const {
  const bool is_v6 = host.find(':') != std::string::npos;
  return fmt::format("http://{}{}{}:{}{}", is_v6 ? "[" : "", host, is_v6 ? "]" : "", port, prefix);
}

ServerUrl parse_server_url(std::string_view text) {
  constexpr std::string_view kScheme = "http://";
  std::string_view rest = text;
  const auto refuse = [&] {
    throw Error(ErrorKind::kInvalidInput,
                fmt::format("reading the server's address: '{}' is not http://HOST[:PORT][/PATH]; "
                            "write for instance http://127.0.0.1:8080",
                            text));
  };
  if (!rest.starts_with(kScheme)) refuse();
  rest.remove_prefix(kScheme.size());
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  std::string_view prefix = rest.substr(slash), authority = rest.substr(0, slash);
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  ServerUrl url{.host = {}, .port = "80", .prefix = std::string(prefix)};
  const std::size_t bracket = authority.starts_with('[') ? authority.find(']') : 0;
  if (bracket == std::string_view::npos) refuse();
  const std::size_t colon = authority.find(':', bracket);
  url.host = bracket > 0 ? authority.substr(1, bracket - 1) : authority.substr(0, colon);
  if (colon != std::string_view::npos) url.port = authority.substr(colon + 1);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto is_graphic = [](char c) { return c > ' ' && c < 0x7f; };
  if (url.host.empty() || url.port.empty() || url.port.size() > 5 ||
      !std::all_of(url.port.begin(), url.port.end(), is_digit) ||
      !std::all_of(text.begin(), text.end(), is_graphic) ||
      text.find_first_of("?#@") != std::string_view::npos)
    refuse();
  return url;
}

struct HttpClient::Impl {
  Impl(ServerUrl to, ClientOptions chosen)
      : url(std::move(to)), options(std::move(chosen)), stream(context) {}

  asio::awaitable<Response> exchange(const Request& request);
  Response send(const Request& request);
  Response send_again_if_closed(const Request& request);

  const ServerUrl url;
  const ClientOptions options;
  asio::io_context context;
  beast::tcp_stream stream;
  beast::flat_buffer buffer;
  bool connected = false;
};

asio::awaitable<Response> HttpClient::Impl::exchange(const Request& request) {
  stream.expires_after(std::chrono::milliseconds(options.timeout_ms));
  if (!connected) {
    asio::ip::tcp::resolver resolver(context);
    const auto found = co_await resolver.async_resolve(url.host, url.port, asio::use_awaitable);
    co_await stream.async_connect(found, asio::use_awaitable);
    stream.socket().set_option(asio::ip::tcp::no_delay(true));
    connected = true;
  }
  co_await http::async_write(stream, request, asio::use_awaitable);
  http::response_parser<http::string_body> parser;
  parser.body_limit(kLargestAnswer);
  co_await http::async_read(stream, buffer, parser, asio::use_awaitable);
  co_return parser.release();
}

Response HttpClient::Impl::send(const Request& request) {
  std::exception_ptr failure;
  Response response;
  const auto done = [&](const std::exception_ptr& thrown, Response received) {
    failure = thrown;
    response = std::move(received);
  };
  asio::co_spawn(context, exchange(request), done);
  context.restart();
  context.run();
  if (failure || !response.keep_alive()) {
    stream.close();
    buffer.clear();
    connected = false;
  }
  if (failure) std::rethrow_exception(failure);
  return response;
}

// A connection that was idle may be closed by now; every request here may be sent twice.
Response HttpClient::Impl::send_again_if_closed(const Request& request) {
  try {
    if (connected) try {
        return send(request);
      } catch (const boost::system::system_error& error) {
        if (error.code() == beast::error::timeout) throw;
      }
    return send(request);
  } catch (const boost::system::system_error& error) {
    throw Error(ErrorKind::kUnavailable,
                fmt::format("asking {}: {}; is `dexter serve` running there?", url.text(),
                            error.code().message()));
  }
}

HttpClient::HttpClient(ServerUrl url, ClientOptions options)
    : impl_(std::make_unique<Impl>(std::move(url), std::move(options))) {}
HttpClient::~HttpClient() = default;

std::string HttpClient::ask(std::string_view method, std::string_view path, std::string body) {
  Request request;
  request.method_string({method.data(), method.size()});
  request.target(impl_->url.prefix + std::string(path));
  request.set(http::field::host, impl_->url.host + ':' + impl_->url.port);
  request.set(http::field::user_agent, "dexter");
  if (!impl_->options.api_key.empty())
    request.set(http::field::authorization, "Bearer " + impl_->options.api_key);
  if (!body.empty()) request.set(http::field::content_type, "application/json");
  request.body() = std::move(body);
  request.prepare_payload();
  for (int attempt = 1;; ++attempt) {
    Response response = impl_->send_again_if_closed(request);
    const unsigned status = response.result_int();
    if (status == 200) return std::move(response.body());
    if ((status != 429 && status != 503) || attempt >= impl_->options.attempts)
      throw Error(kind_of(status),
                  fmt::format("asking {}: {}", impl_->url.text(), detail_of(response)));
    std::this_thread::sleep_for(pause_before(response, attempt));
  }
}

}  // namespace dexter
