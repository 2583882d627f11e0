// Config from and to JSON, assignments and presets, over the `visit` description of each options
// struct.
#include "engine/config.h"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <variant>

#include <spdlog/fmt/fmt.h>

#include "engine/nearest_name.h"
#include "storage/error.h"
#include "storage/file_io.h"

namespace dexter {
namespace {

namespace json = boost::json;

struct Field {
  std::string key;
  std::variant<std::string*, bool*, int*, std::int64_t*, std::uint64_t*, double*> target;
  std::string description;
};

// The visitor handed to each `visit`: gathers the fields of one section.
struct FieldCollector {
  std::string section;
  std::vector<Field>& fields;

  template <class T>
  void operator()(std::string_view name, T& target, std::string_view description) {
    fields.push_back({fmt::format("{}.{}", section, name), &target, std::string(description)});
  }
};

template <class Options>
void collect(std::vector<Field>& fields, const char* section, Options& options) {
  FieldCollector collector{section, fields};
  visit(collector, options);
}

// The fields of `config`, which must outlive them.
std::vector<Field> fields_of(Config& config) {
  std::vector<Field> fields;
  collect(fields, "encoder", config.encoder);
  collect(fields, "transformer", config.transformer);
  collect(fields, "loss", config.loss);
  collect(fields, "train", config.train);
  collect(fields, "teacher", config.teacher);
  collect(fields, "self_train", config.self_train);
  collect(fields, "demos", config.demos);
  collect(fields, "lm", config.lm);
  collect(fields, "index", config.index);
  collect(fields, "index", config.documents);
  collect(fields, "runtime", config.runtime);
  collect(fields, "serve", config.serve);
  return fields;
}

std::string text_of(const Field& field) {
  return std::visit([](const auto* target) { return fmt::format("{}", *target); }, field.target);
}

std::string json_of(const Field& field) {
  if (const auto* text = std::get_if<std::string*>(&field.target))
    return json::serialize(json::string(**text));
  return text_of(field);
}

template <class T>
const char* type_name() {
  if constexpr (std::is_same_v<T, std::string>) return "a string";
  if constexpr (std::is_same_v<T, bool>) return "true or false";
  if constexpr (std::is_same_v<T, double>) return "a number";
  return "a whole number";
}

[[noreturn]] void wrong_type(std::string_view source, const Field& field, std::string_view found,
                             const char* expected) {
  throw Error(ErrorKind::kInvalidInput,
              fmt::format("reading {}: {} is {}, but {} is expected; write for instance {}", source,
                          field.key, found, expected, json_of(field)));
}

const Field& find_field(const std::vector<Field>& fields, std::string_view key,
                        std::string_view source) {
  const auto found = std::find_if(fields.begin(), fields.end(),
                                  [&](const Field& field) { return field.key == key; });
  if (found != fields.end()) return *found;
  std::vector<std::string> keys;
  for (const Field& field : fields) keys.push_back(field.key);
  throw Error(ErrorKind::kInvalidInput,
              fmt::format("reading {}: there is no option '{}'; the nearest is '{}' "
                          "(`dexter config` lists all)",
                          source, key, nearest_name(key, keys)));
}

template <class T>
bool assign_text(std::string_view text, T& target) {
  if constexpr (std::is_same_v<T, std::string>) {
    target = text;
    return true;
  } else if constexpr (std::is_same_v<T, bool>) {
    target = text == "true";
    return target || text == "false";
  } else {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), target);
    if (error != std::errc() || end != text.data() + text.size()) return false;
    if constexpr (std::is_same_v<T, double>) return std::isfinite(target);
    return true;
  }
}

void set_text(const Field& field, std::string_view text, std::string_view source) {
  std::visit(
      [&](auto* target) {
        using T = std::remove_pointer_t<decltype(target)>;
        if (!assign_text(text, *target))
          wrong_type(source, field, fmt::format("'{}'", text), type_name<T>());
      },
      field.target);
}

template <class T>
bool assign_json(const json::value& found, T& target) {
  if constexpr (std::is_same_v<T, std::string>) {
    if (!found.is_string()) return false;
    target = std::string_view(found.get_string());
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!found.is_bool()) return false;
    target = found.get_bool();
  } else if constexpr (std::is_same_v<T, double>) {
    if (!found.is_number()) return false;
    target = found.to_number<double>();
  } else {
    json::error_code error;
    if (found.is_double() || !found.is_number()) return false;
    target = found.to_number<T>(error);
    return !error.failed();
  }
  return true;
}

void set_json(const Field& field, const json::value& found, std::string_view source) {
  std::visit(
      [&](auto* target) {
        using T = std::remove_pointer_t<decltype(target)>;
        if (assign_json(found, *target)) return;
        std::string kind = found.is_string() ? "the string " : "";
        if (found.is_object()) kind = "the object ";
        if (found.is_array()) kind = "the list ";
        wrong_type(source, field, kind + json::serialize(found), type_name<T>());
      },
      field.target);
}

