// What requests and replies share: header lookup, reasons, problems.
#include "engine/http_message.h"

#include <algorithm>
#include <array>

#include <spdlog/fmt/fmt.h>

#include "engine/json_text.h"

namespace dexter {
namespace {

struct Status {
  int code;
  std::string_view reason;
};

constexpr std::array<Status, 27> kStatuses = {{
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {411, "Length Required"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
}};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view HttpRequest::header(std::string_view name) const {
  for (const auto& [found, text] : headers)
    if (equals_ignoring_case(found, name)) return text;
  return {};
}

std::string_view status_text(int status) {
  const auto* const found = std::find_if(kStatuses.begin(), kStatuses.end(),
                                         [&](const Status& row) { return row.code == status; });
  return found == kStatuses.end() ? "Unknown" : found->reason;
}

HttpReply problem(int status, std::string_view detail) {
  HttpReply reply{.status = status, .content_type = "application/problem+json"};
  reply.body = R"({"type":"about:blank","title":)";
  append_json(reply.body, status_text(status));
  reply.body += fmt::format(R"(,"status":{},"detail":)", status);
  append_json(reply.body, detail);
  reply.body += '}';
  return reply;
}

}  // namespace dexter
