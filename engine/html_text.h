#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace dexter {

// Text for HTML, inside elements and quoted attributes: & < > " ' are escaped, control characters
// become spaces.
std::string escaped(std::string_view text);
// At most `characters` code points of UTF-8, with an ellipsis where something was left out.
std::string shortened(std::string_view text, std::size_t characters);
// 590764 -> "590,764".
std::string grouped(std::uint64_t number);
// 31.4 -> "31.4 s", 301 -> "5 min 1 s", 7300 -> "2 h 1 min".
std::string duration_text(double seconds);
// 8400000 -> "8.0 MiB".
std::string size_text(std::uint64_t bytes);

}  // namespace dexter
