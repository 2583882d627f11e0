// Listener, sessions, graceful stop.
#include "engine/http_server.h"

#include <array>
#include <chrono>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>

#include "engine/http_session.h"
#include "storage/error.h"

namespace dexter {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kAcceptPause{100};
// How often the times of all connections are looked at: cheaper than a timer for each.
constexpr std::chrono::milliseconds kSweep{20};

tcp::acceptor listen(asio::io_context& context, const ServeOptions& options) {
  error_code error;
  const auto address = asio::ip::make_address(options.host, error);
  ensure(!error, ErrorKind::kInvalidInput,
         fmt::format("listening: serve.host is '{}', but an IP address is expected; write for "
                     "instance 127.0.0.1 or 0.0.0.0",
                     options.host));
  const tcp::endpoint endpoint(address, static_cast<std::uint16_t>(options.port));
  tcp::acceptor acceptor(asio::make_strand(context));
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(tcp::acceptor::max_listen_connections, error);
  ensure(!error, ErrorKind::kUnavailable,
         fmt::format("listening on {} port {}: {}; choose another with --host and --port",
                     options.host, options.port, error.message()));
  return acceptor;
}

// A last word to a client for whom there is no room, as far as its socket takes it at once.
void turn_away(tcp::socket& socket) {
  constexpr std::string_view kAnswer =
      "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n"
      "Content-Length: 118\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"
      R"({"type":"about:blank","title":"Service Unavailable","status":503,"detail":"all connections of this server are taken"})"
      "\n";
  error_code ignored;
  socket.non_blocking(true, ignored);
  socket.write_some(asio::buffer(kAnswer), ignored);
  socket.shutdown(tcp::socket::shutdown_send, ignored);
}

}  // namespace

struct HttpServer::Impl {
  Impl(const ServeOptions& chosen, HttpHandler handler)
      : shared(chosen, std::move(handler)),
        acceptor(listen(context, chosen)),
        port(acceptor.local_endpoint().port()),
        pause(acceptor.get_executor()),
        grace(acceptor.get_executor()),
        sweep(acceptor.get_executor()) {}

  asio::awaitable<void> accept_all();
  asio::awaitable<void> end_late_ones();
  void begin(tcp::socket socket);
  void forget(const HttpSession* session);
  void leave();
  void stop();
  template <class Condition>
  void for_each(void (HttpSession::*action)(), Condition condition);

  SessionShared shared;
  asio::io_context context;
  // on the acceptor's strand
  tcp::acceptor acceptor;
  const std::uint16_t port;
  asio::steady_timer pause;
  asio::steady_timer grace;
  asio::steady_timer sweep;
  Clock::time_point drained_by = Clock::time_point::max();
  // guarded by mutex
  mutable std::mutex mutex;
  std::unordered_map<const HttpSession*, std::weak_ptr<HttpSession>> sessions;
  std::uint64_t accepted = 0, turned_away = 0;
  // last, so that they join before anything they use is destroyed
  std::vector<std::jthread> threads;
};

asio::awaitable<void> HttpServer::Impl::accept_all() {
  while (acceptor.is_open()) {
    tcp::socket socket(asio::make_strand(context));
    const auto [error] = co_await acceptor.async_accept(socket, kTuple);
    if (!error) {
      begin(std::move(socket));
    } else if (acceptor.is_open()) {
      // Out of descriptors, mostly: those in use will be given back.
      spdlog::warn("accepting a connection: {}; trying again", error.message());
      pause.expires_after(kAcceptPause);
      co_await pause.async_wait(kTuple);
    }
  }
}

