#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>

namespace dexter {

// Inner header: softmax losses on LibTorch's tensors, for training a transformer.

// Softmax or decoupled softmax (the formulas of softmax_losses.cc) of a step's documents against
// labels that come in chunks, each twice: first for the sums over all labels, then for the gradient
// in closed form. So neither scores nor vectors of all labels are ever held, and chunks may be
// spread over processes whose sums are added up. One caller.
class StreamedSoftmax {
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

  // `documents` [n x dim] are unit vectors; `positives` [n, float64] count the positives of each,
  // in all chunks of all processes. Products are taken in `type`.
  StreamedSoftmax(const at::Tensor& documents, const at::Tensor& positives, bool decoupled,
                  double temperature, at::ScalarType type);

  void add(const Chunk& chunk);
  // After all chunks: the mean loss over the documents.
  double finish(const Reduce& reduce);
  // After `finish`: the gradient of a chunk that was added, [m x dim].
  at::Tensor gradient(const Chunk& chunk);
  // Of the documents, by the chunks that `gradient` was asked for. [n x dim]
  at::Tensor& document_gradient() { return document_gradient_; }

 private:
  at::Tensor scores(const Chunk& chunk) const;           // with its positives' as `mask` says
  at::Tensor positive_scores(const Chunk& chunk) const;  // in float32, a pair each
  at::Tensor misses(const at::Tensor& rows, const at::Tensor& scores) const;  // a pair each

  const at::Tensor documents_, scaled_documents_, positives_;
  const bool decoupled_;
  const double inverse_temperature_;
  at::Tensor highest_, sums_;  // of the scores so far, [n]
  // Of the pairs so far. One tensor each: many small ones among a chunk's large ones would keep
  // the freed memory in pieces.
  at::Tensor pair_rows_, pair_scores_;
  std::int64_t pairs_ = 0;
  at::Tensor level_;    // log of the sum over all labels, [n]
  at::Tensor weights_;  // of e^{score - level} in the gradient, [n]
  at::Tensor document_gradient_;
};

}  // namespace dexter
