// Cross-origin requests.
#include "engine/cross_origin.h"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include "storage/error.h"

namespace dexter {
namespace {

// Takes the first of a list with commas between, without spaces around.
std::string_view take_origin(std::string_view& list) {
  const std::size_t comma = std::min(list.find(','), list.size());
  std::string_view first = list.substr(0, comma);
  list.remove_prefix(std::min(comma + 1, list.size()));
  while (first.starts_with(' ')) first.remove_prefix(1);
  while (first.ends_with(' ')) first.remove_suffix(1);
  return first;
}

}  // namespace

std::string_view allowed_origin(std::string_view origins, const HttpRequest& request) {
  if (origins.empty()) return {};
  const std::string_view origin = request.header("origin");
  if (origins == "*") return origin;
  while (!origins.empty())
    if (take_origin(origins) == origin) return origin;
  return {};
}

std::optional<HttpReply> preflight_reply(const HttpRequest& request) {
  if (request.method != "OPTIONS" || request.header("access-control-request-method").empty())
    return std::nullopt;
  HttpReply reply{.status = 204};
  reply.headers = {{"Access-Control-Allow-Methods", "GET, POST, PUT, DELETE"},
                   {"Access-Control-Allow-Headers",
                    "Authorization, Content-Type, Idempotency-Key, X-API-Key, X-Request-Id, "
                    "traceparent"},
                   {"Access-Control-Max-Age", "600"}};
  return reply;
}

void allow_origin(std::string_view origin, HttpReply& reply) {
  reply.headers.emplace_back("Access-Control-Allow-Origin", origin);
  reply.headers.emplace_back("Access-Control-Expose-Headers",
                             "Retry-After, X-Request-Id, traceparent");
  reply.headers.emplace_back("Vary", "Origin");
}

void check_origins(std::string_view origins) {
  if (origins == "*") return;
  for (std::string_view rest = origins; !rest.empty();) {
    const std::string_view origin = take_origin(rest);
    const std::size_t scheme = origin.find("://");
    const bool is_origin = (origin.starts_with("http://") || origin.starts_with("https://")) &&
                           origin.size() > scheme + 3 &&
                           origin.find_first_of("/ *", scheme + 3) == std::string_view::npos;
    ensure(is_origin, ErrorKind::kInvalidInput,
           fmt::format("checking options: serve.cors_origins names '{}', but an origin is "
                       "http(s)://HOST[:PORT] without a path; or give '*' alone",
                       origin));
  }
}

}  // namespace dexter