// Lays `object` over the fields; `prefix` is "" or "index.".
void set_object(const std::vector<Field>& fields, const json::object& object,
                const std::string& prefix, std::string_view source) {
  for (const auto& [name, found] : object) {
    const std::string key = prefix + std::string(std::string_view(name));
    const std::string section = key + ".";
    const bool is_section = std::any_of(fields.begin(), fields.end(), [&](const Field& field) {
      return field.key.starts_with(section);
    });
    if (is_section && found.is_object())
      set_object(fields, found.get_object(), section, source);
    else
      set_json(find_field(fields, key, source), found, source);
  }
}

void apply_default(Config& config) { config = Config{}; }

// The values of the fast preset: a point less of precision in a quarter of the training time.
void apply_fast(Config& config) {
  config.encoder.dim = 256;
  config.train.epochs = 2;
  config.train.feature_dropout = 0;
}

}  // namespace

void RuntimeOptions::validate() const {
  ensure(threads >= 0 && threads <= 4096, ErrorKind::kInvalidInput,
         fmt::format("checking options: runtime.threads is {}, but 0 to 4096 is possible; 0 takes "
                     "every core",
                     threads));
  ensure(rank_timeout >= 0.1 && rank_timeout <= 1e6, ErrorKind::kInvalidInput,
         fmt::format("checking options: runtime.rank_timeout is {}, but 0.1 to 1000000 seconds are "
                     "possible",
                     rank_timeout));
}

void Config::validate() const {
  encoder.validate();
  transformer.validate();
  loss.validate();
  train.validate();
  teacher.validate();
  self_train.validate();
  demos.validate();
  lm.validate();
  index.validate();
  documents.validate();
  runtime.validate();
  serve.validate();
}

std::vector<ConfigField> describe(const Config& config) {
  Config values = config;
  Config defaults;
  const std::vector<Field> fields = fields_of(values);
  const std::vector<Field> default_fields = fields_of(defaults);
  std::vector<ConfigField> result;
  for (std::size_t i = 0; i < fields.size(); ++i)
    result.push_back(
        {fields[i].key, text_of(fields[i]), text_of(default_fields[i]), fields[i].description});
  return result;
}

std::string to_json(const Config& config) {
  Config values = config;
  std::string result = "{";
  std::string open_section;
  for (const Field& field : fields_of(values)) {
    const std::size_t dot = field.key.find('.');
    const std::string section = field.key.substr(0, dot);
    if (section != open_section) {
      result += fmt::format("{}\n  \"{}\": {{", open_section.empty() ? "" : "\n  },", section);
      open_section = section;
    } else {
      result += ",";
    }
    result += fmt::format("\n    \"{}\": {}", field.key.substr(dot + 1), json_of(field));
  }
  return result + "\n  }\n}\n";
}

void merge_json(Config& config, std::string_view text, std::string_view source) {
  json::error_code error;
  json::parse_options strictness;
  strictness.allow_comments = true;
  const json::value parsed =
      json::parse({text.data(), text.size()}, error, json::storage_ptr(), strictness);
  ensure(!error.failed(), ErrorKind::kInvalidInput,
         fmt::format("reading {}: it is not valid JSON ({}); write an object like "
                     "{{\"index\": {{\"kind\": \"flat\"}}}}",
                     source, error.message()));
  ensure(parsed.is_object(), ErrorKind::kInvalidInput,
         fmt::format("reading {}: found {}, but an object is expected; write for instance "
                     "{{\"index\": {{\"kind\": \"flat\"}}}}",
                     source, json::serialize(parsed)));
  Config merged = config;
  set_object(fields_of(merged), parsed.get_object(), "", source);
  config = merged;
}

void merge_file(Config& config, const std::filesystem::path& file) {
  merge_json(config, read_file(file), file.string());
}

void merge_assignment(Config& config, std::string_view assignment) {
  const std::size_t equals = assignment.find('=');
  ensure(equals != std::string_view::npos && equals > 0, ErrorKind::kInvalidInput,
         fmt::format("reading '{}': an assignment KEY=VALUE is expected; write for instance "
                     "index.kind=flat",
                     assignment));
  Config merged = config;
  const std::vector<Field> fields = fields_of(merged);
  const std::string source = fmt::format("'{}'", assignment);
  set_text(find_field(fields, assignment.substr(0, equals), source), assignment.substr(equals + 1),
           source);
  config = merged;
}

const std::vector<Preset>& presets() {
  static const std::vector<Preset> kPresets = {
      {"default", "the best accuracy for minutes of training", &apply_default},
      {"fast", "a point less of precision in a quarter of the time", &apply_fast},
  };
  return kPresets;
}

void apply_preset(Config& config, std::string_view name) {
  std::vector<std::string> names;
  for (const Preset& preset : presets()) {
    if (preset.name == name) return preset.apply(config);
    names.emplace_back(preset.name);
  }
  throw Error(ErrorKind::kInvalidInput,
              fmt::format("choosing a preset: there is no '{}'; the nearest is '{}', all are {}",
                          name, nearest_name(name, names), fmt::join(names, ", ")));
}

}  // namespace dexter
