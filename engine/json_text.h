#pragma once

#include <string>
#include <string_view>

namespace dexter {

// JSON written straight into a string, for answers that are made thousands of times a second.

// Adds `text` as a JSON string. `text` is UTF-8.
void append_json(std::string& out, std::string_view text);
// Adds the shortest number that reads back to the same float32; null where it is not finite.
void append_json(std::string& out, float number);

}  // namespace dexter
