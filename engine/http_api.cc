// The table of routes, and the border where an error becomes an answer.
#include "engine/http_api.h"

#include <array>
#include <exception>
#include <new>

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include "engine/api_call.h"
#include "engine/cross_origin.h"
#include "engine/request_record.h"
#include "engine/target.h"
#include "storage/error.h"

namespace dexter {
namespace {

constexpr auto kRoutes = std::to_array<RouteRow>({
    {"POST", "/v1/query", &answer_query},
    {"POST", "/v1/demonstrations", &answer_demonstrations, Access::kRead, false},
    {"PUT", "/v1/labels/{key}", &put_label, Access::kChange},
    {"GET", "/v1/labels/{key}", &answer_label},
    {"DELETE", "/v1/labels/{key}", &remove_label, Access::kChange},
    {"GET", "/v1/labels", &answer_labels},
    {"POST", "/v1/labels", &put_labels, Access::kChange},
    {"PUT", "/v1/documents/{key}", &put_document, Access::kChange},
    {"GET", "/v1/documents/{key}", &answer_document},
    {"DELETE", "/v1/documents/{key}", &remove_document, Access::kChange},
    {"POST", "/v1/documents", &put_documents, Access::kChange},
    {"POST", "/v1/admin/compact", &answer_compact, Access::kChange},
    {"POST", "/v1/admin/snapshot", &answer_snapshot, Access::kChange},
    {"POST", "/v1/admin/reload", &answer_reload, Access::kChange, false},
    {"POST", "/v1/embed", &answer_embed},
    {"POST", "/v1/embeddings", &answer_openai_embeddings},
    {"POST", "/embed", &answer_inference_embed},
    {"GET", "/v1/projects", &answer_projects},
    {"GET", "/v1/projects/{id}", &answer_project},
    {"POST", "/v1/projects/{id}/suggest", &answer_suggest},
    {"POST", "/v1/projects/{id}/suggest-batch", &answer_suggest_batch},
    {"GET", "/v1/info", &answer_info, Access::kRead, false},
    {"GET", "/v1/stats", &answer_stats, Access::kRead, false},
    {"GET", "/metrics", &answer_metrics, Access::kRead, false},
    {"GET", "/v1/report", &answer_report},
    {"GET", "/openapi.json", &answer_interface, Access::kOpen},
    {"GET", "/docs", &answer_docs, Access::kOpen},
    {"GET", "/", &answer_page, Access::kOpen},
    {"GET", "/web/{file}", &answer_web_file, Access::kOpen},
    {"GET", "/livez", &answer_live, Access::kOpen, false},
    {"GET", "/readyz", &answer_ready, Access::kOpen, false},
});
static_assert(kRoutes.size() < ServerMetrics::kRoutes);

// What stands in the braces, "" where the pattern has none; nullopt where the path does not fit.
std::optional<std::string_view> match(std::string_view pattern, std::string_view path) {
  const std::size_t brace = pattern.find('{');
  if (brace == std::string_view::npos)
    return pattern == path ? std::optional<std::string_view>("") : std::nullopt;
  const std::string_view name = pattern.substr(brace, pattern.find('}') + 1 - brace);
  const std::string_view tail = pattern.substr(brace + name.size());
  if (!path.starts_with(pattern.substr(0, brace)) || !path.ends_with(tail) ||
      path.size() <= brace + tail.size())
    return std::nullopt;
  const std::string_view found = path.substr(brace, path.size() - brace - tail.size());
  if (name != "{key}" && found.find('/') != std::string_view::npos) return std::nullopt;
  return found;
}

bool serves(std::string_view route_method, std::string_view method) {
  return route_method == method || (route_method == "GET" && method == "HEAD");
}

HttpReply no_route(std::string_view path, const std::string& allowed) {
  if (allowed.empty())
    return problem(404, fmt::format("there is nothing at {}; /openapi.json lists all", path));
  HttpReply reply = problem(405, fmt::format("{} takes {} only", path, allowed));
  reply.headers.emplace_back("Allow", allowed);
  return reply;
}

HttpReply no_labels() {
  return problem(404,
                 "the store has demonstrations, but no labels to answer with; run `dexter import`, "
                 "`train` and `index`, and start the server again");
}

int status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalidInput:
      return 400;
    case ErrorKind::kNotFound:
      return 404;
    case ErrorKind::kUnavailable:
    case ErrorKind::kInterrupted:
      return 503;
    default:
      return 500;
  }
}

}  // namespace

std::span<const RouteRow> api_routes() { return kRoutes; }

std::optional<std::string> ApiCall::parameter(std::string_view name) const {
  return std::optional<std::string>(find_parameter(parameters, name));
}

HttpReply problem_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const Error& known) {
    const int status = status_of(known.kind());
    if (status != 500) return problem(status, known.what());
    spdlog::error("answering a request: {}", known.what());
  } catch (const std::bad_alloc&) {
    spdlog::error("answering a request: out of memory");
    return problem(503, "the server is short of memory; send less at once");
  } catch (const std::exception& unknown) {
    spdlog::error("answering a request: a mistake of dexter's own: {}", unknown.what());
  }
  return problem(500, "the server failed; its log says why");
}

HttpReply try_again(int status, std::string_view detail) {
  HttpReply reply = problem(status, detail);
  reply.headers.emplace_back("Retry-After", "1");
  return reply;
}

void guarded(const std::shared_ptr<ApiCall>& call, const std::function<void()>& action) {
  try {
    action();
  } catch (...) {
    call->reply(problem_of(std::current_exception()));
  }
}

HttpApi::HttpApi(ApiParts parts) : parts_(std::make_shared<const ApiParts>(std::move(parts))) {}

void HttpApi::set_options(const ServeOptions& options) {
  const std::lock_guard lock(mutex_);
  auto parts = std::make_shared<ApiParts>(*parts_);
  parts->options = options;
  parts_ = std::move(parts);
}

std::shared_ptr<const ApiParts> HttpApi::parts() const {
  const std::lock_guard lock(mutex_);
  return parts_;
}

void HttpApi::handle(HttpRequest&& request, ReplyFunction reply) const {
  const auto now = parts();
  const auto record = begin_record(*now, request);
  const auto call = std::make_shared<ApiCall>(
      ApiCall{*now, std::move(request), recorded(now, record, std::move(reply)), now, {}, {}});
  guarded(call, [&] {
    if (!record->origin.empty())
      if (auto preflight = preflight_reply(call->request))
        return call->reply(std::move(*preflight));
    const Target target = split_target(call->request.target);
    std::string allowed;
    for (const RouteRow& row : kRoutes) {
      const auto argument = match(row.path, target.path);
      if (!argument) continue;
      if (!serves(row.method, call->request.method)) {
        allowed += (allowed.empty() ? "" : ", ") + std::string(row.method);
        continue;
      }
      record->route = {static_cast<std::size_t>(&row - kRoutes.data()) + 1, row.method, row.path};
      if (auto refusal = refusal_of(now->keys, call->request, row.access))
        return call->reply(std::move(*refusal));
      if (row.needs_labels && !now->engine()) return call->reply(no_labels());
      call->argument = decode_percent(*argument);
      call->parameters = parse_parameters(target.parameters);
      return row.route(call);
    }
    call->reply(no_route(target.path, allowed));
  });
}

}  // namespace dexter
