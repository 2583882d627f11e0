#pragma once

#include <cstddef>
#include <functional>

namespace dexter {

// Calls `work(i)` once for each i < count, side by side in OpenMP's threads where there are two or
// more. Once all have ended, an exception that left one is thrown again, the first where several
// did.
void in_threads(std::size_t count, const std::function<void(std::size_t)>& work);

}  // namespace dexter
