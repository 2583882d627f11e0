#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace dexter {

// Why a request is refused before it reaches a route.
struct Refusal {
  int status = 400;
  std::string detail;
};

// Where the head that begins `bytes` ends: after its empty line, or after the first line feed that
// no carriage return precedes (such a head is refused, there is no need to wait for its end).
// npos: more bytes are needed. `searched` bytes were looked at before.
std::size_t find_head_end(std::string_view bytes, std::size_t searched);

// Checks the head of an HTTP/1.1 request, from its first byte to the empty line (included), by the
// letter of RFC 9112, so that no proxy in front can read it otherwise than we do: one Host, at most
// one Content-Length of digits alone, never beside a Transfer-Encoding, which is "chunked" or
// refused (501); no bare CR or LF, no folded line, no space before a colon, no control character.
// Nullopt: it is sound. Pure; any bytes.
std::optional<Refusal> check_request_head(std::string_view head);

}  // namespace dexter
