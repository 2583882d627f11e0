// Configuration keys from the command line.
#include "tools/config_arguments.h"

namespace dexter {

namespace {

std::string preset_names() {
  std::string names = "a named set of values:";
  for (const Preset& preset : presets()) names += ' ' + std::string(preset.name);
  return names;
}

}  // namespace

void ConfigArguments::add_to(CLI::App& app, std::initializer_list<Flag> flags) {
  for (const Flag& flag : flags) flags_.push_back({flag, {}});
  for (Given& given : flags_) {
    const std::string description = given.flag.description + " [" + given.flag.key + "]";
    if (*given.flag.type == '\0')
      app.add_flag(std::string(given.flag.name) + "{true}", given.value, description)
          ->group("Settings");
    else
      app.add_option(given.flag.name, given.value, description)
          ->type_name(given.flag.type)
          ->group("Settings");
  }
  app.add_option("--preset", preset_, preset_names())->type_name("NAME")->group("Settings");
  app.add_option("--config", file_, "a JSON file of values, as `dexter config --write` makes one")
      ->type_name("FILE")
      ->group("Settings");
  app.add_option(
         "--set", assignments_,
         "one value, such as index.probes=32; may be repeated; `dexter config` lists the keys")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false)
      ->group("Settings");
}

Config ConfigArguments::resolve(std::string_view stored) const {
  Config config;
  if (!stored.empty()) merge_json(config, stored, "the store's configuration");
  if (!preset_.empty()) apply_preset(config, preset_);
  if (!file_.empty()) merge_file(config, file_);
  for (const std::string& assignment : assignments_) merge_assignment(config, assignment);
  for (const Given& given : flags_)
    if (!given.value.empty())
      merge_assignment(config, std::string(given.flag.key) + '=' + given.value);
  config.validate();
  return config;
}

}  // namespace dexter
