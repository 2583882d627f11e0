// dexter config: every configuration key, described.
#include "engine/config.h"

#include <algorithm>
#include <memory>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "engine/nearest_name.h"
#include "storage/catalog.h"
#include "storage/file_io.h"
#include "tools/config_arguments.h"
#include "tools/figures.h"
#include "tools/json_output.h"
#include "tools/verb.h"

namespace dexter {
namespace {

struct ConfigVerbArguments {
  std::string key;
  std::filesystem::path write;
  ConfigArguments config;
};

boost::json::object json_of(const ConfigField& field) {
  return {{"key", field.key},
          {"value", field.value},
          {"default", field.default_value},
          {"description", field.description}};
}

const ConfigField& find(const std::vector<ConfigField>& fields, const std::string& key) {
  const auto found = std::find_if(fields.begin(), fields.end(),
                                  [&](const ConfigField& field) { return field.key == key; });
  if (found != fields.end()) return *found;
  std::vector<std::string> keys;
  for (const ConfigField& field : fields) keys.push_back(field.key);
  throw Error(
      ErrorKind::kInvalidInput,
      fmt::format("there is no key '{}'; the nearest is '{}', and `dexter config` lists all", key,
                  nearest_name(key, keys)));
}

void print_table(Context& context, const std::vector<ConfigField>& fields) {
  Table table("<<<<");
  table.row({"key", "value", "default", "what it does"});
  for (const ConfigField& field : fields)
    table.row({field.key, field.value,
               field.value == field.default_value ? "" : field.default_value, field.description});
  std::string out = table.text() + "\nPresets (--preset):\n";
  Table rows("<<");
  for (const Preset& preset : presets())
    rows.row({std::string(preset.name), std::string(preset.summary)});
  context.terminal.print(out + rows.text());
}

ExitCode run_config(Context& context, const ConfigVerbArguments& arguments) {
  std::string stored;
  if (!context.store.empty())
    stored = Catalog::open(context.store, OpenMode::kRead).manifest().config;
  const Config config = arguments.config.resolve(stored);
  if (!arguments.write.empty()) {
    write_file_atomically(arguments.write, to_json(config) + '\n');
    context.terminal.remark(
        fmt::format("wrote {}; use it with --config", arguments.write.string()));
    return ExitCode::kOk;
  }
  const std::vector<ConfigField> fields = describe(config);
  if (!arguments.key.empty()) {
    const ConfigField& field = find(fields, arguments.key);
    context.terminal.print(context.json ? json_line(json_of(field)) : field.value + '\n');
    return ExitCode::kOk;
  }
  if (!context.json) {
    print_table(context, fields);
    return ExitCode::kOk;
  }
  boost::json::array list;
  for (const ConfigField& field : fields) list.push_back(json_of(field));
  context.terminal.print(json_line({{"keys", std::move(list)}}));
  return ExitCode::kOk;
}

Runner add_config(CLI::App& app, Context& context) {
  const auto arguments = std::make_shared<ConfigVerbArguments>();
  app.add_option("KEY", arguments->key, "print this key's value alone")->group("Choice");
  app.add_option("--write", arguments->write, "write the values to a file that --config reads")
      ->type_name("FILE")
      ->group("Choice");
  arguments->config.add_to(app, {});
  return [arguments, &context] { return run_config(context, *arguments); };
}

}  // namespace

constinit const Verb kConfigVerb = {
    .name = "config",
    .summary = "list every configuration key with its value and meaning",
    .arguments = "[KEY] [--store DIR] [--preset NAME] [--write FILE]",
    .about =
        "Shows the values that hold: the defaults, or those kept in a store with --store, "
        "with --preset, --config and --set laid over them. `dexter train` and `dexter index` "
        "take the same options.",
    .examples =
        "dexter config\n"
        "dexter config train.epochs --preset fast\n"
        "dexter config --preset fast --write fast.json",
    .next = "dexter train --store my-store --config FILE --set KEY=VALUE",
    .interrupted = "nothing was changed",
    .needs_store = false,
    .add = &add_config};

}  // namespace dexter
