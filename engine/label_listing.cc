// GET /v1/labels: the catalogue page by page.
#include <algorithm>
#include <charconv>

#include <spdlog/fmt/fmt.h>

#include "engine/api_call.h"
#include "engine/json_text.h"
#include "storage/error.h"

namespace dexter {
namespace {

constexpr std::uint32_t kUsualLimit = 100, kMostLimit = 1000;
constexpr std::size_t kLongestQuery = 256;

struct Listing {
  std::string query;  // in lower case
  std::uint32_t limit = kUsualLimit;
  std::optional<LabelId> after;
};

std::string lowered(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

std::optional<std::uint32_t> whole(const ApiCall& call, std::string_view name, std::uint32_t least,
                                   std::uint32_t most) {
  const auto given = call.parameter(name);
  if (!given) return std::nullopt;
  std::uint32_t number = 0;
  const char* const last = given->data() + given->size();
  const auto [end, error] = std::from_chars(given->data(), last, number);
  ensure(
      error == std::errc() && end == last && number >= least && number <= most,
      ErrorKind::kInvalidInput,
      fmt::format("reading the request: '{}' is no whole number of {} to {}", name, least, most));
  return number;
}

Listing listing_of(const ApiCall& call) {
  Listing listing{.query = lowered(call.parameter("query").value_or("")),
                  .limit = whole(call, "limit", 1, kMostLimit).value_or(kUsualLimit),
                  .after = std::nullopt};
  ensure(listing.query.size() <= kLongestQuery, ErrorKind::kInvalidInput,
         fmt::format("reading the request: 'query' has {} bytes, but at most {} are taken",
                     listing.query.size(), kLongestQuery));
  if (const auto after = whole(call, "after", 0, UINT32_MAX)) listing.after = LabelId{*after};
  return listing;
}

bool fits(const Label& label, const std::string& query) {
  return query.empty() || lowered(label.name).find(query) != std::string::npos ||
         lowered(label.key).find(query) != std::string::npos;
}

HttpReply list(const RetrievalEngine& engine, const Listing& listing) {
  HttpReply reply{.body = R"({"labels":[)"};
  std::uint32_t count = 0;
  LabelId last{};
  bool is_last_page = true;
  engine.scan_labels(listing.after, [&](Label&& label) {
    if (!fits(label, listing.query)) return true;
    if (count == listing.limit) return is_last_page = false;
    if (count++ > 0) reply.body += ',';
    append_label(reply.body, label);
    last = label.id;
    return true;
  });
  reply.body += is_last_page ? R"(],"next":null})" : fmt::format(R"(],"next":{}}})", value(last));
  return reply;
}

}  // namespace

void answer_labels(const std::shared_ptr<ApiCall>& call) {
  const auto action = [call, listing = listing_of(*call)] {
    guarded(call, [&] { call->reply(list(*call->parts.engine(), listing)); });
  };
  if (call->parts.changes == nullptr) return action();
  // A name that is rare is looked for in all labels: not on a thread of sockets.
  if (!call->parts.changes->writers.submit(action))
    call->reply(try_again(429, "too much waits already; send it again later"));
}

}  // namespace dexter
