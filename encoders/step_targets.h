#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "encoders/label_pool.h"
#include "encoders/loss.h"
#include "encoders/trainer_options.h"

namespace dexter {

// What the documents of one step are trained against.
struct StepTargets {
  std::vector<std::uint32_t> labels;  // of the pool; column j of the step's scores is labels[j]
  std::size_t own = 0;                // so many of them, the first, are as LabelPool::own()
  std::vector<std::vector<std::uint32_t>> columns;  // of each document's positives
  // By column, added to the scores of negatives and of positives; empty where nothing is.
  std::vector<float> offsets, adjustments;
};

// How many of the documents carry each label.
std::vector<std::uint32_t> label_frequency(std::span<const std::vector<std::uint32_t>> positives,
                                           std::size_t labels);

// Chooses them: the pool that the loss and train.negatives ask for, corrected for its sampling, and
// loss.logit_adjustment (Menon et al., Long-tail Learning via Logit Adjustment, ICLR 2021). One
// caller.
class TargetChooser {
 public:
  // `positives[d]` are the label rows of document d, `frequency[l]` the documents that are known to
  // carry label l.
  TargetChooser(const LossOptions& loss, LossNeeds needs, const TrainerOptions& training,
                std::span<const std::vector<std::uint32_t>> positives,
                std::span<const std::uint32_t> frequency);

  // Whether every label is in every pool.
  bool scores_all_labels() const;
  LabelPool& pool() { return pool_; }
  // `own_first`: a pool of all labels begins with those of the documents too.
  StepTargets choose(std::span<const std::uint32_t> documents, std::mt19937_64& random,
                     bool own_first = false);

 private:
  const LossNeeds needs_;
  const std::size_t labels_;
  const std::uint32_t negatives_;
  const std::span<const std::vector<std::uint32_t>> positives_;
  std::vector<float> adjustment_;  // by label; empty for none
  LabelPool pool_;
};

}  // namespace dexter
