// dexter demos retrieve: demonstrations for a text, or the prompt made of them.
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "engine/demo_prompt.h"
#include "engine/demo_retriever.h"
#include "tools/demos_arguments.h"
#include "tools/figures.h"
#include "tools/input_lines.h"
#include "tools/json_output.h"
#include "tools/threads.h"
#include "tools/verb.h"

namespace dexter {
namespace {

constexpr std::size_t kBatch = 512;

struct RetrieveArguments {
  DemoArguments demos;
  std::vector<std::string> texts;
  bool best_first = false;
  bool prompt = false;
  std::string pattern{kPromptPattern};
};

// "\n" typed in a shell is two characters.
std::string unescaped(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool newline = text[i] == '\\' && i + 1 < text.size() && text[i + 1] == 'n';
    result += newline ? '\n' : text[i];
    i += newline;
  }
  return result;
}

boost::json::array json_of(const std::vector<FoundDemo>& best_first, bool keep_order) {
  boost::json::array rows;
  for (std::size_t i = 0; i < best_first.size(); ++i) {
    const std::size_t at = keep_order ? i : best_first.size() - 1 - i;
    const FoundDemo& found = best_first[at];
    boost::json::object row = {{"id", found.demo->id},
                               {"task", found.demo->task},
                               {"input", found.demo->input},
                               {"output", found.demo->output},
                               {"rank", at + 1},
                               {"score", rounded(found.score)},
                               {"probability", rounded(found.probability)},
                               {"pseudo", found.demo->confidence.has_value()}};
    if (found.demo->confidence) row["confidence"] = *found.demo->confidence;
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string readable(const std::string& text, const std::vector<FoundDemo>& best_first,
                     bool keep_order) {
  Table table("><<<");
  for (std::size_t i = 0; i < best_first.size(); ++i) {
    const FoundDemo& found = best_first[keep_order ? i : best_first.size() - 1 - i];
    std::string output = clipped(found.demo->output, 40);
    if (const auto& confidence = found.demo->confidence)
      output += fmt::format(" (pseudo-label, {:.2f})", *confidence);
    table.row({fmt::format("{:.3f}", found.score), found.demo->task, clipped(found.demo->input, 72),
               std::move(output)});
  }
  const std::string none = best_first.empty() ? "  no demonstration is near it\n" : "";
  return text + '\n' + none + table.text() + '\n';
}

void answer(Context& context, const DemoRetriever& retriever, const RetrieveArguments& arguments,
            const std::string& text) {
  const std::vector<FoundDemo> found = retriever.retrieve(arguments.demos.query_of(text));
  const std::string prompt =
      arguments.prompt ? assemble_prompt(found, text, unescaped(arguments.pattern)) : "";
  if (!context.json)
    return context.terminal.print(arguments.prompt ? prompt + '\n'
                                                   : readable(text, found, arguments.best_first));
  const std::string& strategy = arguments.demos.query.strategy;
  boost::json::object line = {
      {"text", text},
      {"strategy", strategy.empty() ? retriever.default_strategy() : strategy},
      {"demonstrations", json_of(found, arguments.best_first)}};
  if (arguments.prompt) line["prompt"] = prompt;
  context.terminal.print(json_line(line));
}

ExitCode run_retrieve(Context& context, const RetrieveArguments& arguments) {
  set_threads(arguments.demos.threads);
  const DemoRetriever retriever = DemoRetriever::open(context.store, arguments.demos.words());
  for (const std::string& text : arguments.texts) answer(context, retriever, arguments, text);
  if (!arguments.texts.empty()) return ExitCode::kOk;
  InputLines input(STDIN_FILENO);
  for (std::vector<std::string> lines; input.next(lines, kBatch); context.terminal.flush())
    for (const std::string& line : lines) answer(context, retriever, arguments, line);
  return ExitCode::kOk;
}

Runner add_demos_retrieve(CLI::App& app, Context& context) {
  const auto arguments = std::make_shared<RetrieveArguments>();
  app.add_option("TEXT", arguments->texts, "inputs; without any, lines of standard input")
      ->group("Texts");
  app.add_option("--task", arguments->demos.query.task, "demonstrations of this task alone")
      ->type_name("TASK")
      ->group("Choice");
  arguments->demos.add_to(app);
  const char* answers = "Answers";
  app.add_flag("--best-first", arguments->best_first,
               "the best at the top; it comes last, next to the question, where this is not given")
      ->group(answers);
  app.add_flag("--prompt", arguments->prompt, "the prompt made of them")->group(answers);
  app.add_option("--pattern", arguments->pattern,
                 "of the prompt: {input}, {output} and {task} are replaced")
      ->type_name("TEXT")
      ->group(answers);
  app.add_option("--words", arguments->demos.query.words,
                 "words that inputs and outputs together may have; 0 for any number")
      ->type_name("N")
      ->check(CLI::Range(0, 1 << 30).description(""))
      ->group("Choice");
  return [arguments, &context] { return run_retrieve(context, *arguments); };
}

}  // namespace

constinit const Verb kDemosRetrieveVerb = {
    .name = "demos retrieve",
    .summary = "find demonstrations for a text, or make its prompt",
    .arguments = "--store DIR [--task TASK] [-k N] [--strategy NAME] [--json] TEXT...",
    .about =
        "Chooses k demonstrations for each text. They are printed with the best one last, where a "
        "language model heeds it most. With --json every text gives one line: {\"text\", "
        "\"strategy\", \"demonstrations\": [{\"id\", \"task\", \"input\", \"output\", \"rank\", "
        "\"score\", \"probability\", \"pseudo\"}]}, with \"confidence\" where the output is a "
        "pseudo-label of `dexter demos label`.",
    .examples =
        "dexter demos retrieve --store my-store --task trec -k 4 \"Who wrote Hamlet ?\"\n"
        "dexter demos retrieve --store my-store --strategy dpp --prompt \"Who wrote Hamlet ?\"\n"
        "dexter demos retrieve --store my-store --json < texts.txt > demonstrations.jsonl",
    .next = "dexter demos eval --store my-store --data test.jsonl",
    .interrupted = "the answers printed so far stand",
    .add = &add_demos_retrieve};

}  // namespace dexter
