// The head of a request: where it ends, and whether it is sound.
#include "engine/request_head.h"

#include "tests/fuzz/fuzz_target.h"

namespace dexter::fuzz {

std::vector<std::string> seeds() {
  return {
      "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
      "POST /v1/query HTTP/1.1\r\nHost: a:8080\r\nContent-Length: 12\r\nX-Y: z\t\r\n\r\n",
      "POST /v1/query HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
      "GET / HTTP/1.0\r\n\r\n",
      "GET /?a=%41 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
      "GET / HTTP/1.1\nHost: a\n\n",
  };
}

void run(std::string_view input) {
  const std::size_t end = find_head_end(input, 0);
  // Bytes that arrive one by one find the same end.
  std::size_t found = std::string_view::npos;
  for (std::size_t size = 1; size <= input.size() && found == std::string_view::npos; ++size)
    found = find_head_end(input.substr(0, size), size - 1);
  require(found == end, "a head ends in the same place however it arrives");
  if (end == std::string_view::npos) return;
  const std::string_view head = input.substr(0, end);
  const std::optional<Refusal> refusal = check_request_head(head);
  if (refusal) {
    require(refusal->status >= 400 && refusal->status < 600, "a refusal has an error's status");
    return;
  }
  require(head.ends_with("\r\n\r\n"), "a sound head ends with an empty line");
  require(head.find('\0') == std::string_view::npos, "a sound head holds no NUL");
  for (std::size_t i = 0; i < head.size(); ++i) {
    const bool is_end =
        head[i] == '\n' ? head[i - 1] == '\r' : head[i] != '\r' || head[i + 1] == '\n';
    require(is_end, "CR and LF stand together in a sound head");
  }
}

}  // namespace dexter::fuzz
