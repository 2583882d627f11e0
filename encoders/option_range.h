#pragma once

#include <string_view>

namespace dexter {

// kInvalidInput naming option `section`.`key`, its value and its range, where that is left.
void ensure_in_range(std::string_view section, std::string_view key, double number, double least,
                     double most);
void ensure_in_range(std::string_view section, std::string_view key, int number, int least,
                     int most);

}  // namespace dexter
