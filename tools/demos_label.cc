// dexter demos label: pseudo-labelled demonstrations out of inputs without an output.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "engine/demo_labelling.h"
#include "engine/demo_retriever.h"
#include "tools/config_arguments.h"
#include "tools/figures.h"
#include "tools/json_output.h"
#include "tools/threads.h"
#include "tools/verb.h"

namespace dexter {
namespace {

struct LabelArguments {
  std::vector<std::filesystem::path> files;
  std::string scorer = "knn";
  double min_confidence = kMinConfidence;
  int k = 8;
  ConfigArguments config;
};

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : 100 * static_cast<double>(part) / static_cast<double>(whole);
}

void print(Context& context, const Labelling& report) {
  const std::uint64_t kept = report.added + report.replaced;
  if (context.json) {
    boost::json::object tasks;
    for (const auto& [task, count] : report.tasks) tasks[task] = count;
    boost::json::object line = {{"inputs", report.inputs},     {"given", report.given},
                                {"unsure", report.unsure},     {"added", report.added},
                                {"replaced", report.replaced}, {"pseudo", report.pseudo},
                                {"tasks", std::move(tasks)}};
    if (report.judged > 0) {
      line["judged"] = report.judged;
      line["accuracy"] = share(report.right, report.judged);
      line["judged_kept"] = report.judged_kept;
      line["accuracy_kept"] = share(report.right_kept, report.judged_kept);
    }
    context.terminal.print(json_line(line));
    return;
  }
  context.terminal.print(fmt::format(
      "of {} inputs {} labelled ({} anew), {} unsure, {} solved in the bank already; it has {} "
      "pseudo-labelled demonstrations\n",
      thousands(report.inputs), thousands(kept), thousands(report.replaced),
      thousands(report.unsure), thousands(report.given), thousands(report.pseudo)));
  Table table("<>");
  for (const auto& [task, count] : report.tasks) table.row({task, thousands(count)});
  context.terminal.print(table.text());
  if (report.judged > 0)
    context.terminal.print(
        fmt::format("  right: {:.1f} % of the {} kept ones that came with an output, {:.1f} % of "
                    "all {}\n",
                    share(report.right_kept, report.judged_kept), thousands(report.judged_kept),
                    share(report.right, report.judged), thousands(report.judged)));
}

ExitCode run_label(Context& context, const LabelArguments& arguments) {
  const Config config = arguments.config.resolve();
  set_threads(config.runtime.threads);
  const Progress progress = context.stoppable_progress();
  std::optional<LanguageModel> model;
  std::unique_ptr<InputLabeller> labeller;
  if (arguments.scorer == "http") {
    model.emplace(config.lm);
    labeller = make_model_labeller(context.store, *model, arguments.k);
  } else {
    labeller = make_vote_labeller(context.store, arguments.k);
  }
  const Labelling report =
      label_inputs(context.store, arguments.files, *labeller, arguments.min_confidence, progress);
  context.terminal.finish_stage();
  print(context, report);
  return ExitCode::kOk;
}

Runner add_demos_label(CLI::App& app, Context& context) {
  const auto arguments = std::make_shared<LabelArguments>();
  app.add_option("FILE", arguments->files,
                 "JSON lines {\"input\", \"task\", \"id\"}, plain or gzip; an output in them is "
                 "not looked at but to count the right labels")
      ->required()
      ->group("Inputs");
  app.add_option("--scorer", arguments->scorer,
                 "what tells the output: knn (the votes of the nearest demonstrations by vector "
                 "and by words), http (the language model behind --lm-url, which takes the most "
                 "probable of the task's outputs)")
      ->type_name("knn|http")
      ->default_str("knn")
      ->check(CLI::IsMember({"knn", "http"}).description(""))
      ->group("Labels");
  app.add_option("--min-confidence", arguments->min_confidence,
                 "the output's share of the votes, or of the probability, that keeps a label; "
                 "both views must agree beside")
      ->type_name("X")
      ->default_str(fmt::format("{}", kMinConfidence))
      ->check(CLI::Range(0.0, 1.0).description(""))
      ->group("Labels");
  app.add_option("-k", arguments->k, "demonstrations of each view")
      ->type_name("N")
      ->default_str("8")
      ->check(CLI::Range(1, DemoRetriever::kMost).description(""))
      ->group("Labels");
  arguments->config.add_to(
      app, {{"--lm-url", "lm.url", "URL", "an OpenAI-compatible server, http://HOST:PORT/v1"},
            {"--lm-model", "lm.model", "NAME", "the model's name there"},
            {"--threads", "runtime.threads", "N", "threads; 0 takes every core"}});
  return [arguments, &context] { return run_label(context, *arguments); };
}

}  // namespace

constinit const Verb kDemosLabelVerb = {
    .name = "demos label",
    .summary = "make demonstrations of inputs without an output",
    .arguments = "--store DIR [--scorer knn|http] [--min-confidence X] FILE...",
    .about =
        "Labels inputs of tasks that the bank has demonstrations of, keeps the labels that are "
        "reliable, and puts these inputs into the bank as pseudo-labelled demonstrations: they are "
        "found with the given ones, marked, and left out by --no-pseudo; nothing is learnt of "
        "them. A demonstration that was given stays in place of a label of the same input, and an "
        "import of one takes its place. Run again, each input is labelled anew. Answers of "
        "http are kept in the bank, so that no prompt is asked for twice, not even after a kill: "
        "run the same command again. Models behind one URL are told apart by --lm-model.",
    .examples =
        "dexter demos label --store my-store questions.jsonl\n"
        "dexter demos label --store my-store --min-confidence 0.9 questions.jsonl\n"
        "dexter demos label --store my-store --scorer http --lm-url http://127.0.0.1:8000/v1 "
        "questions.jsonl",
    .next = "dexter demos eval --store my-store --data test.jsonl",
    .interrupted = "the demonstrations are as they were; a model's answers are kept",
    .add = &add_demos_label};

}  // namespace dexter
