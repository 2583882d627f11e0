// dexter labels add: labels by their text alone, answerable at the next query.
#include <memory>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "engine/offline.h"
#include "storage/corpus_reader.h"
#include "tools/figures.h"
#include "tools/json_output.h"
#include "tools/threads.h"
#include "tools/verb.h"

namespace dexter {
namespace {

struct AddArguments {
  std::string key;
  std::string name;
  std::string text;
  std::filesystem::path file;
};

std::vector<Label> labels_of(const AddArguments& arguments) {
  ensure(
      arguments.key.empty() != arguments.file.empty(), ErrorKind::kInvalidInput,
      "give either one KEY with --name and --text, or --file; `dexter labels add --help` explains");
  std::vector<Label> labels;
  if (arguments.file.empty()) {
    const std::string& name = arguments.name.empty() ? arguments.key : arguments.name;
    labels.push_back({.id = {},
                      .key = arguments.key,
                      .name = name,
                      .text = arguments.text.empty() ? name : arguments.text});
    return labels;
  }
  const auto reader = open_labels(arguments.file, {.format = "jsonl"});
  for (LabelRow row; reader->next_label(row);)
    labels.push_back({.id = {},
                      .key = std::move(row.key),
                      .name = std::move(row.name),
                      .text = std::move(row.text)});
  ensure(!labels.empty(), ErrorKind::kInvalidInput,
         fmt::format("{} holds no label; write one JSON object a line", arguments.file.string()));
  return labels;
}

ExitCode run_add(Context& context, const AddArguments& arguments) {
  const std::vector<Label> labels = labels_of(arguments);
  set_threads(0);
  Catalog catalog = Catalog::open(context.store, OpenMode::kWrite);
  const std::uint64_t before = catalog.label_count();
  add_labels(catalog, labels);
  const std::uint64_t after = catalog.label_count();
  const std::uint64_t added = after - before;
  if (context.json) {
    context.terminal.print(
        json_line({{"added", added}, {"replaced", labels.size() - added}, {"labels", after}}));
    return ExitCode::kOk;
  }
  context.terminal.print(fmt::format("added {}, replaced {}; the store has {} labels\n",
                                     thousands(added), thousands(labels.size() - added),
                                     thousands(after)));
  context.terminal.remark(
      catalog.manifest().generation
          ? "they are answered from the next query on"
          : "they are answered once `dexter train` and `dexter index` have run");
  return ExitCode::kOk;
}

Runner add_labels_add(CLI::App& app, Context& context) {
  const auto arguments = std::make_shared<AddArguments>();
  const char* one = "One label";
  app.add_option("KEY", arguments->key, "the label's key; a key the store has is replaced")
      ->group(one);
  app.add_option("--name", arguments->name, "shown to people; the key where it is not given")
      ->type_name("NAME")
      ->group(one);
  app.add_option("--text", arguments->text,
                 "what the encoder reads; the name where it is not given")
      ->type_name("TEXT")
      ->group(one);
  app.add_option(
         "--file", arguments->file,
         "labels as jsonl, one {\"id\", \"name\", \"text\"} a line; all of them or none are added")
      ->type_name("FILE")
      ->group("Many labels");
  return [arguments, &context] { return run_add(context, *arguments); };
}

}  // namespace

constinit const Verb kLabelsAddVerb = {
    .name = "labels add",
    .summary = "add or replace labels by their text, with no training",
    .arguments = "--store DIR KEY [--name NAME] [--text TEXT] | --file FILE",
    .about =
        "A label needs no training document: its text alone places it near the texts it fits. "
        "Added and replaced labels are answered from the next query on; `dexter index` takes "
        "them into the index, which keeps queries fast when there are many.",
    .examples =
        "dexter labels add --store my-store otters --name Otters --text \"otters and other "
        "weasels\"\n"
        "dexter labels add --store my-store --file new-labels.jsonl",
    .next = "dexter query --store my-store \"a text that should get the label\"",
    .interrupted = "no label was added; run the same command again",
    .add = &add_labels_add};

}  // namespace dexter
