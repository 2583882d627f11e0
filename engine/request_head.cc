// The framing rules that request smuggling lives on, checked before any library parses.
#include "engine/request_head.h"

#include <algorithm>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include "engine/http_message.h"

namespace dexter {
namespace {

constexpr int kMostFields = 100;

bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

bool is_control(char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; }

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::optional<Refusal> check_request_line(std::string_view line) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last)
    return Refusal{400, "the request line is not METHOD TARGET HTTP/1.1"};
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!is_token(line.substr(0, first))) return Refusal{400, "the method is not a token"};
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    if (version.starts_with("HTTP/")) return Refusal{505, "HTTP/1.1 and HTTP/1.0 are spoken here"};
    return Refusal{400, "the request line does not end with HTTP/1.1"};
  }
  const bool graphic = std::all_of(target.begin(), target.end(), [](char c) {
    return static_cast<unsigned char>(c) > 0x20 && static_cast<unsigned char>(c) < 0x7f;
  });
  if (!graphic || target.front() != '/')
    return Refusal{400, "the target is not a path of printable ASCII that begins with /"};
  return std::nullopt;
}

struct Framing {
  int hosts = 0;
  int lengths = 0;
  int encodings = 0;
};

std::optional<Refusal> check_framing_field(std::string_view name, std::string_view value,
                                           Framing& seen) {
  if (equals_ignoring_case(name, "host") && ++seen.hosts > 1)
    return Refusal{400, "Host is given twice"};
  if (equals_ignoring_case(name, "content-length")) {
    if (++seen.lengths > 1) return Refusal{400, "Content-Length is given twice"};
    const bool digits =
        std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (value.empty() || value.size() > 18 || !digits)
      return Refusal{400, "Content-Length is not a number of at most 18 digits"};
  }
  if (equals_ignoring_case(name, "transfer-encoding")) {
    if (++seen.encodings > 1) return Refusal{400, "Transfer-Encoding is given twice"};
    if (!equals_ignoring_case(value, "chunked"))
      return Refusal{501, "the only Transfer-Encoding that is taken is chunked"};
  }
  return std::nullopt;
}

std::optional<Refusal> check_field(std::string_view line, Framing& seen) {
  if (line.front() == ' ' || line.front() == '\t')
    return Refusal{400, "a header line is folded; write it on one line"};
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon)))
    return Refusal{400, "a header line is not NAME: VALUE"};
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (std::any_of(value.begin(), value.end(), is_control))
    return Refusal{400, "a header's value holds a control character"};
  return check_framing_field(line.substr(0, colon), value, seen);
}

// The next line without its CRLF; nullopt where it ends otherwise.
std::optional<std::string_view> take_line(std::string_view& rest) {
  const std::size_t end = rest.find_first_of("\r\n");
  if (end == std::string_view::npos || rest.substr(end, 2) != "\r\n") return std::nullopt;
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end + 2);
  return line;
}

std::optional<Refusal> check_together(const Framing& seen, bool is_http_1_1) {
  if (is_http_1_1 && seen.hosts == 0) return Refusal{400, "Host is missing"};
  if (seen.encodings > 0 && seen.lengths > 0)
    return Refusal{400, "Content-Length and Transfer-Encoding stand together"};
  if (seen.encodings > 0 && !is_http_1_1) return Refusal{400, "Transfer-Encoding needs HTTP/1.1"};
  return std::nullopt;
}

}  // namespace

std::size_t find_head_end(std::string_view bytes, std::size_t searched) {
  std::size_t end = bytes.find('\n', searched);
  for (; end != std::string_view::npos; end = bytes.find('\n', end + 1)) {
    const std::string_view line = bytes.substr(0, end + 1);
    if (!line.ends_with("\r\n") || line.ends_with("\r\n\r\n")) return end + 1;
  }
  return std::string_view::npos;
}

std::optional<Refusal> check_request_head(std::string_view head) {
  const Refusal bare{400, "a line of the header does not end with CR LF"};
  std::optional<std::string_view> line = take_line(head);
  if (!line) return bare;
  if (std::optional<Refusal> refusal = check_request_line(*line)) return refusal;
  const bool is_http_1_1 = line->ends_with("HTTP/1.1");
  Framing seen;
  for (int fields = 0;; ++fields) {
    line = take_line(head);
    if (!line) return bare;
    if (line->empty()) return check_together(seen, is_http_1_1);
    if (fields == kMostFields)
      return Refusal{431, fmt::format("the header has more than {} fields", kMostFields)};
    if (std::optional<Refusal> refusal = check_field(*line, seen)) return refusal;
  }
}

}  // namespace dexter
