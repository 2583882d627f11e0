// dexter query: texts in, their labels out.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <optional>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "storage/file_io.h"
#include "tools/answer_arguments.h"
#include "tools/figures.h"
#include "tools/input_lines.h"
#include "tools/json_output.h"
#include "tools/query_documents.h"
#include "tools/query_source.h"
#include "tools/threads.h"
#include "tools/verb.h"

namespace dexter {
namespace {

constexpr std::size_t kBatch = 512;

struct QueryArguments {
  std::vector<std::string> texts;
  LabelQuery query;
  std::optional<double> threshold;
  std::string space = "labels";
  DeviceOptions device;
  int threads = 0;
  std::string url;
  std::filesystem::path key_file;
};

std::string json_answer(const std::string& text, const LabelAnswer& answer) {
  boost::json::array answers;
  for (std::size_t i = 0; i < answer.labels.size(); ++i)
    answers.push_back({{"key", answer.labels[i].key},
                       {"name", answer.labels[i].name},
                       {"score", rounded(answer.scores[i])}});
  return json_line({{"text", text}, {"labels", std::move(answers)}});
}

// The text, then a line a label: score, name, key where it says more.
std::string readable_answer(const std::string& text, const LabelAnswer& answer,
                            const LabelQuery& query) {
  std::string out = text + '\n';
  if (answer.labels.empty()) return out + "  no label: " + why_empty(query) + "\n\n";
  Table table("><<");
  for (std::size_t i = 0; i < answer.labels.size(); ++i) {
    const Label& label = answer.labels[i];
    table.row({fmt::format("{:.3f}", answer.scores[i]), label.name,
               label.key == label.name ? "" : label.key});
  }
  return out + table.text() + '\n';
}

void answer(Context& context, QuerySource& source, const LabelQuery& query,
            std::span<const std::string> texts) {
  const std::vector<LabelAnswer> answers = source.answer(texts);
  for (std::size_t i = 0; i < texts.size(); ++i)
    context.terminal.print(context.json ? json_answer(texts[i], answers[i])
                                        : readable_answer(texts[i], answers[i], query));
  context.terminal.flush();
}

// A JSON reader counts on one object a line, so a blank line is answered there; people are not.
void drop_blank(std::vector<std::string>& lines) {
  std::erase_if(lines, [](const std::string& line) {
    return line.find_first_not_of(" \t") == std::string::npos;
  });
}

void apply_threshold(QueryArguments& arguments) {
  if (!arguments.threshold) return;
  arguments.query.page.threshold = static_cast<float>(*arguments.threshold);
  ensure(std::isfinite(arguments.query.page.threshold), ErrorKind::kInvalidInput,
         fmt::format("--threshold is {}; give a score, such as 0.3", *arguments.threshold));
}

std::string api_key_of(const QueryArguments& arguments) {
  if (arguments.key_file.empty()) {
    const char* given = std::getenv("DEXTER_API_KEY");
    return given == nullptr ? "" : given;
  }
  const std::string text = read_file(arguments.key_file);
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  ensure(first != std::string::npos, ErrorKind::kInvalidInput,
         fmt::format("reading {}: it holds no key; write one on its first line",
                     arguments.key_file.string()));
  return text.substr(first, text.find_first_of(" \t\r\n", first) - first);
}

std::unique_ptr<QuerySource> source_of(const Context& context, const QueryArguments& arguments) {
  const bool remote = !arguments.url.empty();
  ensure(remote || !context.store.empty(), ErrorKind::kInvalidInput,
         "--store is required, or --url for a server; `dexter query --help` explains");
  ensure(!remote || context.store.empty(), ErrorKind::kInvalidInput,
         "--store and --url are both given; one of them answers");
  ensure(remote || arguments.key_file.empty(), ErrorKind::kInvalidInput,
         "--api-key-file is given without --url; a store asks for no key");
  ensure(!remote || arguments.threads == 0, ErrorKind::kInvalidInput,
         "--threads is given with --url; how many threads a server uses is its own affair");
  ensure(!remote || arguments.device.name == "cpu", ErrorKind::kInvalidInput,
         "--device is given with --url; where a server searches is its own affair");
  ensure(
      !remote || (arguments.device.memory == DeviceOptions{}.memory && arguments.device.codes == 0),
      ErrorKind::kInvalidInput,
      "--device-memory or --device-codes is given with --url; what a server keeps where is its "
      "own affair");
  if (remote)
    return connect_to_server(parse_server_url(arguments.url), {.api_key = api_key_of(arguments)},
                             arguments.query);
  set_threads(arguments.threads);
  return open_store(context.store, arguments.device, arguments.query);
}

ExitCode run_query(Context& context, const QueryArguments& arguments) {
  const bool documents = arguments.space == "documents";
  ensure(!documents || arguments.query.only.empty(), ErrorKind::kInvalidInput,
         "--only names labels, but --space asks for documents; leave one of them out");
  const std::unique_ptr<QuerySource> source = source_of(context, arguments);
  const auto answer_all = [&](std::span<const std::string> texts) {
    if (documents)
      print_documents(context, *source, texts, arguments.query);
    else
      answer(context, *source, arguments.query, texts);
  };
  if (!arguments.texts.empty()) {
    answer_all(arguments.texts);
    return ExitCode::kOk;
  }
  if (::isatty(STDIN_FILENO) == 1)
    context.terminal.remark(fmt::format("{} labels; type a text and press Enter, Ctrl-D ends",
                                        thousands(source->label_count())));
  InputLines input(STDIN_FILENO);
  for (std::vector<std::string> lines; input.next(lines, kBatch);) {
    if (!context.json) drop_blank(lines);
    if (!lines.empty()) answer_all(lines);
  }
  return ExitCode::kOk;
}

void add_answers(CLI::App& app, LabelQuery& query) {
  const char* answers = "Answers";
  const auto whole = CLI::Range(0, 1 << 30).description("");
  app.add_option("-k", query.k, "labels, or documents, for each text")
      ->type_name("N")
      ->default_str("5")
      ->check(CLI::Range(1, 1 << 20).description(""))
      ->group(answers);
  app.add_option("--offset", query.page.offset,
                 "answers passed over: the next page after -k 100 is --offset 100")
      ->type_name("N")
      ->default_str("0")
      ->check(CLI::Range(0, 1 << 30).description(""))
      ->group(answers);
  app.add_option("--only", query.only,
                 "answer with this label or others named so; give it once for each")
      ->type_name("KEY")
      ->allow_extra_args(false)
      ->group(answers);
  add_answer_options(app, query.answer, answers);
  app.add_option("--probes", query.answer.search.probes,
                 "ivf: lists read per query; 0 takes what the index was tuned to")
      ->type_name("N")
      ->check(whole)
      ->group(answers);
  app.add_option("--ef", query.answer.search.ef,
                 "hnsw: candidates kept; 0 takes what the index was tuned to")
      ->type_name("N")
      ->check(whole)
      ->group(answers);
}

Runner add_query(CLI::App& app, Context& context) {
  const auto arguments = std::make_shared<QueryArguments>();
  app.add_option("TEXT", arguments->texts, "texts to label; without any, lines of standard input")
      ->group("Texts");
  app.add_option("--space", arguments->space,
                 "labels, or the documents of `dexter index --documents`")
      ->type_name("SPACE")
      ->default_str("labels")
      ->check(CLI::IsMember({"labels", "documents"}).description(""))
      ->group("Answers");
  add_answers(app, arguments->query);
  app.add_option("--threshold", arguments->threshold, "leave out what scores less")
      ->type_name("SCORE")
      ->group("Answers");
  const char* server = "Server";
  app.add_option("--url", arguments->url, "ask this `dexter serve` instead of opening a store")
      ->type_name("URL")
      ->group(server);
  app.add_option(
         "--api-key-file", arguments->key_file,
         "file whose first line is the key that the server wants; without it DEXTER_API_KEY "
         "of the environment")
      ->type_name("FILE")
      ->group(server);
  add_device_options(app, arguments->device, "General");
  app.add_option("--threads", arguments->threads, "threads; 0 takes every core")
      ->type_name("N")
      ->check(CLI::Range(0, 1 << 30).description(""))
      ->group("General");
  return [arguments, &context] {
    apply_threshold(*arguments);
    return run_query(context, *arguments);
  };
}

}  // namespace

constinit const Verb kQueryVerb = {
    .name = "query",
    .summary = "find the labels of texts",
    .arguments = "--store DIR|--url URL [-k N] [--json] [TEXT...]",
    .about =
        "Answers each text with its k best labels and their scores, cosines between -1 and 1, "
        "raised "
        "for labels that documents alike have, where memory is on. "
        "Lines of standard input are answered as they come, in batches when many are waiting. "
        "With --json every text gives one line: {\"text\": ..., \"labels\": [{\"key\", "
        "\"name\", \"score\"}, ...]}. With --url a running `dexter serve` answers, in the same "
        "words. With --space documents the answers are the training documents most alike to each "
        "text, {\"text\": ..., \"documents\": [{\"key\", \"text\", \"score\", \"labels\"}, ...]}. "
        "--offset and --threshold mean what they do in POST /v1/query: --threshold leaves out what "
        "scores less, --offset passes over the first of what is left.",
    .examples =
        "dexter query --store my-store \"a grey cat asleep on the sofa\"\n"
        "dexter query --store my-store -k 3 --json < texts.txt > answers.jsonl\n"
        "dexter query --url http://127.0.0.1:8080 \"a grey cat asleep on the sofa\"",
    .next =
        "dexter eval --store my-store\n"
        "dexter labels add --store my-store KEY --name NAME --text TEXT",
    .interrupted = "the answers printed so far stand",
    .needs_store = false,
    .add = &add_query};

}  // namespace dexter
