// dexter labels list: what can be an answer.
#include <algorithm>
#include <cctype>
#include <memory>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "storage/catalog.h"
#include "tools/figures.h"
#include "tools/json_output.h"
#include "tools/verb.h"

namespace dexter {
namespace {

struct ListArguments {
  std::string contains;
  std::uint64_t limit = 50;
};

bool contains_ignoring_case(std::string_view text, std::string_view wanted) {
  const auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
  const auto same = [&](char a, char b) { return lower(a) == lower(b); };
  return std::search(text.begin(), text.end(), wanted.begin(), wanted.end(), same) != text.end();
}

bool matches(const Label& label, const std::string& wanted) {
  return wanted.empty() || contains_ignoring_case(label.key, wanted) ||
         contains_ignoring_case(label.name, wanted) || contains_ignoring_case(label.text, wanted);
}

void print_json(Context& context, const std::vector<Label>& shown, std::uint64_t matching,
                std::uint64_t all) {
  boost::json::array labels;
  for (const Label& label : shown)
    labels.push_back({{"key", label.key}, {"name", label.name}, {"text", label.text}});
  context.terminal.print(
      json_line({{"labels", std::move(labels)}, {"matching", matching}, {"all", all}}));
}

void print_table(Context& context, const std::vector<Label>& shown, std::uint64_t matching,
                 std::uint64_t all) {
  Table table("<<<");
  table.row({"key", "name", "text"});
  for (const Label& label : shown)
    table.row({clipped(label.key, 40), clipped(label.name, 40),
               label.text == label.name ? "" : clipped(label.text, 60)});
  context.terminal.print(table.text());
  context.terminal.print(fmt::format("  {} shown of {} that match, {} in all{}\n",
                                     thousands(shown.size()), thousands(matching), thousands(all),
                                     shown.size() < matching ? "; --limit 0 shows every one" : ""));
}

ExitCode run_list(Context& context, const ListArguments& arguments) {
  const Catalog catalog = Catalog::open(context.store, OpenMode::kRead);
  std::vector<Label> shown;
  std::uint64_t matching = 0;
  catalog.scan_labels([&](Label&& label) {
    if (!matches(label, arguments.contains)) return;
    ++matching;
    if (arguments.limit == 0 || matching <= arguments.limit) shown.push_back(std::move(label));
  });
  const std::uint64_t all = catalog.label_count();
  context.json ? print_json(context, shown, matching, all)
               : print_table(context, shown, matching, all);
  return ExitCode::kOk;
}

Runner add_labels_list(CLI::App& app, Context& context) {
  const auto arguments = std::make_shared<ListArguments>();
  app.add_option(
         "--contains", arguments->contains,
         "only labels with this in their key, name or text; case does not matter for a to z")
      ->type_name("S")
      ->group("Choice");
  app.add_option("--limit", arguments->limit, "how many to show; 0 shows every one")
      ->type_name("N")
      ->default_str("50")
      ->group("Choice");
  return [arguments, &context] { return run_list(context, *arguments); };
}

}  // namespace

constinit const Verb kLabelsListVerb = {.name = "labels list",
                                        .summary = "list or search the labels",
                                        .arguments = "--store DIR [--contains S] [--limit N]",
                                        .about = "Lists labels in the order they came in.",
                                        .examples =
                                            "dexter labels list --store my-store --contains otter\n"
                                            "dexter labels list --store my-store --limit 0 --json",
                                        .next = "dexter labels show --store my-store KEY",
                                        .interrupted = "nothing was changed",
                                        .add = &add_labels_list};

}  // namespace dexter
