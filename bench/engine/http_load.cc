// A load on a running `dexter serve`: POST /v1/query, one text a request, over keep-alive
// connections, from one thread.
//   closed loop   each connection asks again when it is answered
//   open loop     requests are due at a fixed rate, whatever the server does; a latency counts from
//                 when the request was due, so that a stall is charged to all that it delayed
//                 (coordinated omission). What finds no free connection waits its turn here.
// One JSON object is printed: rates, latencies of answers and of rejections (429, 503), the
// latter from when they were sent, and the server's memory where --pid names it. With --retry-after
// 1 a connection that was rejected rests for the seconds of its Retry-After, as clients should.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <spdlog/fmt/fmt.h>

namespace {

using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;
using std::chrono::nanoseconds;

struct LoadOptions {
  std::string host = "127.0.0.1";
  int port = 8080;
  int connections = 64;
  double seconds = 10;
  double warm_up = 1;  // seconds before that are not counted
  double rate = 0;     // requests a second; 0: closed loop
  int k = 5;
  int repeat = 0;  // ask these many texts again and again; 0: no text twice
  int pid = 0;
  int retry_after = 0;
  std::string texts;  // a file, one text a line
  std::string key;    // of the server's API keys
};

struct Connection {
  int descriptor = -1;
  std::string in;
  Time due, sent;
  bool busy = false;
};

struct Tally {
  std::vector<float> ok_ms, rejected_ms;  // from due; from sent
  std::uint64_t broken = 0;
  std::map<int, std::uint64_t> statuses;
};

double milliseconds(nanoseconds time) { return static_cast<double>(time.count()) / 1e6; }

double quantile(const std::vector<float>& sorted, double q) {
  if (sorted.empty()) return 0;
  const auto rank = static_cast<std::size_t>(q * static_cast<double>(sorted.size()));
  return static_cast<double>(sorted[std::min(rank, sorted.size() - 1)]);
}

long resident_kib(int pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmRSS:")) return std::stol(line.substr(6));
  return 0;
}

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) result += c;
  }
  return result;
}

class Texts {
 public:
  explicit Texts(const LoadOptions& options) : options_(options) {
    std::ifstream file(options.texts);
    for (std::string line; std::getline(file, line);)
      if (!line.empty()) lines_.push_back(escaped(line));
    if (lines_.empty())
      for (const char* subject : {"cats and dogs", "medieval trade", "machine learning", "soil"})
        lines_.push_back(std::string("a history of ") + subject);
    if (options.repeat > 0)
      lines_.resize(std::min(lines_.size(), static_cast<std::size_t>(options.repeat)));
  }
  std::string next_request() {
    std::string text = lines_[count_ % lines_.size()];
    if (options_.repeat == 0 && count_ >= lines_.size())
      text += fmt::format(" {}", count_ / lines_.size());
    ++count_;
    const std::string body = fmt::format(R"({{"text":"{}","k":{}}})", text, options_.k);
    const std::string key =
        options_.key.empty() ? "" : fmt::format("Authorization: Bearer {}\r\n", options_.key);
    return fmt::format("POST /v1/query HTTP/1.1\r\nHost: a\r\n{}Content-Length: {}\r\n\r\n{}", key,
                       body.size(), body);
  }

 private:
  const LoadOptions& options_;
  std::vector<std::string> lines_;
  std::size_t count_ = 0;
};

// What the server's Retry-After says.
constexpr std::chrono::seconds kRest{1};

