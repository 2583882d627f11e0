// Frequencies of labels as weights.
#include "engine/label_priors.h"

#include <cmath>

#include "engine/metrics.h"

namespace dexter {
namespace {

constexpr double kUsualCount = 90;  // exp of the mean of log(N + 1) over the labels of a document

}  // namespace

LabelPriors::LabelPriors(const Catalog& catalog) {
  std::vector<std::uint32_t> counts = catalog.label_frequencies();
  const auto& corpus = catalog.manifest().corpus;
  counts.push_back(0);  // stands for labels that came later
  const std::vector<double> inverse =
      inverse_propensities(counts, corpus ? corpus->train_documents : 0, {});
  for (std::size_t i = 0; i < counts.size(); ++i) {
    log_counts_.push_back(
        static_cast<float>(std::log((static_cast<double>(counts[i]) + 1) / kUsualCount)));
    log_inverse_.push_back(static_cast<float>(std::log(inverse[i])));
  }
  log_count_of_new_ = log_counts_.back();
  log_inverse_of_new_ = log_inverse_.back();
}

double LabelPriors::log_inverse_propensity(LabelId id) const {
  return value(id) < log_inverse_.size() ? log_inverse_[value(id)] : log_inverse_of_new_;
}

double LabelPriors::vote_weight(LabelId id, double rarity) const {
  if (rarity == 0) return 1;
  const float count = value(id) < log_counts_.size() ? log_counts_[value(id)] : log_count_of_new_;
  return std::exp(-rarity * static_cast<double>(count));
}

}  // namespace dexter
