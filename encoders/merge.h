#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "encoders/validation.h"
#include "storage/manifest.h"
#include "storage/progress.h"
#include "storage/section_file.h"
#include "storage/types.h"

namespace dexter {

// One encoder between several, tensor by tensor (FusionSent; Schmidt et al., Efficient Few-shot
// Learning for Multi-label Classification of Scientific Documents with Many Classes, 2024). Two of
// shares 1 - t and t give
//   lerp:  (1 - t) a + t b
//   slerp: (sin((1 - t) w) a + sin(t w) b) / sin w,  w the angle between a and b;
// of more, each is merged into the result of those before it, t its share of theirs and its own.

// Documents that a merge is judged on.
struct MergeSample {
  std::vector<std::string> documents;
  std::vector<std::vector<std::uint32_t>>
      positives;  // of each document, ascending rows of `labels`
  std::vector<Label> labels;
};

// Encoders of one kind and shape, read. One caller.
class EncoderMerge {
 public:
  virtual ~EncoderMerge() = default;
  virtual std::size_t count() const = 0;
  // Writes the encoder whose parameters have these shares of each encoder's, of which only the
  // proportions count; one of all shares is that encoder. Called once and last: memory is freed as
  // it writes. The file is committed when this returns; `corpus` is left 0 for the caller.
  // kInvalidInput where the weights are not as many as encoders, negative, or all 0.
  EncoderInfo save(std::span<const double> weights, const std::filesystem::path& root,
                   const std::string& name);
  // From now on `score` judges on this sample, which must stay.
  virtual void judge_on(const MergeSample& sample) = 0;
  // How the encoder that `save` would write ranks the sample's labels.
  virtual ValidationScore score(std::span<const double> weights) = 0;

 private:
  virtual EncoderInfo write(std::span<const double> weights, const std::filesystem::path& root,
                            const std::string& name) = 0;
};

// Transformers must be of one architecture, tokenizer and options, and best of one starting point.
// Bag encoders start at random, so that the others are first turned onto the first (rotation.h),
// block by block; they must have the vocabulary and labels of one corpus and no residual layers.
// `encoders` are two or more encoder files. kInvalidInput for another method or too few,
// kIncompatible names what differs.
std::unique_ptr<EncoderMerge> make_merge(std::span<const SectionFileReader> encoders,
                                         const std::string& method);

// The shares, with a sum of 1, for which the merged encoder ranks best (nDCG@5) what `merge` judges
// on: from equal ones, one share after the other is set to the best of 11 and then of finer values,
// the others keeping their proportions, until none gains. As Self-Positioning (Chung et al.,
// Improving General Text Embedding Model: Tackling Task Conflict and Data Imbalance through Model
// Merging, 2024) it looks for the place among the models where a little data is served best; so few
// numbers need no gradient. kInterrupted when progress.stop fires.
std::vector<double> learn_merge_weights(EncoderMerge& merge, const Progress& progress);

}  // namespace dexter