class Load {
 public:
  explicit Load(const LoadOptions& options)
      : options_(options),
        texts_(options),
        epoll_(::epoll_create1(0)),
        connections_(static_cast<std::size_t>(options.connections)) {
    for (std::size_t i = 0; i < connections_.size(); ++i) open(i);
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;
  ~Load() {
    for (const Connection& connection : connections_) ::close(connection.descriptor);
    ::close(epoll_);
  }

  void run() {
    begin_ = Clock::now();
    counted_from_ = begin_ + to_time(options_.warm_up);
    const Time end = counted_from_ + to_time(options_.seconds);
    Time next_due = begin_;
    memory_before_ = resident_kib(options_.pid);
    for (Time now = begin_; now < end; now = Clock::now()) {
      if (memory_warm_ == 0 && now >= counted_from_) memory_warm_ = resident_kib(options_.pid);
      release_rested(now);
      if (options_.rate > 0) {
        for (; next_due <= now; next_due += to_time(1 / options_.rate))
          waiting_.push_back(next_due);
      } else {
        for (std::size_t i = waiting_.size(); i < idle_.size(); ++i) waiting_.push_back(now);
      }
      start_waiting();
      const Time rested = resting_.empty() ? end : resting_.front().first;
      poll_until(std::min(options_.rate > 0 ? std::min(next_due, end) : end, rested));
    }
    memory_after_ = resident_kib(options_.pid);
  }

  std::string report() {
    std::sort(tally_.ok_ms.begin(), tally_.ok_ms.end());
    std::sort(tally_.rejected_ms.begin(), tally_.rejected_ms.end());
    std::string statuses;
    for (const auto& [status, count] : tally_.statuses)
      statuses += fmt::format("{}\"{}\": {}", statuses.empty() ? "" : ", ", status, count);
    return fmt::format(
        "{{\"connections\": {}, \"asked_rate\": {}, \"seconds\": {}, \"ok_per_s\": {:.0f}, "
        "\"rejected_per_s\": {:.0f}, \"broken\": {}, \"never_sent\": {}, \"statuses\": {{{}}}, "
        "\"ok_ms\": {}, \"rejected_ms\": {}, \"rss_kib\": [{}, {}, {}]}}",
        options_.connections, options_.rate, options_.seconds, per_second(tally_.ok_ms),
        per_second(tally_.rejected_ms), tally_.broken, waiting_.size(), statuses,
        quantiles(tally_.ok_ms), quantiles(tally_.rejected_ms), memory_before_, memory_warm_,
        memory_after_);
  }

 private:
  static nanoseconds to_time(double seconds) {
    return nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
  }
  double per_second(const std::vector<float>& latencies) const {
    return static_cast<double>(latencies.size()) / options_.seconds;
  }
  static std::string quantiles(const std::vector<float>& sorted) {
    return fmt::format(R"({{"p50": {:.3f}, "p99": {:.3f}, "p99.9": {:.3f}, "max": {:.3f}}})",
                       quantile(sorted, 0.5), quantile(sorted, 0.99), quantile(sorted, 0.999),
                       quantile(sorted, 1));
  }

  void open(std::size_t i) {
    Connection& connection = connections_[i];
    if (connection.descriptor >= 0) ::close(connection.descriptor);
    connection = {};
    connection.descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(options_.port));
    ::inet_pton(AF_INET, options_.host.c_str(), &address.sin_addr);
    if (::connect(connection.descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) !=
        0)
      throw std::runtime_error(
          fmt::format("nothing listens on {}:{}", options_.host, options_.port));
    const int yes = 1;
    ::setsockopt(connection.descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    epoll_event event{.events = EPOLLIN, .data = {.u64 = i}};
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.descriptor, &event);
    idle_.push_back(i);
  }

  void start_waiting() {
    while (!waiting_.empty() && !idle_.empty()) {
      Connection& connection = connections_[idle_.back()];
      idle_.pop_back();
      connection.due = waiting_.front();
      waiting_.pop_front();
      connection.sent = Clock::now();
      connection.busy = true;
      // A request is far smaller than a socket's buffer.
      const std::string request = texts_.next_request();
      if (::send(connection.descriptor, request.data(), request.size(), MSG_NOSIGNAL) < 0)
        ++tally_.broken;
    }
  }

