#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "encoders/merge.h"
#include "storage/catalog.h"
#include "storage/progress.h"

namespace dexter {

struct MergeOptions {
  std::string method = "slerp";      // or lerp
  std::vector<double> weights = {};  // a share for each encoder; empty: the same, or what is learnt
  bool learn = false;                // on the validation part
};

// What an encoder reaches on the half of the validation part that no weight was learnt on.
struct MergeFigure {
  std::string name;  // "1", "2", .. for an encoder alone, "equal", "learnt"
  ValidationScore score;
};

struct MergeReport {
  EncoderInfo encoder;
  std::vector<double> weights;       // with a sum of 1
  std::vector<MergeFigure> figures;  // empty where nothing was learnt
  std::size_t learnt_on = 0;         // documents
};

// Commits as `Manifest::trained` an encoder between those of the stores `from` (encoders/merge.h),
// of which this store may be one, with the first one's configuration. Weights are learnt on every
// other document of this store's validation part, which is what every store has held out; the rest
// judges. kNotFound where a store lacks its corpus or encoder; kInvalidInput for weights beside
// `learn`, and for `learn` where a store held nothing out.
MergeReport merge(Catalog& catalog, std::span<const std::filesystem::path> from,
                  const MergeOptions& options, const Progress& progress);

}  // namespace dexter
