#pragma once

#include <functional>
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
  std::shared_ptr<const ApiParts> kept;  // keeps the parts of its time
  std::string argument;                  // what stood for {key} in the path, decoded
  std::vector<std::pair<std::string, std::string>> parameters;  // of the target's ?..., decoded

  std::optional<std::string> parameter(std::string_view name) const;
};

using Route = void (*)(const std::shared_ptr<ApiCall>& call);

// Runs `action`; an exception of it becomes the call's reply.
void guarded(const std::shared_ptr<ApiCall>& call, const std::function<void()>& action);
HttpReply problem_of(const std::exception_ptr& error);
// A problem with a Retry-After of a second.
HttpReply try_again(int status, std::string_view detail);

// api_access.cc
// What a route asks of a key.
enum class Access { kOpen, kRead, kChange };
// The refusal of a request whose key does not allow it; nullopt where it may go on.
std::optional<HttpReply> refusal_of(const ApiKeys& keys, const HttpRequest& request, Access access);

// change_routes.cc
// Runs `change` on a writer's thread; what it returns or throws is the reply, which is given again
// to a request with the same Idempotency-Key. With durability=async the reply does not wait for it.
void change_store(const std::shared_ptr<ApiCall>& call,
                  std::function<HttpReply(LiveStore& store)> change);
void answer_compact(const std::shared_ptr<ApiCall>& call);
void answer_snapshot(const std::shared_ptr<ApiCall>& call);
void answer_reload(const std::shared_ptr<ApiCall>& call);

// label_routes.cc
void answer_label(const std::shared_ptr<ApiCall>& call);
void put_label(const std::shared_ptr<ApiCall>& call);
void put_labels(const std::shared_ptr<ApiCall>& call);
void remove_label(const std::shared_ptr<ApiCall>& call);
// query_route.cc
void answer_query(const std::shared_ptr<ApiCall>& call);
// state_routes.cc
void answer_info(const std::shared_ptr<ApiCall>& call);
void answer_live(const std::shared_ptr<ApiCall>& call);
void answer_ready(const std::shared_ptr<ApiCall>& call);
// stats_routes.cc
void answer_metrics(const std::shared_ptr<ApiCall>& call);
void answer_stats(const std::shared_ptr<ApiCall>& call);

}  // namespace dexter
