// dexter query: texts in, their labels out.
#include <unistd.h>

#include <algorithm>
#include <memory>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "engine/retrieval_engine.h"
#include "tools/figures.h"
#include "tools/input_lines.h"
#include "tools/json_output.h"
#include "tools/threads.h"
#include "tools/verb.h"

namespace dexter {
namespace {

constexpr std::size_t kBatch = 512;

struct QueryArguments {
  std::vector<std::string> texts;
  int k = 5;
  int threads = 0;
  std::vector<std::string> only;
  SearchOptions search;
};

std::string json_answer(const std::string& text, const LabelRanking& ranking,
                        const std::vector<Label>& labels) {
  boost::json::array answers;
  for (std::size_t i = 0; i < labels.size(); ++i)
    answers.push_back(
        {{"key", labels[i].key}, {"name", labels[i].name}, {"score", rounded(ranking[i].score)}});
  return json_line({{"text", text}, {"labels", std::move(answers)}});
}

// The text, then a line a label: score, name, key where it says more.
std::string readable_answer(const std::string& text, const LabelRanking& ranking,
                            const std::vector<Label>& labels) {
  std::string out = text + '\n';
  if (labels.empty()) return out + "  no label: none of its words is known to the encoder\n\n";
  Table table("><<");
  for (std::size_t i = 0; i < labels.size(); ++i)
    table.row({fmt::format("{:.3f}", ranking[i].score), labels[i].name,
               labels[i].key == labels[i].name ? "" : labels[i].key});
  return out + table.text() + '\n';
}

void answer(Context& context, const RetrievalEngine& engine, const QueryArguments& arguments,
            std::span<const std::string> texts) {
  const std::vector<LabelRanking> rankings = engine.rank(texts, arguments.k, arguments.search);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::vector<Label> labels = engine.labels(rankings[i]);
    context.terminal.print(context.json ? json_answer(texts[i], rankings[i], labels)
                                        : readable_answer(texts[i], rankings[i], labels));
  }
  context.terminal.flush();
}

// A JSON reader counts on one object a line, so a blank line is answered there; people are not.
void drop_blank(std::vector<std::string>& lines) {
  std::erase_if(lines, [](const std::string& line) {
    return line.find_first_not_of(" \t") == std::string::npos;
  });
}

ExitCode run_query(Context& context, QueryArguments arguments) {
  set_threads(arguments.threads);
  const RetrievalEngine engine = RetrievalEngine::open(context.store);
  if (!arguments.only.empty()) arguments.search.only = engine.ids_of(arguments.only);
  if (!arguments.texts.empty()) {
    answer(context, engine, arguments, arguments.texts);
    return ExitCode::kOk;
  }
  const bool typed = ::isatty(STDIN_FILENO) == 1;
  if (typed)
    context.terminal.remark(fmt::format("{} labels; type a text and press Enter, Ctrl-D ends",
                                        thousands(engine.label_count())));
  InputLines input(STDIN_FILENO);
  for (std::vector<std::string> lines; input.next(lines, kBatch);) {
    if (!context.json) drop_blank(lines);
    answer(context, engine, arguments, lines);
  }
  return ExitCode::kOk;
}

Runner add(CLI::App& app, Context& context) {
  const auto arguments = std::make_shared<QueryArguments>();
  app.add_option("TEXT", arguments->texts, "texts to label; without any, lines of standard input")
      ->group("Texts");
  const char* answers = "Answers";
  app.add_option("-k", arguments->k, "labels for each text")
      ->type_name("N")
      ->default_str("5")
      ->check(CLI::Range(1, 1 << 20).description(""))
      ->group(answers);
  app.add_option("--only", arguments->only,
                 "answer with this label or others named so; give it once for each")
      ->type_name("KEY")
      ->allow_extra_args(false)
      ->group(answers);
  app.add_option("--probes", arguments->search.probes,
                 "ivf: lists read per query; 0 takes what the index was tuned to")
      ->type_name("N")
      ->check(CLI::Range(0, 1 << 30).description(""))
      ->group(answers);
  app.add_option("--ef", arguments->search.ef,
                 "hnsw: candidates kept; 0 takes what the index was tuned to")
      ->type_name("N")
      ->check(CLI::Range(0, 1 << 30).description(""))
      ->group(answers);
  app.add_option("--threads", arguments->threads, "threads; 0 takes every core")
      ->type_name("N")
      ->check(CLI::Range(0, 1 << 30).description(""))
      ->group("General");
  return [arguments, &context] { return run_query(context, *arguments); };
}

}  // namespace

constinit const Verb kQueryVerb = {
    .name = "query",
    .summary = "find the labels of texts",
    .arguments = "--store DIR [-k N] [--json] [TEXT...]",
    .about =
        "Answers each text with its k best labels and their scores, cosines between -1 and 1. "
        "Lines of standard input are answered as they come, in batches when many are waiting. "
        "With --json every text gives one line: {\"text\": ..., \"labels\": [{\"key\", "
        "\"name\", \"score\"}, ...]}.",
    .examples =
        "dexter query --store my-store \"a grey cat asleep on the sofa\"\n"
        "dexter query --store my-store -k 3 --json < texts.txt > answers.jsonl",
    .next =
        "dexter eval --store my-store\n"
        "dexter labels add --store my-store KEY --name NAME --text TEXT",
    .interrupted = "the answers printed so far stand",
    .add = &add};

}  // namespace dexter
