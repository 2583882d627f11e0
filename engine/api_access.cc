// Who may ask for what.
#include <algorithm>

#include "engine/api_call.h"
#include "engine/api_keys.h"

namespace dexter {
namespace {

// The key of a request; empty where it brings none.
std::string_view key_of(const HttpRequest& request) {
  constexpr std::string_view kScheme = "Bearer ";
  const std::string_view given = request.header("authorization");
  if (!equals_ignoring_case(given.substr(0, kScheme.size()), kScheme))
    return request.header("x-api-key");
  return given.substr(std::min(given.find_first_not_of(' ', kScheme.size()), given.size()));
}

HttpReply unauthorized(std::string_view detail) {
  HttpReply reply = problem(401, detail);
  reply.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"dexter\"");
  return reply;
}

}  // namespace

std::optional<HttpReply> refusal_of(const ApiKeys& keys, const HttpRequest& request,
                                    Access access) {
  if (access == Access::kOpen || !keys.wanted()) return std::nullopt;
  const std::string_view key = key_of(request);
  if (key.empty())
    return unauthorized(
        "a key is wanted; send it as 'Authorization: Bearer KEY' or as 'X-API-Key: KEY'");
  const std::optional<KeyRole> role = keys.role_of(key);
  if (!role) return unauthorized("the key is not known here; ask the operator for another one");
  if (access == Access::kChange && *role == KeyRole::kRead)
    return problem(403, "the key may read only; changes need one that may write");
  return std::nullopt;
}

}  // namespace dexter
