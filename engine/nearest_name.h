#pragma once

#include <span>
#include <string>
#include <string_view>

namespace dexter {

// The one of `names` with the smallest edit distance to `wanted`, the first of equals; a name
// without a dot is also compared with the part behind the last dot of each. Empty where `names` is.
std::string nearest_name(std::string_view wanted, std::span<const std::string> names);

}  // namespace dexter
