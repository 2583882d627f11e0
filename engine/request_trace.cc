// Request ids and W3C trace context.
#include "engine/request_trace.h"

#include <algorithm>
#include <cstdint>
#include <random>

#include <spdlog/fmt/fmt.h>

namespace dexter {
namespace {

constexpr std::size_t kLongestId = 128;
constexpr std::size_t kTraceDigits = 32, kSpanDigits = 16;
// "00-" trace "-" span "-" flags
constexpr std::size_t kVersion0Length = 3 + kTraceDigits + 1 + kSpanDigits + 1 + 2;

bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }
bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return is_hex(c); });
}
bool is_zero(std::string_view text) { return text.find_first_not_of('0') == text.npos; }

bool is_id(std::string_view text) {
  constexpr std::string_view kMarks = "-_.:/+=@";
  return !text.empty() && text.size() <= kLongestId &&
         std::all_of(text.begin(), text.end(), [&](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  kMarks.find(c) != std::string_view::npos;
         });
}

// Never 0: an all-zero span is none.
std::uint64_t random_number() {
  thread_local std::mt19937_64 generator{(std::uint64_t{std::random_device{}()} << 32) |
                                         std::random_device{}()};
  return generator() | 1;
}

void read_traceparent(std::string_view text, RequestTrace& trace) {
  if (text.size() < kVersion0Length || text[2] != '-' || text[35] != '-' || text[52] != '-') return;
  const std::string_view version = text.substr(0, 2), trace_id = text.substr(3, kTraceDigits),
                         parent = text.substr(36, kSpanDigits), flags = text.substr(53, 2);
  if (!is_hex(version) || !is_hex(trace_id) || !is_hex(parent) || !is_hex(flags)) return;
  if (version == "ff" || is_zero(trace_id) || is_zero(parent)) return;
  // A later version may go on after a hyphen; what it says there is not ours to read.
  const std::string_view rest = text.substr(kVersion0Length);
  if (!rest.empty() && (version == "00" || rest.front() != '-')) return;
  trace.trace_id = trace_id;
  trace.span_id = fmt::format("{:016x}", random_number());
  trace.is_sampled = std::string_view("13579bdf").find(flags[1]) != std::string_view::npos;
}

}  // namespace

RequestTrace trace_of(const HttpRequest& request) {
  RequestTrace trace;
  std::string_view id, parent;
  int parents = 0;
  for (const auto& [name, text] : request.headers) {
    if (id.empty() && equals_ignoring_case(name, "x-request-id")) id = text;
    if (equals_ignoring_case(name, "traceparent")) parent = text, ++parents;
  }
  if (is_id(id))
    trace.id = id;
  else
    trace.id = fmt::format("{:016x}{:016x}", random_number(), random_number());
  if (parents == 1) read_traceparent(parent, trace);
  return trace;
}

void add_trace(const RequestTrace& trace, HttpReply& reply) {
  reply.headers.emplace_back("X-Request-Id", trace.id);
  if (trace.trace_id.empty()) return;
  reply.headers.emplace_back("traceparent", fmt::format("00-{}-{}-0{}", trace.trace_id,
                                                        trace.span_id, trace.is_sampled ? 1 : 0));
}

}  // namespace dexter
