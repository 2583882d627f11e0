#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <memory>

#include "encoders/loss_options.h"

namespace dexter {

// Inner header: losses on LibTorch's tensors, for training a transformer.

// A loss of a step's documents against labels that come in chunks, each twice: first for what the
// loss sums over all labels, then for the gradient in closed form. So neither scores nor vectors of
// all labels are ever held, and chunks may be spread over processes whose sums are added up. One
// caller.
class StreamedLoss {
 public:
  // A chunk of labels, [m x dim] unit vectors. Pair i says that column `columns[i]` is a positive
  // of document `rows[i]` (int64). Either of the last two may be undefined: `offsets` [m] are added
  // to the scores of negatives, `adjustments` [m] to those of positives.
  struct Chunk {
    at::Tensor vectors, rows, columns, offsets, adjustments;
  };
  // Replaces a tensor by its sum, or its maximum, over all processes.
  enum class Reduction { kSum, kMaximum };
  using Reduce = std::function<void(at::Tensor&, Reduction)>;

  // What a step's chunks have in common, over all processes.
  struct Step {
    at::Tensor documents;  // [n x dim] unit vectors
    at::Tensor positives;  // how many each document has, [n, float64]
    std::int64_t labels = 0;
    double lowest_offset = 0, highest_offset = 0;  // of offsets and adjustments
    at::ScalarType type = at::ScalarType::Float;   // of the products
  };

  StreamedLoss(const Step& step, double temperature);
  virtual ~StreamedLoss() = default;

  virtual void add(const Chunk& chunk) = 0;
  // After all chunks: the mean loss over the documents.
  virtual double finish(const Reduce& reduce) = 0;
  // After `finish`, in the order in which they were added: the gradient of a chunk, [m x dim].
  at::Tensor gradient(const Chunk& chunk);
  // Of the documents, by the chunks that `gradient` was asked for. [n x dim]
  at::Tensor& document_gradient() { return document_gradient_; }

 protected:
  // d loss / d score of a chunk, [n x m] float32.
  virtual at::Tensor slopes(const Chunk& chunk) = 0;

  // Of all columns, the positives' as `own` says (one number, or one a pair).
  at::Tensor scores(const Chunk& chunk, const at::Tensor& own) const;
  // The few positive scores in full precision: their loss is a difference of near-equal numbers.
  at::Tensor positive_scores(const Chunk& chunk) const;  // a pair each, float32
  void keep_pairs(const Chunk& chunk);
  at::Tensor pair_rows() const { return pair_rows_.narrow(0, 0, pairs_); }
  at::Tensor pair_scores() const { return pair_scores_.narrow(0, 0, pairs_); }  // float64

  const at::Tensor documents_, scaled_documents_, positives_;
  const double inverse_temperature_;

 private:
  // Of the pairs so far. One tensor each: many small ones among a chunk's large ones would keep
  // the freed memory in pieces.
  at::Tensor pair_rows_, pair_scores_;
  std::int64_t pairs_ = 0;
  at::Tensor document_gradient_;
};

// For a loss whose needs say `by_chunks`.
std::unique_ptr<StreamedLoss> make_streamed_loss(const LossOptions& options,
                                                 const StreamedLoss::Step& step);

}  // namespace dexter
