#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace dexter {

// http[s]://HOST[:PORT][/PREFIX], taken apart.
struct ServerUrl {
  bool tls = false;
  std::string host;    // without the brackets of an IPv6 address
  std::string port;    // "80" or "443" where none is named
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

struct HttpAnswer {
  unsigned status = 0;
  std::string body;
  std::string retry_after;  // of the header, "" where there is none
};

// Requests to a server, one after another over one connection that is opened anew when the server
// closed it. Under TLS the server's certificate must be of its host and one that the system trusts
// (or a file that SSL_CERT_FILE of the environment names). For one thread.
class HttpClient {
 public:
  HttpClient(ServerUrl url, ClientOptions options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // The answer to a JSON request ("" for none), whatever its status. kUnavailable where there is no
  // connection or no answer in time.
  HttpAnswer send(std::string_view method, std::string_view path, std::string body = {});

  // The body of an answer of 200 of a dexter server to a JSON request ("" for none). A request that
  // finds no room is sent again after the time that the server names. Throws what the server says:
  // kInvalidInput where the request or the key is at fault (400, 401, 403, 413), kNotFound (404),
  // kUnavailable (no connection, no room, too slow), kInternal for the rest.
  std::string ask(std::string_view method, std::string_view path, std::string body = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dexter
