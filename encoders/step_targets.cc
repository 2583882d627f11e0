// Choice of what a step's documents are trained against.
#include "encoders/step_targets.h"

#include <cmath>

namespace dexter {

std::vector<std::uint32_t> label_frequency(std::span<const std::vector<std::uint32_t>> positives,
                                           std::size_t labels) {
  std::vector<std::uint32_t> frequency(labels);
  for (const auto& own : positives)
    for (const std::uint32_t label : own) ++frequency[label];
  return frequency;
}

TargetChooser::TargetChooser(const LossOptions& loss, LossNeeds needs,
                             const TrainerOptions& training,
                             std::span<const std::vector<std::uint32_t>> positives,
                             std::span<const std::uint32_t> frequency)
    : needs_(needs),
      labels_(frequency.size()),
      negatives_(static_cast<std::uint32_t>(training.negatives)),
      positives_(positives),
      pool_(static_cast<std::uint32_t>(labels_), positives) {
  if (loss.logit_adjustment <= 0) return;
  const auto weight = static_cast<float>(loss.logit_adjustment);
  for (const std::uint32_t documents : frequency)
    adjustment_.push_back(weight * std::log1p(static_cast<float>(documents)));
}

bool TargetChooser::scores_all_labels() const { return negatives_ == 0 || negatives_ >= labels_; }

StepTargets TargetChooser::choose(std::span<const std::uint32_t> documents, std::mt19937_64& random,
                                  bool own_first) {
  if (needs_.batch_alone)
    pool_.fill_with_own(documents);
  else if (scores_all_labels())
    pool_.fill_with_all(own_first ? documents : std::span<const std::uint32_t>());
  else
    pool_.fill(documents, negatives_, random);
  StepTargets targets;
  targets.labels.assign(pool_.labels().begin(), pool_.labels().end());
  targets.own = pool_.own();
  if (needs_.sampling_offsets)
    targets.offsets.assign(pool_.offsets().begin(), pool_.offsets().end());
  if (!adjustment_.empty()) {
    targets.offsets.resize(targets.labels.size());
    for (std::size_t j = 0; const std::uint32_t label : targets.labels) {
      targets.adjustments.push_back(adjustment_[label]);
      targets.offsets[j++] += adjustment_[label];
    }
  }
  for (const std::uint32_t document : documents) {
    std::vector<std::uint32_t>& columns = targets.columns.emplace_back();
    for (const std::uint32_t label : positives_[document]) columns.push_back(pool_.column(label));
  }
  return targets;
}

}  // namespace dexter
