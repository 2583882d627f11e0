#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "engine/http_api.h"
#include "engine/http_message.h"
#include "engine/request_trace.h"
#include "engine/server_metrics.h"

namespace dexter {

// What is kept of a request until its reply is counted and logged.
struct RequestRecord {
  RequestTrace trace;
  RouteName route;
  std::chrono::steady_clock::time_point begin;
  std::string method;
  std::string origin;  // whose pages may read the reply; empty: this server's alone
  std::string body;    // only where texts are logged
};

std::shared_ptr<RequestRecord> begin_record(const ApiParts& parts, const HttpRequest& request);
// As `reply`, but first tells the client of the trace, counts the reply and logs it.
ReplyFunction recorded(std::shared_ptr<const ApiParts> parts, std::shared_ptr<RequestRecord> record,
                       ReplyFunction reply);

}  // namespace dexter
