#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tools/verb.h"

namespace dexter {

// `dexter --help`: every verb with its line, the exit codes.
std::string overview(std::span<const Verb* const> verbs);
// `dexter VERB --help`: what it does, its options by group, examples, what comes next.
std::string help_of(const Verb& verb, const CLI::App& app);
// `dexter labels --help`: the verbs of one group.
std::string help_of_group(std::span<const Verb* const> verbs, std::string_view group);

// What a command line asks for, before any option is looked at.
struct Choice {
  const Verb* verb = nullptr;          // nullptr: only help or the version is asked for
  std::string group;                   // "labels" when no verb of the group was named
  std::vector<std::string> arguments;  // without the verb's words
  bool help = false;
  bool version = false;
};

// Finds the verb's words, wherever --store stands. kInvalidInput for an unknown verb names the
// nearest.
Choice choose(std::span<const Verb* const> verbs, std::vector<std::string> words);

// The words of a command line as a shell would read them back.
std::string quoted(std::span<const std::string> words);

// Describes the verb's options and those every verb has, and reads `arguments` into them. Nothing
// is returned when help was asked for. kInvalidInput for what does not parse names the nearest
// option.
std::optional<Runner> parse(const Verb& verb, CLI::App& app, Context& context, bool& quiet,
                            std::vector<std::string> arguments);

}  // namespace dexter
