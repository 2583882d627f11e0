#pragma once

#include <cstdint>
#include <memory>

#include "engine/http_message.h"
#include "engine/serve_options.h"

namespace dexter {

struct HttpFigures {
  std::uint64_t connections = 0;  // open now
  std::uint64_t accepted = 0, turned_away = 0, requests = 0, malformed = 0, timeouts = 0;
};

// HTTP/1.1 on one address, under TLS where a certificate is given: reads requests within the
// limits, hands each to the handler, writes its reply. Knows nothing of what is asked. A malformed
// request, one beyond a limit and one that is too slow are answered with a problem and the
// connection ends. The handler is called on the I/O threads and must not block; its reply may come
// later from any thread. Safe from many threads.
class HttpServer {
 public:
  // Listens from here on. kUnavailable where the address is taken, kInvalidInput where it is none.
  HttpServer(const ServeOptions& options, HttpHandler handler);
  ~HttpServer();  // as request_stop, without waiting for requests in flight
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const;
  void start(int io_threads);
  // kInvalidInput for a certificate or a key that cannot be taken.
  static void check(const ServeOptions& options);
  // Limits and times from the next request of each connection on, the certificate from the next
  // connection on; the address stays. Errors as of `check`.
  void set_options(const ServeOptions& options);
  // Answers close their connections from now on. After grace_ms takes no more connections, ends
  // idle ones, lets requests in flight end within drain_ms.
  void request_stop();
  void wait();  // until a stop is done
  HttpFigures figures() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dexter
