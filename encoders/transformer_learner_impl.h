#pragma once

#include <ATen/ATen.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "encoders/memory_shortage.h"
#include "encoders/streamed_loss.h"
#include "encoders/transformer_learner.h"
#include "encoders/transformer_network.h"

namespace dexter {

// Inner header: what the learner's sources share.
struct TransformerLearner::Impl {
  using Rows = std::vector<std::uint32_t>;

  // One side of the present step.
  struct Pass {
    Texts texts;
    Rows rows;
    std::vector<Rows> chunks;  // places in `rows`
    std::uint64_t seed = 0;
    at::Tensor kept;  // the vectors of an only chunk, with their graph
  };

  LearnerOptions options;
  std::vector<TransformerNetwork> networks;  // that of both sides, or each side's
  // Of all networks one after the other; names of the labels' own begin with "labels.".
  std::vector<std::string> names;
  std::vector<at::Tensor*> parameters;
  std::vector<at::Tensor> first, second;  // moments
  std::vector<at::Tensor> averages;       // of the parameters; empty for none
  double updates = 0;
  Pass passes[2];

  bool separate() const { return networks.size() > 1; }
  const TransformerNetwork& network(Side side) const {
    return networks[separate() ? side : kDocuments];
  }
  at::Device device() const { return networks[0].device(); }
  // Places of a side's parameters among all.
  std::pair<std::size_t, std::size_t> parameters_of(Side side) const;

  // Places in `rows` by ascending length, in chunks of at most so many tokens, or of one text.
  std::vector<Rows> chunks_of(Texts texts, std::span<const std::uint32_t> rows,
                              std::size_t most) const;
  // Tokens of the largest of these chunks.
  static std::size_t most_tokens(Texts texts, std::span<const std::uint32_t> rows,
                                 const std::vector<Rows>& chunks);
  // Unit vectors of a chunk, in its order. [chunk x dim]
  at::Tensor vectors(Side side, Texts texts, std::span<const std::uint32_t> rows, const Rows& chunk,
                     double dropout) const;

  // Tokens of the largest chunk of the present step, at most `options.chunk_tokens`.
  std::size_t largest_chunk() const;
  // What follows `tokens` a chunk, where some of `failed` did not fit. kIo at kLeastChunkTokens.
  static std::size_t halved(std::size_t tokens, std::size_t failed);
  // Leaves the present step as if it had not begun.
  void undo();
  // Runs a part of a step that exchanges nothing. Where memory ran out in one of several processes,
  // throws what of their chunks did not fit, in all of them.
  struct Shortage {
    std::size_t tokens;
  };
  template <class Part>
  void together(const Part& part) const {
    if (options.ranks == nullptr) return part();
    std::array<double, 1> failed{fits_memory(part) ? 0.0 : static_cast<double>(largest_chunk())};
    options.ranks->maximum(failed);
    if (failed[0] > 0) throw Shortage{static_cast<std::size_t>(failed[0])};
  }

  void begin(Side side, Texts texts, std::span<const std::uint32_t> rows, std::uint64_t seed);
  // The vectors of a chunk in the first pass: without a graph, but that of an only chunk is kept.
  at::Tensor first_vectors(Side side, std::size_t chunk);
  // In the second pass, with their graph.
  at::Tensor second_vectors(Side side, std::size_t chunk) const;

  void scatter(const at::Tensor& vectors, const Rows& chunk, float* out) const;
  at::Tensor gathered(const float* gradient, const Rows& chunk) const;

  // This process's part of `count` things.
  std::pair<std::size_t, std::size_t> part_of(std::size_t count) const;
  // Replaces a tensor by its reduction over all processes. The exchange goes through host memory.
  void reduce(at::Tensor& tensor, StreamedLoss::Reduction reduction) const;
  void sum_gradients();

  double gradient_norm();
  void exchange_averages();  // with the parameters; a second call undoes it
  // Parameters are their averages while it lives.
  class Averaged {
   public:
    explicit Averaged(Impl& impl) : impl_(impl) { impl_.exchange_averages(); }
    ~Averaged() { impl_.exchange_averages(); }
    Averaged(const Averaged&) = delete;
    Averaged& operator=(const Averaged&) = delete;

   private:
    Impl& impl_;
  };
  void take_averages();
  // An update with the gradients times `scale`, which are zero then.
  void adam(double rate, double scale);

 private:
  at::Tensor vectors(const Pass& pass, Side side, std::size_t chunk) const;
};

}  // namespace dexter
