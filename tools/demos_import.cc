// dexter demos import: solved examples into a store's bank.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "engine/demo_bank.h"
#include "tools/figures.h"
#include "tools/json_output.h"
#include "tools/verb.h"

namespace dexter {
namespace {

struct ImportArguments {
  std::vector<std::filesystem::path> files;
  std::string stemmer;
  std::vector<std::string> instructions;
};

Instructions instructions_of(const std::vector<std::string>& given) {
  Instructions instructions;
  for (const std::string& each : given) {
    const std::size_t equals = each.find('=');
    ensure(equals != std::string::npos && equals > 0, ErrorKind::kInvalidInput,
           fmt::format("importing demonstrations: the instruction \"{}\" names no task; write "
                       "TASK=TEXT",
                       each));
    instructions[each.substr(0, equals)] = each.substr(equals + 1);
  }
  return instructions;
}

ExitCode run_import(Context& context, const ImportArguments& arguments) {
  std::optional<Bm25Options> words;
  if (!arguments.stemmer.empty()) words = Bm25Options{.stemmer = arguments.stemmer};
  const BankImport report =
      import_demonstrations(context.store, arguments.files, context.stoppable_progress(), words,
                            instructions_of(arguments.instructions));
  context.terminal.finish_stage();
  if (context.json) {
    boost::json::object tasks;
    for (const auto& [task, count] : report.tasks) tasks[task] = count;
    context.terminal.print(json_line({{"added", report.added},
                                      {"replaced", report.replaced},
                                      {"demonstrations", report.demonstrations},
                                      {"pseudo", report.pseudo},
                                      {"tasks", std::move(tasks)}}));
    return ExitCode::kOk;
  }
  context.terminal.print(fmt::format("added {}, replaced {}; the bank has {} demonstrations\n",
                                     thousands(report.added), thousands(report.replaced),
                                     thousands(report.demonstrations)));
  Table table("<>");
  for (const auto& [task, count] : report.tasks) table.row({task, thousands(count)});
  context.terminal.print(table.text());
  context.terminal.remark(
      fmt::format("next: dexter demos train --store {}", context.store.string()));
  return ExitCode::kOk;
}

Runner add_demos_import(CLI::App& app, Context& context) {
  const auto arguments = std::make_shared<ImportArguments>();
  app.add_option("FILE", arguments->files,
                 "JSON lines {\"input\", \"output\", \"task\", \"id\"}, plain or gzip")
      ->required()
      ->group("Demonstrations");
  app.add_option("--instruction", arguments->instructions,
                 "goes before every input of the task, and before queries of it, where they are "
                 "encoded; kept by later imports, removed by an empty one; may be repeated")
      ->type_name("TASK=TEXT")
      ->allow_extra_args(false)
      ->group("Demonstrations");
  app.add_option(
         "--stemmer", arguments->stemmer,
         "a Snowball stemmer's name, or none; english, or the bank's, where it is not given")
      ->type_name("LANGUAGE")
      ->group("Demonstrations");
  return [arguments, &context] { return run_import(context, *arguments); };
}

}  // namespace

constinit const Verb kDemosImportVerb = {
    .name = "demos import",
    .summary = "add solved examples of one task or many",
    .arguments = "--store DIR FILE...",
    .about =
        "Adds demonstrations to the store's bank, making both where there are none: JSON lines "
        "with an input, an output, the task it belongs to (\"default\" where it is not given) and "
        "an id. Without an id a line is known by its content; one of an id that is there replaces "
        "it. Rows of a BEIR corpus (_id, title, text) are taken too. A bad line stops the import "
        "with file and line and leaves the bank as it was. An encoder trained on the bank is "
        "dropped: train again. Words are indexed by their stems; where the store's labels have an "
        "encoder, the inputs' vectors are too.",
    .examples =
        "dexter demos import --store my-store trec.jsonl banking.jsonl\n"
        "dexter demos import --store my-store --instruction \"trec=What is asked for?\" "
        "trec.jsonl\n"
        "dexter demos import --store my-store corpus.jsonl.gz",
    .next =
        "dexter demos train --store my-store\n"
        "dexter demos retrieve --store my-store --strategy bm25 \"Who wrote Hamlet ?\"",
    .interrupted = "the bank is as it was, or has all of the files and no index yet",
    .add = &add_demos_import};

}  // namespace dexter
