// What every reply has in common: its ids, its place in the figures, its line in the log.
#include "engine/request_record.h"

#include <utility>

#include "engine/cross_origin.h"

namespace dexter {
namespace {

using Clock = std::chrono::steady_clock;

void log(const RequestRecord& record, const HttpReply& reply, std::chrono::nanoseconds time,
         AccessLog& log) {
  log.write({.method = record.method,
             .route = record.route.path,
             .status = reply.status,
             .ms = static_cast<double>(time.count()) / 1e6,
             .bytes = reply.body.size(),
             .request_id = record.trace.id,
             .trace_id = record.trace.trace_id,
             .body = record.body});
}

}  // namespace

std::shared_ptr<RequestRecord> begin_record(const ApiParts& parts, const HttpRequest& request) {
  auto record = std::make_shared<RequestRecord>();
  record->begin = Clock::now();
  record->trace = trace_of(request);
  record->method = request.method;
  record->origin = allowed_origin(parts.options.cors_origins, request);
  if (parts.options.access_log && parts.options.log_texts) record->body = request.body;
  return record;
}

ReplyFunction recorded(std::shared_ptr<const ApiParts> parts, std::shared_ptr<RequestRecord> record,
                       ReplyFunction reply) {
  return [parts = std::move(parts), record = std::move(record),
          reply = std::move(reply)](HttpReply&& made) {
    const std::chrono::nanoseconds time = Clock::now() - record->begin;
    add_trace(record->trace, made);
    if (!record->origin.empty()) allow_origin(record->origin, made);
    if (parts->metrics != nullptr) parts->metrics->count_reply(record->route, made.status, time);
    if (parts->access_log != nullptr && parts->options.access_log)
      log(*record, made, time, *parts->access_log);
    reply(std::move(made));
  };
}

}  // namespace dexter
