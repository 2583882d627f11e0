// POST /v1/query: texts or vectors in, their labels out.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include "encoders/encoder.h"
#include "engine/answer_page.h"
#include "engine/api_call.h"
#include "engine/document_labels.h"
#include "engine/json_fields.h"
#include "engine/json_text.h"
#include "engine/nearest_name.h"
#include "engine/server_metrics.h"
#include "storage/error.h"

namespace dexter {
namespace {

using Clock = std::chrono::steady_clock;

struct LabelFields {
  bool id = false, key = true, name = true, text = false, score = true;
};

// How an answer is written.
struct QueryShape {
  LabelFields fields;
  AnswerPage page;
  bool timing = false;
};

LabelFields label_fields_of(const std::vector<std::string>& names) {
  LabelFields fields{.key = false, .name = false, .score = false};
  const std::vector<std::string> known = {"id", "key", "name", "text", "score"};
  bool* const targets[] = {&fields.id, &fields.key, &fields.name, &fields.text, &fields.score};
  for (const std::string& name : names) {
    const auto found = std::find(known.begin(), known.end(), name);
    if (found == known.end())
      throw Error(ErrorKind::kInvalidInput,
                  fmt::format("reading the request: 'fields' names '{}', but a label has {}; the "
                              "nearest is '{}'",
                              name, fmt::join(known, ", "), nearest_name(name, known)));
    *targets[found - known.begin()] = true;
  }
  return fields;
}

QueryShape shape_of(JsonFields& fields, const ServeOptions& options) {
  QueryShape shape;
  shape.page.offset =
      static_cast<std::size_t>(fields.whole("offset", 0, options.max_offset).value_or(0));
  if (const auto names = fields.texts("fields", 8, 64)) shape.fields = label_fields_of(*names);
  if (const auto threshold = fields.number("threshold"))
    shape.page.threshold = static_cast<float>(*threshold);
  shape.timing = fields.flag("timing");
  return shape;
}

void read_queries(const ApiParts& parts, JsonFields& fields, QueryWork& work) {
  const auto bytes = static_cast<std::size_t>(parts.options.text_bytes);
  const auto most = static_cast<std::size_t>(parts.options.max_texts);
  if (auto text = fields.text("text", bytes)) work.texts.push_back(std::move(*text));
  if (auto texts = fields.texts("texts", most, bytes)) work.texts = std::move(*texts);
  if (auto vectors = fields.vectors("vectors", most, parts.engine()->encoder().dim()))
    work.vectors = std::move(*vectors);
}

void check_one_kind(const JsonFields& fields) {
  const int given = fields.has("text") + fields.has("texts") + fields.has("vectors");
  ensure(given == 1, ErrorKind::kInvalidInput,
         fmt::format("reading the request: {} of 'text', 'texts' and 'vectors' are given, but "
                     "exactly one is needed",
                     given));
}

constexpr std::size_t kMostFilterKeys = 10'000;
constexpr std::size_t kMostKeyBytes = 4096;

// The labels that may be answered; null: all.
std::shared_ptr<const IdSet> filter_of(const RetrievalEngine& engine, JsonFields& fields) {
  auto filter = fields.object("filter");
  if (!filter) return nullptr;
  const auto keys = filter->texts("keys", kMostFilterKeys, kMostKeyBytes);
  filter->end();
  ensure(keys.has_value(), ErrorKind::kInvalidInput,
         "reading the request: 'filter' names nothing; give it 'keys', a list of label keys");
  return engine.ids_of(*keys);
}

Space space_of(JsonFields& fields) {
  const std::string name = fields.text("space", 64).value_or("labels");
  ensure(name == "labels" || name == "documents", ErrorKind::kInvalidInput,
         fmt::format("reading the request: 'space' is '{}'; give labels or documents", name));
  return name == "labels" ? Space::kLabels : Space::kDocuments;
}

QueryWork query_of(const ApiCall& call, JsonFields& fields, const QueryShape& shape) {
  const ServeOptions& options = call.parts.options;
  QueryWork work = work_of(call, fields.whole("timeout_ms", 1, options.timeout_ms));
  read_queries(call.parts, fields, work);
  work.k = static_cast<int>(fields.whole("k", 1, options.max_k).value_or(5)) +
           static_cast<int>(shape.page.offset);
  work.search.probes = static_cast<int>(fields.whole("probes", 0, 1 << 30).value_or(0));
  work.search.ef = static_cast<int>(fields.whole("ef", 0, 1 << 30).value_or(0));
  work.search.only = filter_of(*call.parts.engine(), fields);
  work.space = space_of(fields);
  if (fields.has("memory")) work.memory = fields.flag("memory") ? Memory::kOn : Memory::kOff;
  work.tail = fields.number("tail").value_or(0);
  ensure(std::abs(work.tail) <= 10, ErrorKind::kInvalidInput,
         fmt::format("reading the request: 'tail' is {}; give a number from -10 to 10", work.tail));
  ensure(work.space == Space::kLabels || !work.search.only, ErrorKind::kInvalidInput,
         "reading the request: 'filter' names labels, but 'space' asks for documents; leave one of "
         "them out");
  return work;
}

void append_label(std::string& out, const Label& label, float score, const LabelFields& fields) {
  std::string_view separator = "{";
  const auto name = [&](std::string_view field) {
    out.append(separator).append("\"").append(field).append("\":");
    separator = ",";
  };
  if (fields.id) name("id"), out += fmt::format_int(value(label.id)).c_str();
  if (fields.key) name("key"), append_json(out, label.key);
  if (fields.name) name("name"), append_json(out, label.name);
  if (fields.text) name("text"), append_json(out, label.text);
  if (fields.score) name("score"), append_json(out, score);
  out += separator == "{" ? "{}" : "}";
}

void append_document(std::string& out, const RetrievalEngine& engine, const Example& document,
                     float score) {
  out += R"({"key":)";
  append_json(out, document.key);
  out += R"(,"text":)";
  append_json(out, document.text);
  out += R"(,"score":)";
  append_json(out, score);
  out += R"(,"labels":[)";
  const char* separator = "";
  for (const Label& label : labels_of(engine, document)) {
    out += std::exchange(separator, ",");
    append_label(out, label, 0, {.score = false});
  }
  out += "]}";
}

void append_result(std::string& out, const RetrievalEngine& engine, DocumentRanking& ranking,
                   const QueryShape& shape) {
  shape.page.cut(ranking);
  const std::vector<Example> documents = engine.documents(ranking);
  out += R"({"documents":[)";
  for (std::size_t i = 0; i < documents.size(); ++i) {
    if (i > 0) out += ',';
    append_document(out, engine, documents[i], ranking[i].score);
  }
  out += "]}";
}

void append_result(std::string& out, const RetrievalEngine& engine, LabelRanking& ranking,
                   const QueryShape& shape) {
  shape.page.cut(ranking);
  const std::vector<Label> labels = engine.labels(ranking);
  out += R"({"labels":[)";
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (i > 0) out += ',';
    append_label(out, labels[i], ranking[i].score, shape.fields);
  }
  out += "]}";
}

double milliseconds_of(std::chrono::nanoseconds time) {
  return static_cast<double>(time.count()) / 1e6;
}

HttpReply rendered(QueryAnswer& answer, const QueryShape& shape) {
  HttpReply reply;
  reply.body = fmt::format(R"({{"generation":{},"results":[)", answer.engine->generation());
  const auto append_all = [&](auto& rankings) {
    for (std::size_t i = 0; i < rankings.size(); ++i) {
      if (i > 0) reply.body += ',';
      append_result(reply.body, *answer.engine, rankings[i], shape);
    }
  };
  append_all(answer.rankings);
  append_all(answer.documents);
  reply.body += ']';
  if (shape.timing)
    reply.body +=
        fmt::format(R"(,"timing":{{"wait_ms":{:.3f},"encode_ms":{:.3f},"search_ms":{:.3f}}})",
                    milliseconds_of(answer.waited), milliseconds_of(answer.encoding),
                    milliseconds_of(answer.searching));
  reply.body += '}';
  return reply;
}

HttpReply full() { return try_again(429, "too many queries wait already; send it again later"); }
HttpReply stopping() { return try_again(503, "the server is stopping; ask another one"); }

HttpReply reply_of(QueryAnswer& answer, const Rendering& rendering) {
  switch (answer.end) {
    case QueryEnd::kDone:
      return rendering(answer);
    case QueryEnd::kExpired:
      return problem(504, "the query waited longer than its timeout_ms; it was not begun");
    case QueryEnd::kCrowded:
      return full();
    case QueryEnd::kStopping:
      return stopping();
    case QueryEnd::kFailed:
      break;
  }
  return problem_of(answer.error);
}

// What a query's reply is made from.
ReplyCache::Basis basis_of(const ApiCall& call) { return {call.parts.engine(), call.kept}; }

// A reply that was made from another engine than its request was read for is not kept.
void keep(const ApiCall& call, const ReplyCache::Basis& basis, const QueryAnswer& answer,
          const HttpReply& reply) {
  if (call.parts.cache != nullptr && answer.engine == basis[0])
    call.parts.cache->keep(call.request.body, basis, reply.body);
}

}  // namespace

