#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "encoders/loss_options.h"
#include "encoders/matrix_product.h"
#include "encoders/process_group.h"
#include "encoders/safetensors.h"
#include "encoders/transformer_checkpoint.h"

namespace dexter {

struct LearnerOptions {
  int dim = 0;  // leading dimensions of a vector
  // Fewer of them that shall work alone: a step's loss is the mean of theirs and of all's
  // (Kusupati et al., Matryoshka Representation Learning, NeurIPS 2022).
  std::vector<int> prefix_dims = {};
  std::string device = "cpu";                 // auto, cpu or cuda
  Precision precision = Precision::kFloat32;  // of the products; weights stay in float32
  double dropout = 0;
  double weight_decay = 0;  // of matrices; biases and normalisations have none
  // Of the moving average of the parameters that encodes and is saved; 0 takes them as they are.
  double average = 0;
  double clip = 0;                      // gradients are scaled down to this norm; 0 never does
  std::size_t chunk_tokens = 4096;      // encoded with their graph at once
  bool separate = false;                // each side learns a network of its own; both begin alike
  const ProcessGroup* ranks = nullptr;  // the processes that learn together; null for this alone
};

// What one step scores: `documents` are rows of `document_texts`, `labels` of `label_texts`, and
// `positives[i]` the places in `labels` of document i's own. Either of the last two may be empty:
// `offsets` [labels] are added to the scores of negatives, `adjustments` [labels] to those of
// positives.
struct LossBatch {
  std::span<const std::vector<std::int32_t>> document_texts, label_texts;
  std::span<const std::uint32_t> documents, labels;
  std::span<const std::vector<std::uint32_t>> positives;
  std::span<const float> offsets = {}, adjustments = {};
  LossOptions loss = {};   // one of losses_by_chunks()
  std::uint64_t seed = 0;  // of dropout
};

// A transformer that learns, by gradient cache (Gao et al., Scaling Deep Contrastive Learning Batch
// Size under Memory Limited Setup, RepL4NLP 2021): a step encodes each side in chunks without a
// graph, its caller turns all vectors into a loss and the gradient of each vector, and the chunks
// are encoded again, with the same dropout, to pass that gradient on. So memory depends on the
// chunk and not on how many texts a step has. A side of one chunk keeps its graph. Both sides share
// a network, or each has its own (two towers, as in Karpukhin et al., Dense Passage Retrieval for
// Open-Domain Question Answering, EMNLP 2020). One caller.
class TransformerLearner {
 public:
  using Texts = std::span<const std::vector<std::int32_t>>;
  enum Side : std::size_t { kDocuments, kLabels };
  static constexpr std::size_t kLeastChunkTokens = 256;

  // Parameters as parameters_of(shape) lists them. kInvalidInput where `options.device` is not
  // here.
  TransformerLearner(const TransformerShape& shape, Pooling pooling,
                     std::span<const FloatTensor> parameters, const LearnerOptions& options);
  ~TransformerLearner();

  // Unit vectors [rows x dim] of texts[rows[i]], none of them empty, without dropout, by the
  // average of the parameters where one is kept. In chunks of chunk_tokens(), or smaller ones for
  // this call where memory runs out; kIo where kLeastChunkTokens do not fit either.
  void encode(Side side, Texts texts, std::span<const std::uint32_t> rows, float* out) const;

  // The same with dropout that `seed` decides. `texts` must stay until `backward`. Processes that
  // learn together call both in the same order, each with its own rows.
  void forward(Side side, Texts texts, std::span<const std::uint32_t> rows, std::uint64_t seed,
               float* out);
  // Adds to the parameters' gradients, given those of the last `forward` of this side's vectors
  // [rows x dim].
  void backward(Side side, const float* gradient);
  // Adds to the parameters' gradients those of the loss, and returns its mean over the documents.
  // Labels are encoded, scored and left chunk by chunk, twice, so that memory does not
  // grow with them. Processes that learn together give the same batch, and each encodes its part of
  // the documents and of the labels; the sums over all labels are exact.
  double loss_step(const LossBatch& batch);
  // Runs `attempt`, the loss_step or the forwards and backwards of one step, and returns what it
  // does. Where memory runs out, on the device or here, what it added to the gradients (which were
  // zero) is undone, chunks are halved for good, and it is run again: to the gradient, bit for bit,
  // of a learner that began with the smaller chunks. Processes that learn together halve together.
  // kIo where chunks of kLeastChunkTokens do not fit either.
  double within_memory(const std::function<double()>& attempt);
  // LearnerOptions::chunk_tokens, or less since memory ran out in a step.
  std::size_t chunk_tokens() const;
  void set_chunk_tokens(std::size_t tokens);
  // AdamW (Loshchilov and Hutter, 2019) with the gradients since the last update, which are then
  // zero; of processes that learn together, with the sum of all gradients. Returns their norm
  // before clipping; where that is not finite, nothing is changed.
  double update(double rate);

  // Of a side's network; the average where one is kept.
  std::vector<FloatTensor> parameters(Side side = kDocuments) const;
  std::vector<FloatTensor> gradients(Side side = kDocuments) const;
  // Parameters, their average, moments and the number of updates, for checkpoints.
  std::vector<FloatTensor> state() const;
  // kCorrupt where they are not another state's of this shape.
  void restore(const SafetensorsReader& state);

 private:
  struct Impl;
  class LossStep;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dexter
