#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "encoders/safetensors.h"
#include "encoders/transformer_checkpoint.h"

namespace dexter::testing {

// What a transformer makes of texts of ascending length in one pass.
struct GroupedPass {
  std::size_t groups = 0;        // that attention saw
  std::size_t padding = 0;       // places without a token
  std::vector<float> vectors;    // [texts x dim]
  std::vector<float> gradients;  // of all parameters, for some sum of the vectors
};

// With a group for each length, as on processors, or with few that are padded, as on GPUs.
GroupedPass run_grouped(const TransformerShape& shape, Pooling pooling,
                        std::span<const FloatTensor> parameters,
                        std::span<const std::vector<std::int32_t>> texts, bool few_groups);

}  // namespace dexter::testing
