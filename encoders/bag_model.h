#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "encoders/bag_features.h"
#include "encoders/residual_layer.h"
#include "encoders/trainer.h"
#include "storage/section_file.h"

namespace dexter {

inline constexpr std::uint32_t kEncoderFileVersion = 1;

FeatureOptions feature_options(const EncoderOptions& options);

// Identifies a label whose text is still the one trained on.
std::uint64_t label_fingerprint(const Label& label);

// The bag encoder as it is trained, in float32:
//   document d:  x = unit( sum_f v_f E_f ),  h = x + relu(x W1) W2,            vector = unit(h)
//   label l:     the same sum over its text, layers of its own, free vector:   vector = unit(h +
//   free_l)
// free_l is the label's own vector, zero where no training document carries it, and that of its
// cluster where there are clusters (Dahiya et al., DEXA, KDD 2023). The vector is made of blocks,
// each such a model of its own over the same features and trained by itself: they err
// independently, so that the mean of their cosines, which is the score, is better than one wide
// cosine.
struct BagBlock {
  std::vector<float> table;  // [vocabulary x width]
  ResidualLayer document_layer, label_layer;
  std::vector<float> free_vectors;  // [labels x width], and in training [clusters x width] after it
};

struct BagModel {
  EncoderOptions options;  // `blocks` is their number, not 0
  TextKind text_kind = TextKind::kNatural;
  FeatureVocabulary vocabulary;
  std::vector<std::uint64_t> label_fingerprints;  // [labels]
  BagBatch free_rows;  // of free_vectors, that a label adds; saved as their sum
  std::vector<BagBlock> blocks;

  int width() const { return options.dim / options.blocks; }  // of a block

  // Vocabulary and initial values for a set, from `seed`.
  static BagModel initial(const EncoderOptions& options, const TrainingSet& set,
                          std::uint64_t seed);
  // Of a file that `save` wrote. kCorrupt where its parts do not fit together.
  static BagModel read(const SectionFileReader& file);
  // Tables are stored in half precision, the blocks of a row side by side. The file is committed
  // when this returns.
  FileRef save(const std::filesystem::path& root, const std::string& name) const;
  // One that was saved, its tables as exact as half precision kept them. Errors: as
  // SectionFileReader; kInvalidInput for an encoder of another kind.
  static BagModel load(const std::filesystem::path& root, const FileRef& ref);
};

}  // namespace dexter
