#pragma once

#include <filesystem>
#include <string>

#include "storage/manifest.h"
#include "storage/section_file.h"

namespace dexter {

struct MergeOptions {
  std::string method = "slerp";  // or lerp
  double weight = 0.5;           // of the second encoder: 0 is the first as it is, 1 the second
  void validate() const;         // kInvalidInput naming the option, its value and its range
};

// Writes an encoder whose parameters lie between those of two, tensor by tensor (FusionSent;
// Schmidt et al., Efficient Few-shot Learning for Multi-label Classification of Scientific
// Documents with Many Classes, 2024): with t = `weight`,
//   lerp:  (1 - t) a + t b
//   slerp: (sin((1 - t) w) a + sin(t w) b) / sin w,  w the angle between a and b.
// Transformers must be of one architecture and tokenizer, and best of one starting point. Bag
// encoders start at random, so that the second is first turned onto the first (rotation.h), block
// by block; they must have the vocabulary and labels of one corpus and no residual layers.
// `first` and `second` are encoder files; kIncompatible names what differs. `corpus` of the result
// is left 0 for the caller.
EncoderInfo merge_encoders(const SectionFileReader& first, const SectionFileReader& second,
                           const MergeOptions& options, const std::filesystem::path& root,
                           const std::string& name);

}  // namespace dexter
