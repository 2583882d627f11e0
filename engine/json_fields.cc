// Request bodies, strictly.
#include "engine/json_fields.h"

#include <algorithm>
#include <cmath>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "engine/nearest_name.h"
#include "storage/error.h"

namespace dexter {
namespace {

namespace json = boost::json;

// What was sent, short enough for an answer.
std::string shown(const json::value& found) {
  constexpr std::size_t kMost = 60;
  if (found.is_array()) return fmt::format("a list of {}", found.get_array().size());
  if (found.is_object()) return "an object";
  if (found.is_string() && found.get_string().size() > kMost)
    return fmt::format("a string of {} bytes", found.get_string().size());
  return json::serialize(found);
}

[[noreturn]] void refuse(std::string_view name, const json::value& found,
                         std::string_view expected) {
  throw Error(ErrorKind::kInvalidInput,
              fmt::format("reading the request: '{}' is {}, but {}", name, shown(found), expected));
}

json::object parsed_object(std::string_view text) {
  json::error_code error;
  json::value parsed = json::parse({text.data(), text.size()}, error);
  ensure(!error.failed(), ErrorKind::kInvalidInput,
         fmt::format("reading the request: its body is not JSON ({}); send an object",
                     error.message()));
  ensure(parsed.is_object(), ErrorKind::kInvalidInput,
         "reading the request: its body is JSON but no object; send {...}");
  return std::move(parsed.get_object());
}

std::string text_of(std::string_view name, const json::value& found, std::size_t most_bytes) {
  if (!found.is_string()) refuse(name, found, "a string is expected");
  if (found.get_string().size() > most_bytes)
    refuse(name, found, fmt::format("at most {} bytes are taken", most_bytes));
  return {found.get_string().data(), found.get_string().size()};
}

}  // namespace

JsonFields::JsonFields(std::string_view text) : object_(parsed_object(text)) {}
JsonFields::JsonFields(json::object object) : object_(std::move(object)) {}

const json::value* JsonFields::find(std::string_view name) {
  asked_.emplace_back(name);
  const json::value* found = object_.if_contains(json::string_view(name.data(), name.size()));
  return found == nullptr || found->is_null() ? nullptr : found;
}

bool JsonFields::has(std::string_view name) const {
  const json::value* found = object_.if_contains(json::string_view(name.data(), name.size()));
  return found != nullptr && !found->is_null();
}

std::optional<std::string> JsonFields::text(std::string_view name, std::size_t most_bytes) {
  const json::value* found = find(name);
  if (found == nullptr) return std::nullopt;
  return text_of(name, *found, most_bytes);
}

std::optional<std::int64_t> JsonFields::whole(std::string_view name, std::int64_t least,
                                              std::int64_t most) {
  const json::value* found = find(name);
  if (found == nullptr) return std::nullopt;
  json::error_code error;
  const auto number =
      found->is_double() || !found->is_number() ? least - 1 : found->to_number<std::int64_t>(error);
  if (error.failed() || number < least || number > most)
    refuse(name, *found, fmt::format("a whole number of {} to {} is possible", least, most));
  return number;
}

std::optional<double> JsonFields::number(std::string_view name) {
  const json::value* found = find(name);
  if (found == nullptr) return std::nullopt;
  if (!found->is_number()) refuse(name, *found, "a number is expected");
  return found->to_number<double>();
}

bool JsonFields::flag(std::string_view name) {
  const json::value* found = find(name);
  if (found == nullptr) return false;
  if (!found->is_bool()) refuse(name, *found, "true or false is expected");
  return found->get_bool();
}

const json::array& JsonFields::list(std::string_view name, const json::value& found,
                                    std::size_t most) const {
  if (!found.is_array()) refuse(name, found, "a list is expected");
  const json::array& list = found.get_array();
  if (list.empty() || list.size() > most)
    refuse(name, found, fmt::format("a list of 1 to {} is possible", most));
  return list;
}

std::optional<std::vector<std::string>> JsonFields::texts(std::string_view name, std::size_t most,
                                                          std::size_t most_bytes) {
  const json::value* found = find(name);
  if (found == nullptr) return std::nullopt;
  std::vector<std::string> result;
  for (const json::value& text : list(name, *found, most))
    result.push_back(text_of(name, text, most_bytes));
  return result;
}

std::optional<std::vector<std::string>> JsonFields::text_or_texts(std::string_view name,
                                                                  std::size_t most,
                                                                  std::size_t most_bytes) {
  const json::value* found = find(name);
  if (found == nullptr) return std::nullopt;
  if (!found->is_string() && !found->is_array())
    refuse(name, *found, "a string or a list of strings is expected");
  if (found->is_array()) return texts(name, most, most_bytes);
  return std::vector<std::string>{text_of(name, *found, most_bytes)};
}

std::vector<std::string> JsonFields::one_or_many(std::size_t most, std::size_t most_bytes) {
  ensure(has("text") != has("texts"), ErrorKind::kInvalidInput,
         fmt::format("reading the request: {} of 'text' and 'texts' are given, but exactly one is "
                     "needed",
                     has("text") ? 2 : 0));
  auto one = text("text", most_bytes);
  auto many = texts("texts", most, most_bytes);
  return one ? std::vector<std::string>{std::move(*one)} : std::move(*many);
}

std::optional<EmbeddingMatrix> JsonFields::vectors(std::string_view name, std::size_t most,
                                                   int dim) {
  const json::value* found = find(name);
  if (found == nullptr) return std::nullopt;
  const json::array& rows = list(name, *found, most);
  EmbeddingMatrix result(rows.size(), dim);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!rows[i].is_array() || rows[i].get_array().size() != static_cast<std::size_t>(dim))
      refuse(name, rows[i], fmt::format("each vector must be a list of {} numbers", dim));
    std::size_t column = 0;
    for (const json::value& number : rows[i].get_array()) {
      const float narrow =
          number.is_number() ? static_cast<float>(number.to_number<double>()) : NAN;
      if (!std::isfinite(narrow)) refuse(name, number, "a vector holds finite numbers only");
      result.row(i)[column++] = narrow;
    }
  }
  return result;
}

std::optional<JsonFields> JsonFields::object(std::string_view name) {
  const json::value* found = find(name);
  if (found == nullptr) return std::nullopt;
  if (!found->is_object()) refuse(name, *found, "an object is expected");
  return JsonFields(found->get_object());
}

std::optional<std::vector<JsonFields>> JsonFields::objects(std::string_view name,
                                                           std::size_t most) {
  const json::value* found = find(name);
  if (found == nullptr) return std::nullopt;
  std::vector<JsonFields> result;
  for (const json::value& element : list(name, *found, most)) {
    if (!element.is_object()) refuse(name, element, "each element must be an object");
    result.emplace_back(element.get_object());
  }
  return result;
}

void JsonFields::end() const {
  for (const auto& member : object_) {
    const std::string name(std::string_view(member.key().data(), member.key().size()));
    if (std::find(asked_.begin(), asked_.end(), name) != asked_.end()) continue;
    throw Error(ErrorKind::kInvalidInput,
                fmt::format("reading the request: there is no field '{}'; the nearest is '{}'",
                            name, nearest_name(name, asked_)));
  }
}

}  // namespace dexter
