#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace dexter::testing {

struct RawReply {
  int status = 0;  // 0: the connection ended without a reply
  std::string head;
  std::string body;
};

// A TCP connection to a server on this machine that sends any bytes, sound or not.
class RawConnection {
 public:
  explicit RawConnection(std::uint16_t port) : descriptor_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
      throw std::runtime_error("no connection to port " + std::to_string(port));
  }
  ~RawConnection() { ::close(descriptor_); }
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;  // the server went away, as a test may want
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  // The next reply, with its body unless HEAD was asked.
  RawReply receive(bool has_body = true) {
    RawReply reply;
    std::size_t end = 0;
    while ((end = received_.find("\r\n\r\n")) == std::string::npos)
      if (!read_some()) return reply;
    reply.head = received_.substr(0, end + 2);
    reply.status = std::atoi(reply.head.substr(9, 3).c_str());
    received_.erase(0, end + 4);
    const std::size_t field = reply.head.find("Content-Length: ");
    const std::size_t length =
        field == std::string::npos ? 0 : std::stoul(reply.head.substr(field + 16));
    while (has_body && received_.size() < length && read_some()) {
    }
    if (has_body) reply.body = received_.substr(0, length);
    received_.erase(0, reply.body.size());
    return reply;
  }
  RawReply ask(std::string_view bytes) {
    send(bytes);
    return receive();
  }
  // Whether the server has ended the connection and sent nothing more.
  bool is_ended() { return received_.empty() && !read_some(); }

 private:
  bool read_some() {
    constexpr int kPatienceMs = 20000;  // a hung test ends
    pollfd waiting{descriptor_, POLLIN, 0};
    if (::poll(&waiting, 1, kPatienceMs) <= 0) throw std::runtime_error("the server is silent");
    char bytes[65536];
    const ssize_t count = ::recv(descriptor_, bytes, sizeof(bytes), 0);
    if (count > 0) received_.append(bytes, static_cast<std::size_t>(count));
    return count > 0;
  }

  int descriptor_;
  std::string received_;
};

inline std::string request_text(std::string_view method, std::string_view target,
                                std::string_view body = {}, std::string_view headers = {}) {
  return std::string(method) + ' ' + std::string(target) + " HTTP/1.1\r\nHost: dexter\r\n" +
         std::string(headers) + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body);
}

}  // namespace dexter::testing
