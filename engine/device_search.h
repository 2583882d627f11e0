#pragma once

#include <memory>
#include <string>

#include "engine/device_options.h"
#include "index/accelerated_index.h"

namespace dexter {

// Copies a flat index's vectors to a device of LibTorch's: auto, cpu (to try what a GPU does) or
// cuda; in half precision where `half`. Searches of the copy take turns. Errors as DeviceRows, and
// kInvalidInput where copy and searches would take more than `memory` (allowed_bytes).
Accelerate on_device(const std::string& device, bool half, double memory = 0.9);

// Lets `index` be searched where `options` say: a flat one through LibTorch, an ivf one through
// FAISS; in half precision where it keeps no float32. kInvalidInput where cuda is asked for and
// there is none, or the index is of another kind or does not fit; with auto the processors search
// it then, and a warning says why where a GPU was there.
void search_on(const DeviceOptions& options, VectorIndex& index);

// For opening a store again while its former copy still answers, so that both must fit: auto in the
// place of cuda, as a refusal would be the same each time.
DeviceOptions to_open_again(DeviceOptions options);

}  // namespace dexter
