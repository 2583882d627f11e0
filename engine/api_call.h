#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/http_api.h"
#include "engine/http_message.h"
#include "engine/target.h"

namespace dexter {

// Inner header of the HTTP interface: one request on its way through a route.
struct ApiCall {
  const ApiParts& parts;
  HttpRequest request;
  ReplyFunction reply;
  std::shared_ptr<const ApiParts> kept;  // keeps the parts of its time
  std::string argument;                  // what stood in the braces of the path, decoded
  Parameters parameters;                 // of the target's ?..., decoded

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

// http_api.cc
struct RouteRow {
  std::string_view method;
  std::string_view path;  // "{key}" takes the rest, any other name in braces what has no slash
  Route route;
  Access access = Access::kRead;
  bool needs_labels = true;  // there are stores of demonstrations alone
};
std::span<const RouteRow> api_routes();

// change_routes.cc
// Runs `change` on a writer's thread; what it returns or throws is the reply, which is given again
// to a request with the same Idempotency-Key. With durability=async the reply does not wait for it.
void change_store(const std::shared_ptr<ApiCall>& call,
                  std::function<HttpReply(LiveStore& store)> change);
void answer_compact(const std::shared_ptr<ApiCall>& call);
void answer_snapshot(const std::shared_ptr<ApiCall>& call);
void answer_reload(const std::shared_ptr<ApiCall>& call);

// demo_routes.cc
void answer_demonstrations(const std::shared_ptr<ApiCall>& call);
// label_listing.cc
void answer_labels(const std::shared_ptr<ApiCall>& call);
// label_routes.cc
void append_label(std::string& out, const Label& label);  // {"key", "name", "text"}
void answer_label(const std::shared_ptr<ApiCall>& call);
void put_label(const std::shared_ptr<ApiCall>& call);
void put_labels(const std::shared_ptr<ApiCall>& call);
void remove_label(const std::shared_ptr<ApiCall>& call);
// document_routes.cc
void answer_document(const std::shared_ptr<ApiCall>& call);
void put_document(const std::shared_ptr<ApiCall>& call);
void put_documents(const std::shared_ptr<ApiCall>& call);
void remove_document(const std::shared_ptr<ApiCall>& call);
// query_route.cc
void answer_query(const std::shared_ptr<ApiCall>& call);
// Work of the call's client, due after `timeout_ms` or the server's own time.
QueryWork work_of(const ApiCall& call, std::optional<std::int64_t> timeout_ms);
// The reply of work that is done.
using Rendering = std::function<HttpReply(QueryAnswer& answer)>;
// Hands work to the batcher. Where it is not done, a problem says why.
void submit_query(const std::shared_ptr<ApiCall>& call, QueryWork work, Rendering rendering);
// embed_routes.cc
void answer_embed(const std::shared_ptr<ApiCall>& call);
void answer_openai_embeddings(const std::shared_ptr<ApiCall>& call);
void answer_inference_embed(const std::shared_ptr<ApiCall>& call);
// annif_routes.cc
void answer_projects(const std::shared_ptr<ApiCall>& call);
void answer_project(const std::shared_ptr<ApiCall>& call);
void answer_suggest(const std::shared_ptr<ApiCall>& call);
void answer_suggest_batch(const std::shared_ptr<ApiCall>& call);
// state_routes.cc
void answer_info(const std::shared_ptr<ApiCall>& call);
void answer_report(const std::shared_ptr<ApiCall>& call);
void answer_live(const std::shared_ptr<ApiCall>& call);
void answer_ready(const std::shared_ptr<ApiCall>& call);
// stats_routes.cc
void answer_metrics(const std::shared_ptr<ApiCall>& call);
void answer_stats(const std::shared_ptr<ApiCall>& call);
// web_routes.cc
void answer_interface(const std::shared_ptr<ApiCall>& call);
void answer_docs(const std::shared_ptr<ApiCall>& call);
void answer_page(const std::shared_ptr<ApiCall>& call);
void answer_web_file(const std::shared_ptr<ApiCall>& call);

}  // namespace dexter
