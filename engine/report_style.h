#pragma once

#include <string_view>

namespace dexter {

// The style sheet of a report page: layout, chart colours, light, dark and print.
std::string_view report_style();

}  // namespace dexter
