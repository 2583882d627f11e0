// dexter demos import: solved examples into a store's bank.
#include <memory>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "engine/demo_bank.h"
#include "tools/figures.h"
#include "tools/json_output.h"
#include "tools/verb.h"

namespace dexter {
namespace {

ExitCode run_import(Context& context, const std::vector<std::filesystem::path>& files) {
  const BankImport report =
      import_demonstrations(context.store, files, context.stoppable_progress());
  context.terminal.finish_stage();
  if (context.json) {
    boost::json::object tasks;
    for (const auto& [task, count] : report.tasks) tasks[task] = count;
    context.terminal.print(json_line({{"added", report.added},
                                      {"replaced", report.replaced},
                                      {"demonstrations", report.demonstrations},
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

Runner add(CLI::App& app, Context& context) {
  const auto files = std::make_shared<std::vector<std::filesystem::path>>();
  app.add_option("FILE", *files,
                 "JSON lines {\"input\", \"output\", \"task\", \"id\"}, plain or gzip")
      ->required()
      ->group("Demonstrations");
  return [files, &context] { return run_import(context, *files); };
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
        "dropped: train again.",
    .examples =
        "dexter demos import --store my-store trec.jsonl banking.jsonl\n"
        "dexter demos import --store my-store corpus.jsonl.gz",
    .next =
        "dexter demos train --store my-store\n"
        "dexter demos retrieve --store my-store --strategy bm25 \"Who wrote Hamlet ?\"",
    .interrupted = "the bank is as it was",
    .add = &add};

}  // namespace dexter
