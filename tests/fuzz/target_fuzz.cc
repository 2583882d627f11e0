// Targets of requests: path, parameters, percent escapes.
#include "engine/target.h"

#include "tests/fuzz/fuzz_target.h"

namespace dexter::fuzz {
namespace {

std::string encoded(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    result.append("%").append(1, kDigits[byte >> 4]).append(1, kDigits[byte & 15]);
  }
  return result;
}

}  // namespace

std::vector<std::string> seeds() {
  return {"/v1/labels/a%20b?limit=3",   "/?a=b&c=d&&e", "/%",  "/%4", "/%00", "/%zz?x=%C3%A9",
          "/v1/labels/%2f?q=a+b&q=%2b", "?=&=",         "/%+1"};
}

void run(std::string_view input) {
  const Target target = split_target(input);
  require(target.path.size() + target.parameters.size() <= input.size(),
          "the halves lie within the target");
  for (const bool plus_is_space : {false, true})
    succeeds([&] {
      const std::string decoded = decode_percent(target.path, plus_is_space);
      require(decoded.size() <= target.path.size(), "decoding makes no text longer");
      if (decoded.find('\0') == std::string::npos)
        require(decode_percent(encoded(decoded)) == decoded, "what is escaped reads back");
    });
  parse_parameters(target.parameters);
}

}  // namespace dexter::fuzz
