#include "engine/request_head.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>

namespace dexter {
namespace {

using ::testing::HasSubstr;

std::string head(const std::string& fields, const std::string& line = "POST /v1/query HTTP/1.1") {
  return line + "\r\nHost: a\r\n" + fields + "\r\n";
}

TEST(RequestHead, TakesWhatClientsSend) {
  for (const std::string& sound :
       {head(""), head("Content-Length: 0\r\n"), head("transfer-encoding: Chunked\r\n"),
        head("X-Empty:\r\nX-Tab: a\tb\r\n"), head("X-Latin: caf\xe9\r\n"),
        head("", "GET /v1/labels/a%20b?limit=3 HTTP/1.1"), std::string("GET / HTTP/1.0\r\n\r\n")})
    EXPECT_FALSE(check_request_head(sound)) << sound;
}

struct Bad {
  std::string head;
  int status;
  std::string detail;
};

TEST(RequestHead, RefusesWhatTwoReadersMayReadDifferently) {
  const std::vector<Bad> all = {
      {head("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"), 400, "stand together"},
      {head("Content-Length: 3\r\nContent-Length: 3\r\n"), 400, "given twice"},
      {head("Content-Length: 3, 3\r\n"), 400, "not a number"},
      {head("Content-Length: +3\r\n"), 400, "not a number"},
      {head("Content-Length: -3\r\n"), 400, "not a number"},
      {head("Content-Length: 0x3\r\n"), 400, "not a number"},
      {head("Content-Length:\r\n"), 400, "not a number"},
      {head("Content-Length: 9999999999999999999\r\n"), 400, "not a number"},
      {head("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400, "given twice"},
      {head("Transfer-Encoding: gzip, chunked\r\n"), 501, "chunked"},
      {head("Transfer-Encoding: xchunked\r\n"), 501, "chunked"},
      {head("Transfer-Encoding: \x0b"
            "chunked\r\n"),
       400, "control"},
      {head("Host: b\r\n"), 400, "Host is given twice"},
      {head("Content-Length : 3\r\n"), 400, "NAME: VALUE"},
      {head("X-A: b\r\n folded: c\r\n"), 400, "folded"},
      {head("X-A: b\r\n\tfolded\r\n"), 400, "folded"},
      {head("X-A: b\nX-B: c\r\n"), 400, "CR LF"},
      {head("X-A: b\rX-B: c\r\n"), 400, "CR LF"},
      {head(std::string("X-A: b\0c\r\n", 10)), 400, "control"},
      {head(": b\r\n"), 400, "NAME: VALUE"},
      {head("no colon\r\n"), 400, "NAME: VALUE"},
      {"GET / HTTP/1.1\r\n\r\n", 400, "Host is missing"},
      {"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "needs HTTP/1.1"},
      {head("", "GET  / HTTP/1.1"), 400, "target"},
      {head("", "GET /a b HTTP/1.1"), 400, "target"},
      {head("", "GET /\x01 HTTP/1.1"), 400, "target"},
      {head("", "GET / HTTP/2.0"), 505, "HTTP/1.1"},
      {head("", "GET /"), 400, "request line"},
      {head("", "G@T / HTTP/1.1"), 400, "method"},
      {head("", ""), 400, "request line"},
      {"GET / HTTP/1.1\nHost: a\n\n", 400, "CR LF"},
      {"", 400, "CR LF"},
  };
  for (const Bad& bad : all) {
    const auto refusal = check_request_head(bad.head);
    ASSERT_TRUE(refusal) << bad.head;
    EXPECT_EQ(refusal->status, bad.status) << bad.head;
    EXPECT_THAT(refusal->detail, HasSubstr(bad.detail)) << bad.head;
  }
}

TEST(RequestHead, RefusesMoreThanAHundredFields) {
  std::string fields;
  for (int i = 0; i < 100; ++i) fields += "X-A: b\r\n";
  ASSERT_TRUE(check_request_head(head(fields)));  // Host is the first
  EXPECT_EQ(check_request_head(head(fields))->status, 431);
  EXPECT_FALSE(check_request_head(head(fields.substr(8))));
}

TEST(RequestHead, EndsAtTheEmptyLineOrAtABareLineFeed) {
  const std::string bytes = "GET / HTTP/1.1\r\nHost: a\r\n\r\nbody\r\n\r\n";
  EXPECT_EQ(find_head_end(bytes, 0), 27u);
  for (std::size_t size = 0; size < 27; ++size)
    EXPECT_EQ(find_head_end(std::string_view(bytes).substr(0, size), 0), std::string_view::npos);
  for (std::size_t searched = 0; searched < 27; ++searched)
    EXPECT_EQ(find_head_end(bytes, searched), 27u) << searched;
  EXPECT_EQ(find_head_end("GET / HTTP/1.1\nHost", 0), 15u);
}

}  // namespace
}  // namespace dexter
