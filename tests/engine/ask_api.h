#pragma once

#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/http_api.h"

namespace dexter::testing {

// The reply to one request, once it is there.
inline HttpReply ask(const HttpApi& api, const std::string& method, const std::string& target,
                     const std::string& body = {},
                     std::vector<std::pair<std::string, std::string>> headers = {}) {
  // Owned by the reply's thread too, which may still be in set_value when the future is ready.
  const auto promise = std::make_shared<std::promise<HttpReply>>();
  std::future<HttpReply> reply = promise->get_future();
  api.handle({.method = method,
              .target = target,
              .headers = std::move(headers),
              .body = body,
              .peer = "test"},
             [promise](HttpReply&& made) { promise->set_value(std::move(made)); });
  return reply.get();
}

}  // namespace dexter::testing
