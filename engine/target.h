#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dexter {

// The two halves of a request's target, "/v1/labels?limit=3"; views into it.
struct Target {
  std::string_view path;
  std::string_view parameters;
};

Target split_target(std::string_view target);
// Percent escapes as bytes. kInvalidInput for a broken escape or a NUL. `plus_is_space` as in
// forms.
std::string decode_percent(std::string_view text, bool plus_is_space = false);
// "a=b&c=d" as pairs, decoded.
using Parameters = std::vector<std::pair<std::string, std::string>>;
Parameters parse_parameters(std::string_view text);
// The first value of a name.
std::optional<std::string_view> find_parameter(const Parameters& parameters, std::string_view name);

}  // namespace dexter
