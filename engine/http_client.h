#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace dexter {

// http://HOST[:PORT][/PREFIX], taken apart.
struct ServerUrl {
  std::string host;    // without the brackets of an IPv6 address
  std::string port;    // "80" where none is named
  std::string prefix;  // "" or "/somewhere", without a slash at its end

  std::string text() const;
};

// kInvalidInput for what is no such URL.
ServerUrl parse_server_url(std::string_view text);

struct ClientOptions {
  std::string api_key;  // empty: none is sent
  int timeout_ms = 60000;
  int attempts = 4;  // of a request that the server has no room for (429, 503)
};

// Requests to a dexter server, one after another over one connection that is opened anew when the
// server closed it. For one thread.
class HttpClient {
 public:
  HttpClient(ServerUrl url, ClientOptions options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // The body of a reply of 200 to a JSON request ("" for none). A request that finds no room is
  // sent again after the time that the server names. Throws what the server says: kInvalidInput
  // where the request or the key is at fault (400, 401, 403, 413), kNotFound (404), kUnavailable
  // (no connection, no room, too slow), kInternal for the rest.
  std::string ask(std::string_view method, std::string_view path, std::string body = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dexter
