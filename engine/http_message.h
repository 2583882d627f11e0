#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dexter {

// A request as it left the socket: whole, within the limits, its framing checked.
struct HttpRequest {
  std::string method;                                        // "GET"
  std::string target;                                        // "/v1/labels/a%20b?limit=3", as sent
  std::vector<std::pair<std::string, std::string>> headers;  // names as sent
  std::string body;
  std::string peer;  // the client's address

  // The value of a header, by any case of its name; empty where it is absent.
  std::string_view header(std::string_view name) const;
};

struct HttpReply {
  int status = 200;
  std::string content_type = "application/json";
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};  // beside those of every reply
  bool close = false;                                             // end the connection after it
};

// Called once, from any thread, then or later.
using ReplyFunction = std::function<void(HttpReply&&)>;
using HttpHandler = std::function<void(HttpRequest&&, ReplyFunction)>;

bool equals_ignoring_case(std::string_view a, std::string_view b);
std::string_view status_text(int status);  // "Not Found"

// An RFC 9457 problem: {"type", "title", "status", "detail"}.
HttpReply problem(int status, std::string_view detail);

}  // namespace dexter