void HttpServer::Impl::begin(tcp::socket socket) {
  std::shared_ptr<HttpSession> session;
  {
    const std::lock_guard lock(mutex);
    if (sessions.size() < static_cast<std::size_t>(shared.options()->connections)) {
      ++accepted;
      session = std::make_shared<HttpSession>(std::move(socket), shared);
      sessions.emplace(session.get(), session);
    } else {
      ++turned_away;
    }
  }
  if (!session && shared.tls()) return;
  if (!session) return turn_away(socket);
  asio::co_spawn(session->executor(), session->run(),
                 [this, session](const std::exception_ptr& failure) {
                   try {
                     if (failure) std::rethrow_exception(failure);
                   } catch (const std::exception& error) {
                     spdlog::error("a connection ended with a mistake of ours: {}", error.what());
                   }
                   session->end();
                   forget(session.get());
                 });
}

void HttpServer::Impl::forget(const HttpSession* session) {
  const std::lock_guard lock(mutex);
  sessions.erase(session);
}

template <class Condition>
void HttpServer::Impl::for_each(void (HttpSession::*action)(), Condition condition) {
  const std::lock_guard lock(mutex);
  for (const auto& [key, weak] : sessions) {
    std::shared_ptr<HttpSession> session = weak.lock();
    if (!session || !condition(*session)) continue;
    asio::post(session->executor(), [session, action] { (session.get()->*action)(); });
  }
}

// Ends what takes too long, until a stop is done.
asio::awaitable<void> HttpServer::Impl::end_late_ones() {
  while (true) {
    sweep.expires_after(kSweep);
    co_await sweep.async_wait(kTuple);
    for_each(&HttpSession::give_up, [](const HttpSession& session) { return session.is_late(); });
    if (!shared.stopping) continue;
    {
      const std::lock_guard lock(mutex);
      if (sessions.empty()) co_return;
    }
    if (Clock::now() < drained_by) continue;
    drained_by = Clock::time_point::max();
    spdlog::warn("some requests did not end within {} ms; their connections are cut",
                 shared.options()->drain_ms);
    for_each(&HttpSession::end, [](const HttpSession&) { return true; });
  }
}

// On the acceptor's strand.
void HttpServer::Impl::leave() {
  const int grace_ms = shared.options()->grace_ms;
  if (grace_ms == 0) return stop();
  grace.expires_after(std::chrono::milliseconds(grace_ms));
  grace.async_wait([this](const error_code&) { stop(); });
}

// On the acceptor's strand.
void HttpServer::Impl::stop() {
  shared.stopping = true;
  error_code ignored;
  acceptor.close(ignored);
  pause.cancel();
  drained_by = Clock::now() + std::chrono::milliseconds(shared.options()->drain_ms);
  for_each(&HttpSession::end_if_idle, [](const HttpSession&) { return true; });
}

HttpServer::HttpServer(const ServeOptions& options, HttpHandler handler)
    : impl_(std::make_unique<Impl>(options, std::move(handler))) {}

HttpServer::~HttpServer() {
  impl_->context.stop();
  impl_->threads.clear();
}

std::uint16_t HttpServer::port() const { return impl_->port; }

void HttpServer::start(int io_threads) {
  asio::co_spawn(impl_->acceptor.get_executor(), impl_->accept_all(), asio::detached);
  asio::co_spawn(impl_->acceptor.get_executor(), impl_->end_late_ones(), asio::detached);
  for (int i = 0; i < std::max(1, io_threads); ++i)
    impl_->threads.emplace_back([this] { impl_->context.run(); });
}

void HttpServer::request_stop() {
  if (impl_->shared.leaving.exchange(true)) return;
  asio::post(impl_->acceptor.get_executor(), [this] { impl_->leave(); });
}

void HttpServer::check(const ServeOptions& options) {
  make_tls(options.tls_certificate, options.tls_key);
}

void HttpServer::set_options(const ServeOptions& options) { impl_->shared.set_options(options); }

void HttpServer::wait() { impl_->threads.clear(); }

HttpFigures HttpServer::figures() const {
  const std::lock_guard lock(impl_->mutex);
  return {.connections = impl_->sessions.size(),
          .accepted = impl_->accepted,
          .turned_away = impl_->turned_away,
          .requests = impl_->shared.requests,
          .malformed = impl_->shared.malformed,
          .timeouts = impl_->shared.timeouts};
}

}  // namespace dexter
