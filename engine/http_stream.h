#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <tuple>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace dexter {

// Inner header of the HTTP server: the bytes of one connection, in the clear or under TLS.

// What the server's coroutines wait with: an error is a value, not an exception.
inline constexpr auto kTuple = boost::asio::as_tuple(boost::asio::use_awaitable);

using TlsContext = std::shared_ptr<boost::asio::ssl::context>;
// TLS 1.2 and later, with a certificate (PEM, its chain after it) and its key. Null where both
// names are empty. kInvalidInput for one without the other, and for what cannot be read.
TlsContext make_tls(const std::string& certificate_file, const std::string& key_file);

class HttpStream {
 public:
  using Transferred = std::tuple<boost::system::error_code, std::size_t>;

  // `tls` may be null: in the clear.
  HttpStream(boost::asio::ip::tcp::socket socket, TlsContext tls);

  // Comes before all else; true at once in the clear.
  boost::asio::awaitable<bool> handshake();
  boost::asio::awaitable<Transferred> read_some(boost::asio::mutable_buffer buffer);
  boost::asio::awaitable<Transferred> write(std::array<boost::asio::const_buffer, 2> buffers);
  // Tells the other side that nothing more will be written; under TLS waits until it says so too.
  boost::asio::awaitable<void> end_writing();
  // The socket below: for its options, to cancel and to close.
  boost::asio::ip::tcp::socket& socket() { return socket_; }

 private:
  using TlsStream = boost::asio::ssl::stream<boost::asio::ip::tcp::socket&>;

  boost::asio::ip::tcp::socket socket_;
  TlsContext context_;
  std::unique_ptr<TlsStream> tls_;  // null: in the clear
};

}  // namespace dexter
