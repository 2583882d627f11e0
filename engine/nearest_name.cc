// Edit distance, for messages about unknown names.
#include "engine/nearest_name.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

namespace dexter {
namespace {

// Levenshtein's distance, one row of the table at a time.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, replaced});
    }
  }
  return row.back();
}

}  // namespace

std::string nearest_name(std::string_view wanted, std::span<const std::string> names) {
  const bool dotted = wanted.find('.') != std::string_view::npos;
  std::string best;
  std::size_t best_distance = std::numeric_limits<std::size_t>::max();
  for (const std::string& name : names) {
    std::size_t distance = edit_distance(wanted, name);
    if (const std::size_t dot = name.rfind('.'); !dotted && dot != std::string::npos)
      distance = std::min(distance, edit_distance(wanted, std::string_view(name).substr(dot + 1)));
    if (distance >= best_distance) continue;
    best_distance = distance;
    best = name;
  }
  return best;
}

}  // namespace dexter
