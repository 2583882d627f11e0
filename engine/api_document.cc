// The OpenAPI document: the table of routes, and what api.json says of each.
#include "engine/api_document.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <initializer_list>
#include <optional>
#include <type_traits>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "engine/api_call.h"
#include "engine/web_files.h"

namespace dexter {
namespace {

namespace json = boost::json;

json::object described() {
  for (const WebFile& file : web_files())
    if (file.name == "api.json")
      return json::parse({file.bytes.data(), file.bytes.size()}).as_object();
  return {};
}

// The value of an option by its name, as the schemas write it: "$max_k".
struct OptionFinder {
  std::string_view wanted;
  std::optional<std::int64_t> found;

  template <class Value>
  void operator()(std::string_view name, const Value& value, std::string_view) {
    if constexpr (std::is_same_v<Value, int>)
      if (name == wanted) found = value;
  }
};

// Puts limits in the place of their names.
void fill(json::value& value, const DocumentFacts& facts) {
  if (value.is_object())
    for (auto& member : value.get_object()) fill(member.value(), facts);
  if (value.is_array())
    for (json::value& each : value.get_array()) fill(each, facts);
  if (!value.is_string() || !std::string_view(value.get_string()).starts_with('$')) return;
  OptionFinder finder{std::string_view(value.get_string()).substr(1), std::nullopt};
  ServeOptions options = facts.options;
  visit(finder, options);
  if (finder.wanted == "dim") finder.found = facts.dim;
  if (finder.found) value = *finder.found;
}

bool holds(const json::value* list, std::string_view name) {
  if (list == nullptr) return false;
  const json::array& names = list->as_array();
  return std::any_of(names.begin(), names.end(),
                     [&](const json::value& each) { return each == json::string_view(name); });
}

void allow_null(json::object& schema) {
  if (json::value* enumerated = schema.if_contains("enum"))
    enumerated->as_array().push_back(nullptr);
  json::value* type = schema.if_contains("type");
  if (type == nullptr) return;
  if (type->is_string()) *type = json::array{*type};
  type->as_array().push_back("null");
}

// As the reader of requests has it: null counts as absent, of some fields exactly one is given.
void complete_request(json::object& schema) {
  json::object& properties = schema["properties"].as_object();
  const json::object strict = properties;
  for (auto& member : properties) {
    json::object& property = member.value().as_object();
    if (property.contains("properties")) complete_request(property);
    if (!holds(schema.if_contains("required"), member.key())) allow_null(property);
  }
  const json::value* one_of = schema.if_contains("one_of");
  if (one_of == nullptr) return;
  json::array cases;
  for (const json::value& given : one_of->as_array()) {
    json::object kinds;
    for (const json::value& other : one_of->as_array())
      kinds[other.as_string()] =
          json::object{{"type", other == given ? strict.at(given.as_string()).at("type") : "null"}};
    cases.push_back({{"required", json::array{given}}, {"properties", std::move(kinds)}});
  }
  schema.erase("one_of");
  schema["oneOf"] = std::move(cases);
}

json::object reference(std::string_view kind, std::string_view name) {
  return {{"$ref", fmt::format("#/components/{}/{}", kind, name)}};
}

std::string problem_name(int status) { return fmt::format("Problem{}", status); }

json::object problem_response(int status) {
  json::object response = {
      {"description", json::string(status_text(status))},
      {"content", {{"application/problem+json", {{"schema", reference("schemas", "Problem")}}}}}};
  if (status == 429 || status == 503 || status == 507)
    response["headers"] = {
        {"Retry-After", {{"description", "seconds"}, {"schema", {{"type", "integer"}}}}}};
  return response;
}

// Statuses that a route answers whatever it does.
std::vector<int> refusals(Access access) {
  std::vector<int> statuses = {400, 408, 413, 431, 500, 503};
  if (access != Access::kOpen) statuses.push_back(401);
  if (access == Access::kChange) statuses.insert(statuses.end(), {403, 429, 507});
  return statuses;
}

json::object responses_of(const json::object& description, Access access) {
  json::object responses;
  for (const auto& [status, answer] : description.at("answers").as_object()) {
    const std::string_view name = answer.as_string();
    const bool is_type = name.find('/') != std::string_view::npos;
    json::object content =
        is_type ? json::object{{json::string_view(name), json::object()}}
                : json::object{{"application/json", {{"schema", reference("schemas", name)}}}};
    responses[status] = {{"description", json::string(status_text(std::stoi(std::string(status))))},
                         {"content", std::move(content)}};
  }
  std::vector<int> problems = refusals(access);
  if (responses.contains("202")) problems.insert(problems.end(), {409, 422});  // Idempotency-Key
  if (const json::value* more = description.if_contains("problems"))
    for (const json::value& status : more->as_array()) problems.push_back(status.to_number<int>());
  for (const int status : problems)
    responses[std::to_string(status)] = reference("responses", problem_name(status));
  return responses;
}

json::array parameters_of(const json::object& all, const json::object& description,
                          std::string_view path) {
  json::array parameters;
  if (const std::size_t brace = path.find('{'); brace != std::string_view::npos)
    parameters.push_back(
        all.at("parameters").at(path.substr(brace + 1, path.find('}') - brace - 1)));
  const auto append = [&](const json::value& more) {
    for (const json::value& parameter : more.as_array()) parameters.push_back(parameter);
  };
  if (const json::value* own = description.if_contains("parameters")) append(*own);
  if (description.at("answers").as_object().contains("202")) append(all.at("change_parameters"));
  return parameters;
}

std::optional<json::object> body_of(const json::object& description) {
  const bool is_form = description.contains("form");
  const json::value* schema = description.if_contains(is_form ? "form" : "request");
  if (schema == nullptr) return std::nullopt;
  json::object media = {{"schema", reference("schemas", std::string_view(schema->as_string()))}};
  if (const json::value* example = description.if_contains("example")) media["example"] = *example;
  const char* type = is_form ? "application/x-www-form-urlencoded" : "application/json";
  return json::object{{"required", !description.contains("body_may_be_absent")},
                      {"content", {{type, std::move(media)}}}};
}

std::string name_of(const RouteRow& row) {
  std::string name(row.method);
  for (const char c : row.path) name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

json::object operation_of(const json::object& all, const json::object& description,
                          const RouteRow& row, bool keys_wanted) {
  json::object operation = {{"operationId", name_of(row)},
                            {"tags", json::array{description.at("tag")}},
                            {"summary", description.at("summary")}};
  if (const json::value* more = description.if_contains("description"))
    operation["description"] = *more;
  if (json::array parameters = parameters_of(all, description, row.path); !parameters.empty())
    operation["parameters"] = std::move(parameters);
  if (auto body = body_of(description)) operation["requestBody"] = std::move(*body);
  operation["responses"] = responses_of(description, row.access);
  if (keys_wanted && row.access != Access::kOpen)
    operation["security"] = {{{"bearer", json::array()}}, {{"key", json::array()}}};
  return operation;
}

json::object components_of(json::object& all, const json::object& paths) {
  json::object schemas = all.at("schemas").as_object();
  for (auto& member : all["requests"].as_object()) {
    complete_request(member.value().as_object());
    schemas[member.key()] = member.value();
  }
  json::object responses;
  for (const auto& path : paths)
    for (const auto& operation : path.value().as_object())
      for (const auto& response : operation.value().at("responses").as_object())
        if (const int status = std::stoi(std::string(response.key())); status >= 400)
          responses[problem_name(status)] = problem_response(status);
  return {{"schemas", std::move(schemas)},
          {"responses", std::move(responses)},
          {"securitySchemes",
           {{"bearer", {{"type", "http"}, {"scheme", "bearer"}}},
            {"key", {{"type", "apiKey"}, {"in", "header"}, {"name", "X-API-Key"}}}}}};
}

}  // namespace

std::string api_document(std::span<const RouteRow> routes, const DocumentFacts& facts) {
  json::object all = described();
  json::object paths;
  for (const RouteRow& row : routes) {
    const auto* description =
        all.at("operations").as_object().if_contains(fmt::format("{} {}", row.method, row.path));
    if (description == nullptr) continue;
    if (!paths.contains(row.path)) paths[row.path] = json::object();
    std::string method(row.method);
    std::transform(method.begin(), method.end(), method.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    paths[row.path].as_object()[method] =
        operation_of(all, description->as_object(), row, facts.keys_wanted);
  }
  json::array tags;
  for (const auto& tag : all.at("tags").as_object())
    tags.push_back({{"name", tag.key()}, {"description", tag.value()}});
  json::object components = components_of(all, paths);
  json::value document = {
      {"openapi", "3.1.0"},
      {"info", {{"title", "dexter"}, {"version", facts.version}, {"description", all.at("intro")}}},
      {"tags", std::move(tags)},
      {"paths", std::move(paths)},
      {"components", std::move(components)}};
  fill(document, facts);
  return json::serialize(document);
}

}  // namespace dexter
