// dexter demos choose: which inputs to solve first.
#include <memory>
#include <string>
#include <vector>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "engine/demo_choice.h"
#include "tools/figures.h"
#include "tools/json_output.h"
#include "tools/threads.h"
#include "tools/verb.h"

namespace dexter {
namespace {

struct ChooseArguments {
  std::vector<std::filesystem::path> files;
  ChoiceOptions options;
  int threads = 0;
};

ExitCode run_choose(Context& context, const ChooseArguments& arguments) {
  set_threads(arguments.threads);
  const Choice choice = choose_inputs(context.store, arguments.files, arguments.options,
                                      context.stoppable_progress());
  context.terminal.finish_stage();
  for (const Demonstration& demo : choice.chosen) {
    boost::json::object line;
    if (!demo.id.empty()) line["id"] = demo.id;
    line["task"] = demo.task;
    line["input"] = demo.input;
    line["output"] = "";
    context.terminal.print(json_line(line));
  }
  context.terminal.remark(fmt::format("chose {} of {} inputs; {} are solved in the bank already",
                                      thousands(choice.chosen.size()), thousands(choice.inputs),
                                      thousands(choice.solved)));
  return ExitCode::kOk;
}

Runner add_demos_choose(CLI::App& app, Context& context) {
  const auto arguments = std::make_shared<ChooseArguments>();
  app.add_option("FILE", arguments->files,
                 "JSON lines {\"input\", \"task\", \"id\"}, plain or gzip; an output in them is "
                 "not looked at")
      ->required()
      ->group("Inputs");
  app.add_option("-n", arguments->options.count, "inputs to choose")
      ->type_name("N")
      ->default_str("100")
      ->check(CLI::PositiveNumber.description(""))
      ->group("Choice");
  app.add_option("--neighbours", arguments->options.neighbours,
                 "nearest inputs that each input votes for")
      ->type_name("N")
      ->default_str(fmt::format("{}", ChoiceOptions().neighbours))
      ->check(CLI::PositiveNumber.description(""))
      ->group("Choice");
  app.add_option("--threads", arguments->threads, "threads; 0 takes every core")
      ->type_name("N")
      ->check(CLI::NonNegativeNumber.description(""))
      ->group("General");
  return [arguments, &context] { return run_choose(context, *arguments); };
}

}  // namespace

constinit const Verb kDemosChooseVerb = {
    .name = "demos choose",
    .summary = "pick the inputs that are most worth an output",
    .arguments = "--store DIR [-n N] [--neighbours N] FILE...",
    .about =
        "Of inputs that nobody has solved yet, picks those near many others and far from what the "
        "bank holds and from each other (vote-k), so that N outputs written by hand serve the rest "
        "best. They are printed as JSON lines {\"id\", \"task\", \"input\", \"output\"}, the most "
        "useful first, with an empty output to fill in for `dexter demos import`. Run again once "
        "these are in the bank, the next ones follow. The store is not changed.",
    .examples =
        "dexter demos choose --store my-store -n 50 questions.jsonl > to-solve.jsonl\n"
        "dexter demos choose --store my-store -n 500 --neighbours 150 questions.jsonl.gz",
    .next = "dexter demos import --store my-store to-solve.jsonl",
    .interrupted = "the store was not changed",
    .add = &add_demos_choose};

}  // namespace dexter
