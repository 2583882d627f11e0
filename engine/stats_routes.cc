// What the server does and needs: /metrics for Prometheus, /v1/stats as JSON.
#include "engine/api_call.h"
#include "engine/server_metrics.h"

namespace dexter {
namespace {

ServerState state_of(const ApiParts& parts) {
  const auto engine = parts.engine();
  ServerState state;
  state.batcher = parts.batcher.figures();
  if (parts.cache != nullptr) state.cache = parts.cache->figures();
  if (parts.sockets) state.http = parts.sockets();
  if (engine) {
    state.generation = engine->generation();
    state.labels = engine->label_count();
  }
  if (parts.changes != nullptr) {
    state.waiting_changes = parts.changes->writers.waiting();
    state.changed_labels = parts.changes->store.changed_labels();
  }
  state.process = process_figures();
  return state;
}

// False where nothing is counted; the call is answered then.
bool counts(const std::shared_ptr<ApiCall>& call) {
  if (call->parts.metrics != nullptr) return true;
  call->reply(problem(404, "this server counts nothing"));
  return false;
}

}  // namespace

void answer_metrics(const std::shared_ptr<ApiCall>& call) {
  if (!counts(call)) return;
  call->reply({.content_type = "text/plain; version=0.0.4; charset=utf-8",
               .body = call->parts.metrics->to_text(state_of(call->parts))});
}

void answer_stats(const std::shared_ptr<ApiCall>& call) {
  if (!counts(call)) return;
  call->reply({.body = call->parts.metrics->to_json(state_of(call->parts))});
}

}  // namespace dexter
