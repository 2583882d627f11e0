#pragma once

#include <vector>

#include "storage/catalog.h"
#include "storage/types.h"

namespace dexter {

// What a store knows of its labels before any query: how often the corpus gives each. Immutable,
// safe from many threads.
class LabelPriors {
 public:
  explicit LabelPriors(const Catalog& catalog);
  // log(1 / propensity), with the constants of the data sets that have no others (metrics.h).
  double log_inverse_propensity(LabelId id) const;
  // ((N + 1) / 90)^-rarity for a label of N documents: votes for frequent labels are plenty, those
  // for rare ones tell more.
  double vote_weight(LabelId id, double rarity) const;

 private:
  std::vector<float> log_counts_;   // log((N + 1) / 90), by label id
  std::vector<float> log_inverse_;  // by label id
  float log_count_of_new_ = 0;      // of labels added since the import
  float log_inverse_of_new_ = 0;
};

}  // namespace dexter