QueryWork work_of(const ApiCall& call, std::optional<std::int64_t> timeout_ms) {
  QueryWork work;
  work.client = call.request.peer;
  work.deadline =
      Clock::now() + std::chrono::milliseconds(timeout_ms.value_or(call.parts.options.timeout_ms));
  return work;
}

void submit_query(const std::shared_ptr<ApiCall>& call, QueryWork work, Rendering rendering) {
  const auto done = [call, rendering = std::move(rendering)](QueryAnswer&& answer) {
    const Clock::time_point begin = Clock::now();
    guarded(call, [&] { call->reply(reply_of(answer, rendering)); });
    if (ServerMetrics* metrics = call->parts.metrics; metrics != nullptr)
      metrics->count_stage(Stage::kRead, Clock::now() - begin);
  };
  const Admission admission = call->parts.batcher.submit(std::move(work), done);
  if (admission == Admission::kFull) call->reply(full());
  if (admission == Admission::kStopping) call->reply(stopping());
}

void answer_query(const std::shared_ptr<ApiCall>& call) {
  const ReplyCache::Basis basis = basis_of(*call);
  if (call->parts.cache != nullptr)
    if (auto kept = call->parts.cache->find(call->request.body, basis))
      return call->reply({.body = std::move(*kept)});
  if (call->parts.batcher.refuses(call->request.peer)) return call->reply(full());
  JsonFields fields(call->request.body);
  const QueryShape shape = shape_of(fields, call->parts.options);
  QueryWork work = query_of(*call, fields, shape);
  fields.end();
  check_one_kind(fields);
  submit_query(call, std::move(work), [call, shape, basis](QueryAnswer& answer) {
    HttpReply reply = rendered(answer, shape);
    if (!shape.timing) keep(*call, basis, answer, reply);
    return reply;
  });
}

}  // namespace dexter
