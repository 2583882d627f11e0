// Paths and parameters of request targets.
#include "engine/target.h"

#include <charconv>

#include <spdlog/fmt/fmt.h>

#include "storage/error.h"

namespace dexter {

Target split_target(std::string_view target) {
  const std::size_t mark = target.find('?');
  if (mark == std::string_view::npos) return {target, {}};
  return {target.substr(0, mark), target.substr(mark + 1)};
}

std::string decode_percent(std::string_view text, bool plus_is_space) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += plus_is_space && text[i] == '+' ? ' ' : text[i];
      continue;
    }
    const std::string_view digits = text.substr(i + 1, 2);
    unsigned byte = 0;
    const auto [end, error] = std::from_chars(digits.begin(), digits.end(), byte, 16);
    if (digits.size() != 2 || error != std::errc() || end != digits.end() || byte == 0)
      throw Error(ErrorKind::kInvalidInput,
                  fmt::format("reading the target: '%{}' is no escape; write two hexadecimal "
                              "digits other than 00",
                              digits));
    result += static_cast<char>(byte);
    i += 2;
  }
  return result;
}

Parameters parse_parameters(std::string_view text) {
  Parameters result;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('&'), text.size());
    const std::string_view pair = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    result.emplace_back(decode_percent(pair.substr(0, equals), true),
                        decode_percent(pair.substr(std::min(equals + 1, pair.size())), true));
  }
  return result;
}

std::optional<std::string_view> find_parameter(const Parameters& parameters,
                                               std::string_view name) {
  for (const auto& [found, value] : parameters)
    if (found == name) return value;
  return std::nullopt;
}

}  // namespace dexter