  void poll_until(Time until) {
    const auto left = std::max(nanoseconds(0), nanoseconds(until - Clock::now()));
    const timespec wait{.tv_sec = left.count() / 1'000'000'000,
                        .tv_nsec = left.count() % 1'000'000'000};
    epoll_event events[256];
    const int count = ::epoll_pwait2(epoll_, events, std::size(events), &wait, nullptr);
    for (int i = 0; i < count; ++i) receive(events[i].data.u64);
  }

  void receive(std::size_t i) {
    Connection& connection = connections_[i];
    char bytes[65536];
    const ssize_t count = ::recv(connection.descriptor, bytes, sizeof bytes, MSG_DONTWAIT);
    if (count <= 0) {
      if (connection.busy) ++tally_.broken;
      if (!connection.busy) std::erase(idle_, i);
      std::erase_if(resting_, [&](const auto& row) { return row.second == i; });
      return open(i);
    }
    connection.in.append(bytes, static_cast<std::size_t>(count));
    const std::size_t head = connection.in.find("\r\n\r\n");
    if (head == std::string::npos) return;
    const std::size_t field = connection.in.find("Content-Length: ");
    if (field > head ||
        connection.in.size() < head + 4 + std::stoul(connection.in.substr(field + 16)))
      return;
    const int status = std::stoi(connection.in.substr(9, 3));
    count_reply(connection, status);
    connection.in.clear();
    connection.busy = false;
    if (options_.retry_after != 0 && (status == 429 || status == 503))
      resting_.emplace_back(Clock::now() + kRest, i);
    else
      idle_.push_back(i);
  }

  void release_rested(Time now) {
    for (; !resting_.empty() && resting_.front().first <= now; resting_.pop_front())
      idle_.push_back(resting_.front().second);
  }

  void count_reply(const Connection& connection, int status) {
    const Time now = Clock::now();
    if (now < counted_from_) return;
    ++tally_.statuses[status];
    if (status == 200)
      tally_.ok_ms.push_back(static_cast<float>(milliseconds(now - connection.due)));
    else if (status == 429 || status == 503)
      tally_.rejected_ms.push_back(static_cast<float>(milliseconds(now - connection.sent)));
  }

  const LoadOptions options_;
  Texts texts_;
  const int epoll_;
  std::vector<Connection> connections_;
  std::vector<std::size_t> idle_;
  std::deque<std::pair<Time, std::size_t>> resting_;  // until when, in this order
  std::deque<Time> waiting_;  // when the requests were due that no connection was free for
  Tally tally_;
  Time begin_, counted_from_;
  long memory_before_ = 0, memory_warm_ = 0, memory_after_ = 0;
};

template <class T>
bool take(std::string_view name, T& target, std::string_view given, const char* value) {
  if (given != name) return false;
  std::istringstream(value) >> target;
  return true;
}

LoadOptions options_of(int count, char** arguments) {
  LoadOptions options;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string_view given = arguments[i];
    const char* const value = arguments[i + 1];
    const bool known =
        take("--host", options.host, given, value) || take("--port", options.port, given, value) ||
        take("--connections", options.connections, given, value) ||
        take("--seconds", options.seconds, given, value) ||
        take("--warm-up", options.warm_up, given, value) ||
        take("--rate", options.rate, given, value) || take("--k", options.k, given, value) ||
        take("--repeat", options.repeat, given, value) ||
        take("--pid", options.pid, given, value) || take("--texts", options.texts, given, value) ||
        take("--key", options.key, given, value) ||
        take("--retry-after", options.retry_after, given, value);
    if (!known || count % 2 == 0)
      throw std::runtime_error(
          "usage: http_load [--host A] [--port N] [--connections N] [--seconds S] [--warm-up S] "
          "[--rate R] [--k N] [--repeat N] [--texts FILE] [--key KEY] [--pid N] "
          "[--retry-after 1]");
  }
  return options;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    Load load(options_of(count, arguments));
    load.run();
    std::cout << load.report() << '\n';
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "http_load: " << error.what() << '\n';
    return 1;
  }
}
