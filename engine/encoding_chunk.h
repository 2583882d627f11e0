#pragma once

#include <cstddef>

namespace dexter {

// Texts that are encoded between two looks at whether to stop: a transformer takes seconds for
// them.
inline constexpr std::size_t kEncodedTogether = 256;

}  // namespace dexter
