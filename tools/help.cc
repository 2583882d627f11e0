// The pages of `--help`.
#include <algorithm>
#include <sstream>

#include <spdlog/fmt/fmt.h>

#include "tools/command_line.h"
#include "tools/figures.h"

namespace dexter {
namespace {

constexpr std::size_t kColumns = 96;

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  std::istringstream stream{std::string(text)};
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::string section(std::string_view title, std::string_view body) {
  std::string out = fmt::format("\n{}:\n", title);
  for (const std::string& line : lines_of(body)) out += "  " + line + '\n';
  return out;
}

std::string spelling(const CLI::Option& option) {
  std::string names;
  for (const char c :
       option.nonpositional() ? option.get_name(false, true) : option.get_name(true)) {
    names += c;
    if (c == ',') names += ' ';
  }
  const std::string type = option.nonpositional() ? option.get_type_name() : "";
  const bool takes_value = option.get_items_expected_max() > 0 && !type.empty();
  return takes_value ? names + ' ' + type : names;
}

std::string options_in(const CLI::App& app, const std::string& group) {
  std::vector<std::pair<std::string, std::string>> rows;
  std::size_t width = 0;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group() != group) continue;
    std::string description = option->get_description();
    if (option->get_required()) description += " (required)";
    if (!option->get_default_str().empty()) {  // behind the first line, before a list of values
      const std::string shown = fmt::format(" ({})", option->get_default_str());
      description.insert(std::min(description.find('\n'), description.size()), shown);
    }
    rows.emplace_back(spelling(*option), std::move(description));
    width = std::max(width, rows.back().first.size());
  }
  std::string out = fmt::format("\n{}:\n", group);
  for (const auto& [names, description] : rows)
    out += fmt::format("  {:<{}}  {}\n", names, width,
                       wrapped(description, kColumns - width - 4, width + 4));
  return out;
}

}  // namespace

std::string overview(std::span<const Verb* const> verbs) {
  std::string out =
      "dexter finds the labels that fit a text, among up to millions of them.\n\n"
      "  dexter VERB --store DIR [options]\n\n"
      "From a corpus to answers, in this order:\n";
  std::vector<std::pair<std::string, std::string>> rows;
  for (const Verb* verb : verbs) rows.emplace_back(verb->name, verb->summary);
  rows.emplace_back("help VERB", "the verb's page: what it does, its options, examples");
  std::size_t width = 0;
  for (const auto& row : rows) width = std::max(width, row.first.size());
  for (const auto& [name, summary] : rows)
    out += fmt::format("  {:<{}}  {}\n", name, width, summary);
  out += "\nExit codes:\n";
  for (const ExitCodeRow& row : kExitCodes)
    out += fmt::format("  {:>3}  {}\n", static_cast<int>(row.code), row.meaning);
  out +=
      "\nA first run:\n"
      "  dexter import --store my-store --train train.jsonl --test test.jsonl --labels "
      "labels.jsonl\n"
      "  dexter train  --store my-store\n"
      "  dexter index  --store my-store\n"
      "  dexter query  --store my-store \"a text to label\"\n"
      "  dexter eval   --store my-store\n";
  return out;
}

std::string help_of(const Verb& verb, const CLI::App& app) {
  std::string out = fmt::format("dexter {}: {}\n\n  dexter {} {}\n\n{}\n", verb.name, verb.summary,
                                verb.name, verb.arguments, wrapped(verb.about, kColumns, 0));
  std::vector<std::string> groups;
  for (const CLI::Option* option : app.get_options())
    if (std::find(groups.begin(), groups.end(), option->get_group()) == groups.end())
      groups.push_back(option->get_group());
  for (const char* last : {"Settings", "General"}) {
    const auto found = std::find(groups.begin(), groups.end(), last);
    if (found != groups.end()) std::rotate(found, found + 1, groups.end());
  }
  for (const std::string& group : groups) out += options_in(app, group);
  out += section("Examples", verb.examples);
  out += section("Next", verb.next);
  return out;
}

std::string help_of_group(std::span<const Verb* const> verbs, std::string_view group) {
  std::string out = fmt::format("dexter {}: one of\n\n", group);
  std::size_t width = 0;
  const auto belongs = [group](const Verb* verb) {
    return verb->name.starts_with(group) && verb->name.size() > group.size() &&
           verb->name[group.size()] == ' ';
  };
  for (const Verb* verb : verbs)
    if (belongs(verb)) width = std::max(width, verb->name.size());
  for (const Verb* verb : verbs)
    if (belongs(verb))
      out += fmt::format("  dexter {:<{}}  {}\n", verb->name, width, verb->summary);
  out += fmt::format("\n`dexter {} VERB --help` explains each.\n", group);
  return out;
}

}  // namespace dexter
