// Options outside their range.
#include "encoders/option_range.h"

#include <spdlog/fmt/fmt.h>

#include "storage/error.h"

namespace dexter {
namespace {

template <class T>
void ensure_between(std::string_view section, std::string_view key, T number, T least, T most) {
  ensure(number >= least && number <= most, ErrorKind::kInvalidInput,
         fmt::format("{}.{} is {}, but must lie in {} to {}", section, key, number, least, most));
}

}  // namespace

void ensure_in_range(std::string_view section, std::string_view key, double number, double least,
                     double most) {
  ensure_between(section, key, number, least, most);
}

void ensure_in_range(std::string_view section, std::string_view key, int number, int least,
                     int most) {
  ensure_between(section, key, number, least, most);
}

}  // namespace dexter
