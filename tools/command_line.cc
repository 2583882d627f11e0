// From words to a verb with its options read.
#include "tools/command_line.h"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include "engine/nearest_name.h"

namespace dexter {
namespace {

// The index of the first word that is no option; options before the verb are the common ones.
std::size_t find_word(const std::vector<std::string>& words, std::size_t from) {
  while (from < words.size() && words[from].starts_with('-') && words[from] != "--")
    from += words[from] == "--store" ? 2 : 1;
  return from;
}

std::vector<std::string> words_at(std::span<const Verb* const> verbs, std::string_view group) {
  std::vector<std::string> names;
  for (const Verb* verb : verbs) {
    const std::size_t space = verb->name.find(' ');
    const std::string_view first = verb->name.substr(0, space);
    std::string name(group.empty() ? first
                     : first == group && space != std::string_view::npos
                         ? verb->name.substr(space + 1)
                         : std::string_view{});
    if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end())
      names.push_back(std::move(name));
  }
  return names;
}

const Verb* find_verb(std::span<const Verb* const> verbs, std::string_view name) {
  const auto found = std::find_if(verbs.begin(), verbs.end(),
                                  [&](const Verb* verb) { return verb->name == name; });
  return found == verbs.end() ? nullptr : *found;
}

[[noreturn]] void refuse_verb(std::span<const Verb* const> verbs, std::string_view group,
                              const std::string& word) {
  std::vector<std::string> names = words_at(verbs, group);
  if (group.empty()) names.push_back("help");
  const std::string near = nearest_name(word, names);
  const std::string prefix = group.empty() ? "" : std::string(group) + ' ';
  throw Error(ErrorKind::kInvalidInput,
              fmt::format("there is no verb `{0}{1}`; the nearest is `dexter {0}{2}`, and "
                          "`dexter {0}--help` lists them",
                          prefix, word, near));
}

bool erase_flag(std::vector<std::string>& words, std::initializer_list<std::string_view> names) {
  const auto found = std::find_if(words.begin(), words.end(), [&](const std::string& word) {
    return std::find(names.begin(), names.end(), word) != names.end();
  });
  if (found == words.end()) return false;
  words.erase(found);
  return true;
}

void add_common(const Verb& verb, CLI::App& app, Context& context, bool& quiet) {
  auto* store = app.add_option("--store", context.store, "the store's folder")
                    ->type_name("DIR")
                    ->group("General");
  if (verb.needs_store) store->required();
  if (verb.has_json)
    app.add_flag("--json", context.json, "machine-readable result on standard output")
        ->group("General");
  app.add_flag("-q,--quiet", quiet, "no progress and no remarks")->group("General");
  app.set_help_flag("-h,--help", "this page")->group("General");
}

// What CLI11 says, said as dexter says it.
std::string explain(const CLI::App& app, const CLI::ParseError& error) {
  for (const std::string& word : app.remaining()) {
    if (!word.starts_with('-')) continue;
    std::vector<std::string> names;
    for (const CLI::Option* option : app.get_options())
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    const std::string near = nearest_name(word.substr(0, word.find('=')), names);
    return fmt::format("there is no option {}; the nearest is {}", word, near);
  }
  if (!app.remaining().empty())
    return fmt::format("`{}` was not expected; quote a text of several words",
                       CLI::detail::join(app.remaining(), " "));
  return error.what();
}

}  // namespace

Choice choose(std::span<const Verb* const> verbs, std::vector<std::string> words) {
  Choice choice;
  const auto take = [&words](std::size_t at) {
    std::string word = words[at];
    words.erase(words.begin() + static_cast<std::ptrdiff_t>(at));
    return word;
  };
  std::size_t at = find_word(words, 0);
  if (at >= words.size()) {
    choice.version = erase_flag(words, {"--version", "-V"});
    choice.help = erase_flag(words, {"--help", "-h"}) || words.empty();
    if (!choice.help && !choice.version)
      throw Error(ErrorKind::kInvalidInput, "no verb was given; `dexter --help` lists them");
    return choice;
  }
  std::string word = take(at);
  if (word == "help") {
    choice.help = true;
    at = find_word(words, at);
    if (at >= words.size()) return choice;
    word = take(at);
  }
  choice.verb = find_verb(verbs, word);
  if (choice.verb == nullptr) {
    if (words_at(verbs, word).empty()) refuse_verb(verbs, "", word);
    at = find_word(words, at);
    if (at < words.size()) {
      const std::string second = take(at);
      choice.verb = find_verb(verbs, word + ' ' + second);
      if (choice.verb == nullptr) refuse_verb(verbs, word, second);
    } else {
      choice.group = word;
      choice.help = choice.help || erase_flag(words, {"--help", "-h"});
    }
  }
  choice.arguments = std::move(words);
  if (choice.help && choice.verb != nullptr) choice.arguments = {"--help"};
  return choice;
}

std::string quoted(std::span<const std::string> words) {
  static constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";
  std::string out;
  for (const std::string& word : words) {
    if (!out.empty()) out += ' ';
    if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) {
      out += word;
      continue;
    }
    out += '\'';
    for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    out += '\'';
  }
  return out;
}

std::optional<Runner> parse(const Verb& verb, CLI::App& app, Context& context, bool& quiet,
                            std::vector<std::string> arguments) {
  Runner runner = verb.add(app, context);
  add_common(verb, app, context, quiet);
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    throw Error(ErrorKind::kInvalidInput,
                fmt::format("{}; `dexter {} --help` explains", explain(app, error), verb.name));
  }
  return runner;
}

}  // namespace dexter
