// What the server is and whether it can answer: /v1/info, /v1/report, /livez, /readyz.
#include <spdlog/fmt/fmt.h>

#include "encoders/encoder.h"
#include "engine/api_call.h"
#include "engine/history.h"
#include "engine/json_text.h"

namespace dexter {

void answer_info(const std::shared_ptr<ApiCall>& call) {
  const std::shared_ptr<const RetrievalEngine> engine = call->parts.engine();
  const IndexDescription index = engine->index();
  const Manifest& manifest = engine->catalog().manifest();
  HttpReply reply;
  reply.body = R"({"name":"dexter","version":)";
  append_json(reply.body, call->parts.version);
  reply.body += fmt::format(R"(,"generation":{},"labels":{},"documents":{},"encoder":{{"kind":)",
                            engine->generation(), engine->label_count(),
                            manifest.corpus ? manifest.corpus->train_documents : 0);
  append_json(reply.body, manifest.generation->encoder.kind);
  reply.body += R"(,"fingerprint":)";
  append_json(reply.body, manifest.generation->encoder.fingerprint);
  reply.body += fmt::format(R"(,"dim":{}}},"index":{{"kind":)", engine->encoder().dim());
  append_json(reply.body, index.kind);
  reply.body += fmt::format(R"(,"bytes":{}}}}})", index.bytes);
  call->reply(std::move(reply));
}

void answer_report(const std::shared_ptr<ApiCall>& call) {
  const std::shared_ptr<const RetrievalEngine> engine = call->parts.engine();
  const TrainReport history = training_history(engine->catalog());
  HttpReply reply;
  reply.body = R"({"history":)";
  reply.body += history.history.empty() ? "null" : to_json(history);
  reply.body += R"(,"evaluation":)";
  reply.body += engine->catalog().note("evaluation").value_or("null");
  reply.body += '}';
  call->reply(std::move(reply));
}

void answer_live(const std::shared_ptr<ApiCall>& call) {
  call->reply({.content_type = "text/plain; charset=utf-8", .body = "alive\n"});
}

void answer_ready(const std::shared_ptr<ApiCall>& call) {
  if (call->parts.stopping()) return call->reply(problem(503, "the server is stopping"));
  call->reply({.content_type = "text/plain; charset=utf-8", .body = "ready\n"});
}

}  // namespace dexter
