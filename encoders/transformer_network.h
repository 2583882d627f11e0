#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <span>
#include <vector>

#include "encoders/safetensors.h"
#include "encoders/transformer_checkpoint.h"

namespace dexter {

// Inner header: the transformer as LibTorch computes it, for encoding and training alike.

// Texts of ascending length one after the other, without padding: linear layers see one matrix of
// tokens, attention sees runs of texts of one length. So no work is done on padding and there are
// no masks.
struct PackedTexts {
  struct Run {
    std::int64_t texts, length;
  };
  at::Tensor ids, positions;  // [tokens], int64
  std::vector<Run> runs;
};
// `texts[order[i]]` for each i; lengths must ascend.
PackedTexts pack(std::span<const std::vector<std::int32_t>> texts,
                 std::span<const std::uint32_t> order, at::Device device);

class TransformerNetwork {
 public:
  // Parameters as parameters_of(shape, pooling) lists them, in `type` on `device`.
  TransformerNetwork(const TransformerShape& shape, Pooling pooling,
                     std::span<const FloatTensor> parameters, at::ScalarType type,
                     at::Device device);

  // Vectors [texts x shape.dim()], not normalised, in the order of `packed`. `dropout` is the
  // probability of the hidden states' and the attention's dropout, 0 for none.
  at::Tensor forward(const PackedTexts& packed, double dropout) const;

  const TransformerShape& shape() const { return shape_; }
  std::vector<at::Tensor>& parameters() { return parameters_; }
  const std::vector<at::Tensor>& parameters() const { return parameters_; }
  at::Device device() const { return parameters_.front().device(); }

 private:
  at::Tensor embed(const PackedTexts& packed) const;
  at::Tensor attend(const at::Tensor& states, const PackedTexts& packed, std::size_t first,
                    double dropout) const;
  at::Tensor layer(const at::Tensor& states, const PackedTexts& packed, std::size_t first,
                   double dropout) const;
  at::Tensor pool(const at::Tensor& states, const PackedTexts& packed) const;
  // Of the layers' mean states [texts x layers x hidden]. [texts x hidden]
  at::Tensor pool_layers(const at::Tensor& means) const;
  at::Tensor normalise(const at::Tensor& states, std::size_t first) const;
  // Parameters of the embeddings, and of them and all layers.
  std::size_t embeddings() const { return shape_.types > 0 ? 5 : 4; }
  std::size_t layers_end() const;

  TransformerShape shape_;
  Pooling pooling_;
  std::vector<at::Tensor> parameters_;
};

}  // namespace dexter
