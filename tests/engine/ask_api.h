#pragma once

#include <cctype>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <boost/json.hpp>

#include "engine/http_api.h"

namespace dexter::testing {

// The reply to one request, once it is there.
inline HttpReply ask_unchecked(const HttpApi& api, HttpRequest request) {
  // Owned by the reply's thread too, which may still be in set_value when the future is ready.
  const auto promise = std::make_shared<std::promise<HttpReply>>();
  std::future<HttpReply> reply = promise->get_future();
  api.handle(std::move(request),
             [promise](HttpReply&& made) { promise->set_value(std::move(made)); });
  return reply.get();
}

inline boost::json::object document_of(const HttpApi& api) {
  const HttpReply reply = ask_unchecked(
      api, {.method = "GET", .target = "/openapi.json", .headers = {}, .body = {}, .peer = {}});
  return boost::json::parse(reply.body).as_object();
}

// Whether `path` is one that the OpenAPI path `pattern` stands for.
inline bool stands_for(std::string_view pattern, std::string_view path) {
  const std::size_t brace = pattern.find('{');
  if (brace == std::string_view::npos) return pattern == path;
  const std::string_view tail = pattern.substr(pattern.find('}') + 1);
  if (!path.starts_with(pattern.substr(0, brace)) || !path.ends_with(tail)) return false;
  const std::string_view found = path.substr(brace, path.size() - brace - tail.size());
  return !found.empty() && (pattern.find("{key}") != pattern.npos || found.find('/') == found.npos);
}

// A reply's status is one that the OpenAPI document names for its route.
inline void expect_documented(const HttpApi& api, const std::string& method,
                              const std::string& target, int status) {
  static const boost::json::object document = document_of(api);
  std::string name;
  for (const char c : method) name += static_cast<char>(std::tolower(c));
  const std::string path = target.substr(0, target.find('?'));
  for (const auto& [pattern, methods] : document.at("paths").as_object()) {
    if (!stands_for(pattern, path) || !methods.as_object().contains(name)) continue;
    const auto& responses = methods.at(name).at("responses").as_object();
    EXPECT_TRUE(responses.contains(std::to_string(status)))
        << method << ' ' << target << " was answered " << status
        << ", which engine/web/api.json does not name";
    return;
  }
  EXPECT_TRUE(status == 404 || status == 405 || method == "HEAD") << method << ' ' << target;
}

// The reply to one request, which must be of a documented status.
inline HttpReply ask(const HttpApi& api, const std::string& method, const std::string& target,
                     const std::string& body = {},
                     std::vector<std::pair<std::string, std::string>> headers = {}) {
  HttpReply reply = ask_unchecked(api, {.method = method,
                                        .target = target,
                                        .headers = std::move(headers),
                                        .body = body,
                                        .peer = "test"});
  expect_documented(api, method, target, reply.status);
  return reply;
}

}  // namespace dexter::testing
