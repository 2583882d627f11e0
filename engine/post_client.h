#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dexter {

struct PostReply {
  int status = 0;
  std::string body;
  std::string retry_after;  // of the header; empty where there is none
};

// Asks one server, over one connection that is kept open and opened anew where it ended. One
// caller.
class PostClient {
 public:
  // "http://host:port/prefix"; kInvalidInput for anything else, https too.
  PostClient(std::string_view url, double timeout_seconds);
  ~PostClient();
  PostClient(PostClient&&) noexcept;
  PostClient& operator=(PostClient&&) noexcept;

  // POSTs JSON to prefix + `path`. kUnavailable where the server cannot be reached, ends the
  // connection or does not answer in time; the message has the address and the reason.
  PostReply post(std::string_view path, std::string body,
                 const std::vector<std::pair<std::string, std::string>>& headers);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dexter
