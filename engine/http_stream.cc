// A socket, or TLS over it.
#include "engine/http_stream.h"

#include <utility>

#include <spdlog/fmt/fmt.h>
#include <boost/asio/write.hpp>

#include "storage/error.h"

namespace dexter {
namespace {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;
using asio::awaitable;
using boost::system::error_code;

void check_loaded(const error_code& error, std::string_view option, const std::string& file) {
  ensure(
      !error, ErrorKind::kInvalidInput,
      fmt::format("setting up TLS: serve.{} is '{}', which cannot be taken ({}); give a PEM file "
                  "that the server may read",
                  option, file, error.message()));
}

}  // namespace

TlsContext make_tls(const std::string& certificate_file, const std::string& key_file) {
  if (certificate_file.empty() && key_file.empty()) return nullptr;
  ensure(
      !certificate_file.empty() && !key_file.empty(), ErrorKind::kInvalidInput,
      fmt::format("setting up TLS: serve.tls_certificate is '{}' and serve.tls_key is '{}'; give "
                  "both or neither",
                  certificate_file, key_file));
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  context->set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 |
                       ssl::context::no_sslv3 | ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1);
  error_code error;
  context->use_certificate_chain_file(certificate_file, error);
  check_loaded(error, "tls_certificate", certificate_file);
  // Checks that it belongs to the certificate, too.
  context->use_private_key_file(key_file, ssl::context::pem, error);
  check_loaded(error, "tls_key", key_file);
  return context;
}

HttpStream::HttpStream(asio::ip::tcp::socket socket, TlsContext tls)
    : socket_(std::move(socket)), context_(std::move(tls)) {
  if (context_) tls_ = std::make_unique<TlsStream>(socket_, *context_);
}

awaitable<bool> HttpStream::handshake() {
  if (!tls_) co_return true;
  const auto [error] = co_await tls_->async_handshake(ssl::stream_base::server, kTuple);
  co_return !error;
}

awaitable<HttpStream::Transferred> HttpStream::read_some(asio::mutable_buffer buffer) {
  if (tls_) co_return co_await tls_->async_read_some(buffer, kTuple);
  co_return co_await socket_.async_read_some(buffer, kTuple);
}

awaitable<HttpStream::Transferred> HttpStream::write(std::array<asio::const_buffer, 2> buffers) {
  if (tls_) co_return co_await asio::async_write(*tls_, buffers, kTuple);
  co_return co_await asio::async_write(socket_, buffers, kTuple);
}

awaitable<void> HttpStream::end_writing() {
  if (tls_) {
    co_await tls_->async_shutdown(kTuple);
    co_return;
  }
  error_code gone;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, gone);
}

}  // namespace dexter
