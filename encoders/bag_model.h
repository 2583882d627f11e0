#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "encoders/bag_features.h"
#include "encoders/residual_layer.h"
#include "encoders/trainer.h"

namespace dexter {

inline constexpr std::uint32_t kEncoderFileVersion = 1;

FeatureOptions feature_options(const EncoderOptions& options);

// Identifies a label whose text is still the one trained on.
std::uint64_t label_fingerprint(const Label& label);

// The bag encoder as it is trained, in float32:
//   document d:  x = unit( sum_f v_f E_f ),  h = x + relu(x W1) W2,            vector = unit(h)
//   label l:     the same sum over its text, layers of its own, free vector:   vector = unit(h +
//   free_l)
// unit() makes each of the vector's blocks a unit vector; a block is trained by a softmax of its
// own, so that the blocks err independently and the mean of their cosines, the score, is better
// than one wide cosine. free_l is zero for a label without training documents.
struct BagModel {
  EncoderOptions options;
  TextKind text_kind = TextKind::kNatural;
  FeatureVocabulary vocabulary;
  std::vector<float> table;  // [vocabulary x dim]
  ResidualLayer document_layer, label_layer;
  std::vector<std::uint64_t> label_fingerprints;  // [labels]
  std::vector<float> free_vectors;                // [labels x dim]

  // Vocabulary and initial values for a set, from `seed`.
  static BagModel initial(const EncoderOptions& options, const TrainingSet& set,
                          std::uint64_t seed);
  // Tables are stored in half precision. The file is committed when this returns.
  FileRef save(const std::filesystem::path& root, const std::string& name) const;
};

}  // namespace dexter
