#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "encoders/trainer.h"

namespace dexter {

// What a loss asks of the step around it.
struct LossNeeds {
  // A sum of e^score over the negatives is in it, so that offsets by the probability of being in a
  // sampled pool make it that over all labels. Others see the pool as it is.
  bool sampling_offsets = false;
  // The pool is the batch's own labels alone, and these are scored against the documents as well.
  bool batch_alone = false;
  // Its sums over the labels may be taken chunk by chunk and in many processes (streamed_loss.h).
  bool by_chunks = false;
};

// A loss over the scores of one document against a pool of labels, with its gradient in closed form
// (no graph is kept, so memory is one row). Scores are s = cosine / temperature. A column that is
// neither positive nor negative does not occur: the caller leaves it out of the pool. Safe from
// many threads.
class LossFunction {
 public:
  virtual ~LossFunction() = default;
  virtual LossNeeds needs() const { return {}; }
  // Returns the loss of the row and overwrites `scores` with d loss / d score. `positives` are
  // distinct columns; a row without any contributes 0 and a zero gradient.
  virtual double backward(std::span<float> scores,
                          std::span<const std::uint32_t> positives) const = 0;
  virtual double backward(std::span<double> scores,
                          std::span<const std::uint32_t> positives) const = 0;
};

// kInvalidInput names the known losses.
std::unique_ptr<LossFunction> make_loss(const LossOptions& options);

std::string losses_by_chunks();  // names with commas between

}  // namespace dexter
