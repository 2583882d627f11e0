// dexter labels show: one label, all of it.
#include <memory>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "storage/catalog.h"
#include "tools/figures.h"
#include "tools/json_output.h"
#include "tools/verb.h"

namespace dexter {
namespace {

bool changed_since_index(const Catalog& catalog, LabelId id) {
  for (const LabelChange& change : catalog.label_changes())
    if (change.id == id) return true;
  return false;
}

ExitCode run_show(Context& context, const std::string& key) {
  const Catalog catalog = Catalog::open(context.store, OpenMode::kRead);
  const std::optional<Label> label = catalog.find_label(key);
  if (!label)
    throw Error(
        ErrorKind::kNotFound,
        fmt::format(
            "no label has the key '{}'; `dexter labels list --store {} --contains {}` searches",
            key, context.store.string(), key));
  const std::vector<std::uint32_t> frequencies = catalog.label_frequencies();
  const std::uint32_t row = value(label->id);
  const std::uint32_t documents = row < frequencies.size() ? frequencies[row] : 0;
  const bool imported = row < frequencies.size();
  const bool changed = changed_since_index(catalog, label->id);
  if (context.json) {
    context.terminal.print(json_line({{"key", label->key},
                                      {"name", label->name},
                                      {"text", label->text},
                                      {"id", row},
                                      {"training_documents", documents},
                                      {"imported", imported},
                                      {"changed_since_index", changed}}));
    return ExitCode::kOk;
  }
  Table table("<<");
  table.row({"key", label->key})
      .row({"name", label->name})
      .row({"text", label->text})
      .row({"row", thousands(row)})
      .row({"training documents", thousands(documents)})
      .row({"came with", imported ? "the corpus" : "dexter labels add"});
  if (changed) table.row({"index", "changed since the index was built; answered all the same"});
  context.terminal.print(table.text());
  return ExitCode::kOk;
}

Runner add_labels_show(CLI::App& app, Context& context) {
  const auto key = std::make_shared<std::string>();
  app.add_option("KEY", *key, "the label's key")->required()->group("Label");
  return [key, &context] { return run_show(context, *key); };
}

}  // namespace

constinit const Verb kLabelsShowVerb = {
    .name = "labels show",
    .summary = "show one label: name, text, training documents",
    .arguments = "--store DIR KEY",
    .about =
        "Shows what the store knows of one label, and whether it changed since the index was "
        "built.",
    .examples =
        "dexter labels show --store my-store otters\n"
        "dexter labels show --store my-store otters --json",
    .next = "dexter labels add --store my-store KEY --text TEXT   (replaces its text)",
    .interrupted = "nothing was changed",
    .add = &add_labels_show};

}  // namespace dexter
