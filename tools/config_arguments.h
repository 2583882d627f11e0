#pragma once

#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include "engine/config.h"

namespace dexter {

// The options that set configuration keys: --preset, --config, --set, and a verb's direct flags for
// the keys it is asked about most. Later ones win: stored < preset < file < --set < direct flags.
// Must outlive the parse.
class ConfigArguments {
 public:
  struct Flag {
    const char* name;  // "--epochs"
    const char* key;   // "train.epochs"
    const char* type;  // "N"; empty where the name alone means true
    std::string description;
  };

  ConfigArguments() = default;
  ConfigArguments(const ConfigArguments&) = delete;
  ConfigArguments& operator=(const ConfigArguments&) = delete;

  void add_to(CLI::App& app, std::initializer_list<Flag> flags);
  // `stored` is the JSON of a store's manifest, or empty for the defaults. The result is validated.
  Config resolve(std::string_view stored = {}) const;

 private:
  struct Given {
    Flag flag;
    std::string value;
  };

  std::string preset_;
  std::filesystem::path file_;
  std::vector<std::string> assignments_;
  std::vector<Given> flags_;  // not resized after add_to: the parser writes into it
};

}  // namespace dexter
