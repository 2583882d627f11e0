#pragma once

#include <string>

#include "index/accelerated_index.h"

namespace dexter {

// Where an index is searched that a store was opened for: `device` is cpu, cuda, or auto, the GPU
// where there is one and the index is flat.
bool is_searched_on_device(const std::string& device, const std::string& index_kind);

// Copies an index's vectors to a device of LibTorch's: auto, cpu (to try what a GPU does) or cuda;
// in half precision where `half`. Searches of the copy take turns. Errors as DeviceRows.
Accelerate on_device(const std::string& device, bool half);

}  // namespace dexter
