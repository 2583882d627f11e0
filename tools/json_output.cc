// What --json prints.
#include "tools/json_output.h"

#include <cmath>
#include <string_view>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

namespace dexter {
namespace {

void append(std::string& out, const boost::json::value& value) {
  if (const auto* object = value.if_object()) {
    std::string_view separator = "{";
    for (const auto& [key, member] : *object) {
      out.append(separator).append(boost::json::serialize(boost::json::string(key))).append(": ");
      append(out, member);
      separator = ", ";
    }
    out += object->empty() ? "{}" : "}";
  } else if (const auto* array = value.if_array()) {
    std::string_view separator = "[";
    for (const auto& element : *array) {
      out += separator;
      append(out, element);
      separator = ", ";
    }
    out += array->empty() ? "[]" : "]";
  } else if (const auto* number = value.if_double()) {
    out += std::isfinite(*number) ? fmt::format("{}", *number) : "null";
  } else {
    out += boost::json::serialize(value);
  }
}

}  // namespace

std::string json_line(const boost::json::value& value) {
  std::string out;
  append(out, value);
  return out + '\n';
}

double rounded(float score) { return std::round(static_cast<double>(score) * 1e6) / 1e6; }

}  // namespace dexter
