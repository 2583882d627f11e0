// POST /v1/demonstrations: solved examples for texts, and the prompts made of them.
#include <spdlog/fmt/fmt.h>

#include "engine/api_call.h"
#include "engine/demo_prompt.h"
#include "engine/demo_retriever.h"
#include "engine/json_fields.h"
#include "engine/json_text.h"
#include "storage/error.h"

namespace dexter {
namespace {

constexpr std::int64_t kMostChosen = 256;
constexpr std::size_t kMostNameBytes = 4096;
constexpr std::size_t kMostWithout = 10'000;
constexpr std::size_t kMostPatternBytes = 1u << 16;
constexpr std::int64_t kMostWords = 1 << 30;

struct DemoRequest {
  std::vector<std::string> texts;
  DemoQuery query;  // without its text
  bool best_first = false;
  bool prompt = false;
  std::string pattern{kPromptPattern};
};

double number_of(JsonFields& fields, std::string_view name, double otherwise, double least,
                 double most) {
  const double found = fields.number(name).value_or(otherwise);
  ensure(found >= least && found <= most, ErrorKind::kInvalidInput,
         fmt::format("reading the request: '{}' is {}, but {} to {} is possible", name, found,
                     least, most));
  return found;
}

DemoQuery query_of(JsonFields& fields) {
  DemoQuery query;
  query.k = static_cast<int>(fields.whole("k", 1, kMostChosen).value_or(query.k));
  query.pool = static_cast<int>(fields.whole("pool", 1, DemoRetriever::kMost).value_or(query.pool));
  query.task = fields.text("task", kMostNameBytes).value_or("");
  query.strategy = fields.text("strategy", kMostNameBytes).value_or("");
  query.exclude = find_exclude(fields.text("exclude", kMostNameBytes).value_or("none"));
  if (auto ids = fields.texts("without", kMostWithout, kMostNameBytes))
    query.without = std::move(*ids);
  query.pseudo = fields.has("pseudo") ? fields.flag("pseudo") : true;
  query.balanced = fields.flag("balanced");
  query.words = static_cast<int>(fields.whole("words", 0, kMostWords).value_or(0));
  StrategyOptions& options = query.options;
  options.mmr_balance = number_of(fields, "mmr_balance", options.mmr_balance, 0, 1);
  options.dpp_scale = number_of(fields, "dpp_scale", options.dpp_scale, 1e-3, 1e3);
  options.seed = static_cast<std::uint64_t>(
      fields.whole("seed", 0, 1LL << 53).value_or(static_cast<std::int64_t>(options.seed)));
  return query;
}

DemoRequest read_request(const ApiCall& call) {
  JsonFields fields(call.request.body);
  DemoRequest request;
  const ServeOptions& options = call.parts.options;
  request.texts = fields.one_or_many(static_cast<std::size_t>(options.max_texts),
                                     static_cast<std::size_t>(options.text_bytes));
  request.query = query_of(fields);
  request.best_first = fields.flag("best_first");
  request.prompt = fields.flag("prompt");
  if (auto pattern = fields.text("pattern", kMostPatternBytes))
    request.pattern = std::move(*pattern);
  fields.end();
  return request;
}

void append_demo(std::string& out, const FoundDemo& found, std::size_t rank) {
  const auto text = [&](std::string_view name, std::string_view value) {
    out.append(name);
    append_json(out, value);
  };
  text(R"({"id":)", found.demo->id);
  text(R"(,"task":)", found.demo->task);
  text(R"(,"input":)", found.demo->input);
  text(R"(,"output":)", found.demo->output);
  out += fmt::format(R"(,"rank":{},"score":)", rank);
  append_json(out, found.score);
  out += R"(,"probability":)";
  append_json(out, found.probability);
  out += fmt::format(R"(,"pseudo":{})", found.demo->confidence.has_value());
  if (found.demo->confidence)
    out += fmt::format(R"(,"confidence":{:.4f})", *found.demo->confidence);
  out += '}';
}

void append_result(std::string& out, const std::vector<FoundDemo>& found, const std::string& text,
                   const DemoRequest& request) {
  out += R"({"demonstrations":[)";
  for (std::size_t i = 0; i < found.size(); ++i) {
    const std::size_t place = request.best_first ? i : found.size() - 1 - i;
    if (i > 0) out += ',';
    append_demo(out, found[place], place + 1);
  }
  out += ']';
  if (request.prompt) {
    out += R"(,"prompt":)";
    append_json(out, assemble_prompt(found, text, request.pattern));
  }
  out += '}';
}

HttpReply answered(const DemoRetriever& retriever, const DemoRequest& request) {
  HttpReply reply;
  reply.body = R"({"strategy":)";
  append_json(reply.body, request.query.strategy.empty()
                              ? retriever.default_strategy()
                              : std::string_view(request.query.strategy));
  reply.body += R"(,"results":[)";
  DemoQuery query = request.query;
  for (const std::string& text : request.texts) {
    if (reply.body.back() != '[') reply.body += ',';
    query.text = text;
    append_result(reply.body, retriever.retrieve(query), text, request);
  }
  reply.body += "]}";
  return reply;
}

HttpReply no_demonstrations() {
  return problem(404,
                 "the store has no demonstrations; run `dexter demos import` on it, then POST "
                 "/v1/admin/reload");
}

}  // namespace

void answer_demonstrations(const std::shared_ptr<ApiCall>& call) {
  const DemoParts* demos = call->parts.demos;
  const auto retriever = demos == nullptr ? nullptr : demos->retriever();
  if (!retriever) return call->reply(no_demonstrations());
  const bool taken = demos->choosers.submit([call, retriever, request = read_request(*call)] {
    guarded(call, [&] { call->reply(answered(*retriever, request)); });
  });
  if (!taken) call->reply(try_again(429, "too many texts wait already; send it again later"));
}

}  // namespace dexter
