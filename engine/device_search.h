#pragma once

#include <string>

#include "index/accelerated_index.h"

namespace dexter {

// Copies an index's vectors to a device of LibTorch's: auto, cpu (to try what a GPU does) or cuda;
// in half precision where `half`. Searches of the copy take turns. Errors as DeviceRows.
Accelerate on_device(const std::string& device, bool half);

}  // namespace dexter
