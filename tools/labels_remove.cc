// dexter labels remove: labels that are no longer answers.
#include <memory>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "storage/catalog.h"
#include "tools/figures.h"
#include "tools/json_output.h"
#include "tools/verb.h"

namespace dexter {
namespace {

ExitCode run_remove(Context& context, const std::vector<std::string>& keys) {
  Catalog catalog = Catalog::open(context.store, OpenMode::kWrite);
  for (const std::string& key : keys)
    ensure(catalog.find_label(key).has_value(), ErrorKind::kNotFound,
           fmt::format(
               "no label has the key '{}', and nothing was removed; `dexter labels list --store {} "
               "--contains {}` searches",
               key, context.store.string(), key));
  std::uint64_t removed = 0;
  for (const std::string& key : keys) removed += catalog.remove_label(key) ? 1 : 0;
  const std::uint64_t left = catalog.label_count();
  context.terminal.print(context.json ? json_line({{"removed", removed}, {"labels", left}})
                                      : fmt::format("removed {}; the store has {} labels\n",
                                                    thousands(removed), thousands(left)));
  return ExitCode::kOk;
}

Runner add_labels_remove(CLI::App& app, Context& context) {
  const auto keys = std::make_shared<std::vector<std::string>>();
  app.add_option("KEY", *keys, "keys of the labels to remove")->required()->group("Labels");
  return [keys, &context] { return run_remove(context, *keys); };
}

}  // namespace

constinit const Verb kLabelsRemoveVerb = {
    .name = "labels remove",
    .summary = "take labels out of the answers",
    .arguments = "--store DIR KEY...",
    .about =
        "Removed labels are no answers from the next query on. All keys are looked up first: "
        "when one is not there, none is removed.",
    .examples =
        "dexter labels remove --store my-store otters\n"
        "dexter labels remove --store my-store otters weasels",
    .next = "dexter index --store my-store   (rebuilds the index without them)",
    .interrupted = "labels removed so far stay removed; `dexter labels list` shows what is left",
    .add = &add_labels_remove};

}  // namespace dexter
