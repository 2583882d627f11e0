#pragma once

#include <string>
#include <string_view>

#include "engine/http_message.h"

namespace dexter {

// How a request is told apart in logs and traces.
struct RequestTrace {
  std::string id;           // X-Request-Id: the client's own, or one made here
  std::string trace_id;     // 32 hexadecimal digits; empty where the client traces nothing
  std::string span_id;      // 16, new here
  bool is_sampled = false;  // the client keeps this trace
};

// Takes the client's X-Request-Id where it has 1 to 128 letters, digits and marks of "-_.:/+=@";
// makes one of 32 hexadecimal digits otherwise. Takes its trace from a `traceparent` (W3C Trace
// Context) and leaves one that is not well formed, or given twice, out. Safe from many threads.
RequestTrace trace_of(const HttpRequest& request);
// Tells the client: X-Request-Id, and `traceparent` with the same trace and the new span.
void add_trace(const RequestTrace& trace, HttpReply& reply);

}  // namespace dexter
