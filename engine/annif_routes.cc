// The interface of Annif: one project, "dexter", that suggests the labels of texts.
#include <algorithm>
#include <charconv>

#include <spdlog/fmt/fmt.h>

#include "encoders/encoder.h"
#include "engine/api_call.h"
#include "engine/json_fields.h"
#include "engine/json_text.h"
#include "engine/target.h"
#include "storage/error.h"

namespace dexter {
namespace {

constexpr std::string_view kProject = "dexter";
constexpr int kUsualLimit = 10;

// Which labels of a ranking are suggested. Annif's scores lie between 0 and 1.
struct Selection {
  int limit = kUsualLimit;
  float threshold = 0;
};

template <class Number>
Number number_of(const Parameters& parameters, std::string_view name, Number usual, Number most) {
  const auto given = find_parameter(parameters, name);
  if (!given) return usual;
  Number number = 0;
  const auto [end, error] = std::from_chars(given->begin(), given->end(), number);
  ensure(error == std::errc() && end == given->end() && number >= 0 && number <= most,
         ErrorKind::kInvalidInput,
         fmt::format("reading the request: '{}' is no number of 0 to {}; leave it out for {}", name,
                     most, usual));
  return number;
}

Selection selection_of(const ApiCall& call, const Parameters& parameters) {
  const int most = call.parts.options.max_k;
  return {.limit = number_of(parameters, "limit", std::min(kUsualLimit, most), most),
          .threshold = number_of(parameters, "threshold", 0.0f, 1.0f)};
}

bool is_project(const std::shared_ptr<ApiCall>& call) {
  if (call->argument == kProject) return true;
  call->reply(problem(404, fmt::format("the one project here is '{}'", kProject)));
  return false;
}

std::string project_of(const RetrievalEngine& engine) {
  std::string body = R"({"project_id":"dexter","name":"dexter","language":"und",)";
  body += R"("backend":{"backend_id":"dexter"},"vocab":{"vocab_id":"dexter","languages":["und"],)";
  body += fmt::format(R"("size":{},"loaded":true}},"vocab_language":"und","is_trained":true,)",
                      engine.label_count());
  return body + R"("modification_time":null})";
}

void append_suggestions(std::string& out, const RetrievalEngine& engine, LabelRanking& ranking,
                        const Selection& selection) {
  std::erase_if(ranking, [&](const ScoredLabel& scored) {
    return scored.score <= 0 || scored.score < selection.threshold;
  });
  if (ranking.size() > static_cast<std::size_t>(selection.limit))
    ranking.resize(static_cast<std::size_t>(selection.limit));
  const std::vector<Label> labels = engine.labels(ranking);
  out += R"({"results":[)";
  for (std::size_t i = 0; i < labels.size(); ++i) {
    out += i == 0 ? R"({"uri":)" : R"(,{"uri":)";
    append_json(out, labels[i].key);
    out += R"(,"label":)";
    append_json(out, labels[i].name);
    out += R"(,"notation":null,"score":)";
    append_json(out, std::min(ranking[i].score, 1.0f));
    out += '}';
  }
  out += ']';
}

QueryWork suggesting(const ApiCall& call, std::vector<std::string> texts,
                     const Selection& selection) {
  QueryWork work = work_of(call, std::nullopt);
  work.texts = std::move(texts);
  work.k = std::max(1, selection.limit);
  return work;
}

// Of each document its text and what identifies it, "" for nothing.
struct Documents {
  std::vector<std::string> texts, ids;
};

Documents read_documents(const ApiCall& call) {
  constexpr std::size_t kLongestId = 4096;
  const ServeOptions& options = call.parts.options;
  JsonFields fields(call.request.body);
  auto rows = fields.objects("documents", static_cast<std::size_t>(options.max_texts));
  fields.end();
  ensure(rows.has_value(), ErrorKind::kInvalidInput,
         "reading the request: 'documents' is missing; send {\"documents\": [{\"text\"}]}");
  Documents documents;
  for (JsonFields& row : *rows) {
    auto text = row.text("text", static_cast<std::size_t>(options.text_bytes));
    ensure(text.has_value(), ErrorKind::kInvalidInput,
           fmt::format("reading the request: document {} has no 'text'; give each one",
                       documents.texts.size() + 1));
    documents.texts.push_back(std::move(*text));
    documents.ids.push_back(row.text("document_id", kLongestId).value_or(""));
    row.object("metadata");
    row.end();
  }
  return documents;
}

}  // namespace

void answer_projects(const std::shared_ptr<ApiCall>& call) {
  call->reply({.body = R"({"projects":[)" + project_of(*call->parts.engine()) + "]}"});
}

void answer_project(const std::shared_ptr<ApiCall>& call) {
  if (is_project(call)) call->reply({.body = project_of(*call->parts.engine())});
}

void answer_suggest(const std::shared_ptr<ApiCall>& call) {
  if (!is_project(call)) return;
  constexpr std::string_view kForm = "application/x-www-form-urlencoded";
  const std::string_view type = call->request.header("content-type");
  if (!equals_ignoring_case(type.substr(0, kForm.size()), kForm))
    return call->reply(problem(415, fmt::format("the body is no form; send it as {}", kForm)));
  const Parameters form = parse_parameters(call->request.body);
  const auto text = find_parameter(form, "text");
  ensure(text.has_value(), ErrorKind::kInvalidInput,
         "reading the request: 'text' is missing; send text=... as a form");
  const auto most = static_cast<std::size_t>(call->parts.options.text_bytes);
  ensure(text->size() <= most, ErrorKind::kInvalidInput,
         fmt::format("reading the request: 'text' has {} bytes, but at most {} are taken",
                     text->size(), most));
  const Selection selection = selection_of(*call, form);
  submit_query(call, suggesting(*call, {std::string(*text)}, selection),
               [selection](QueryAnswer& answer) {
                 HttpReply reply;
                 append_suggestions(reply.body, *answer.engine, answer.rankings[0], selection);
                 reply.body += '}';
                 return reply;
               });
}

void answer_suggest_batch(const std::shared_ptr<ApiCall>& call) {
  if (!is_project(call)) return;
  const Selection selection = selection_of(*call, call->parameters);
  Documents documents = read_documents(*call);
  QueryWork work = suggesting(*call, std::move(documents.texts), selection);
  submit_query(call, std::move(work), [selection, ids = documents.ids](QueryAnswer& answer) {
    HttpReply reply;
    for (std::size_t i = 0; i < answer.rankings.size(); ++i) {
      reply.body += i == 0 ? '[' : ',';
      append_suggestions(reply.body, *answer.engine, answer.rankings[i], selection);
      reply.body += R"(,"document_id":)";
      if (ids[i].empty())
        reply.body += "null";
      else
        append_json(reply.body, ids[i]);
      reply.body += '}';
    }
    reply.body += ']';
    return reply;
  });
}

}  // namespace dexter
