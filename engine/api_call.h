#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/http_api.h"
#include "engine/http_message.h"

namespace dexter {

// Inner header of the HTTP interface: one request on its way through a route.
struct ApiCall {
  const ApiParts& parts;
  HttpRequest request;
  ReplyFunction reply;
  std::string argument;  // what stood for {key} in the path, decoded
  std::vector<std::pair<std::string, std::string>> parameters;  // of the target's ?..., decoded

  std::optional<std::string> parameter(std::string_view name) const;
};

using Route = void (*)(const std::shared_ptr<ApiCall>& call);

// Runs `action`; an exception of it becomes the call's reply.
void guarded(const std::shared_ptr<ApiCall>& call, const std::function<void()>& action);
HttpReply problem_of(const std::exception_ptr& error);

// query_route.cc
void answer_query(const std::shared_ptr<ApiCall>& call);
// state_routes.cc
void answer_info(const std::shared_ptr<ApiCall>& call);
void answer_live(const std::shared_ptr<ApiCall>& call);
void answer_ready(const std::shared_ptr<ApiCall>& call);

}  // namespace dexter
