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
// tokens. Attention sees groups of them, each padded to its longest.
struct PackedTexts {
  struct Group {
    std::int64_t texts, longest;
    // Of a group with padding: [texts x longest], a token's share in its text's mean, 0 of padding;
    // and [texts x 1 x 1 x longest], whether there is a token.
    at::Tensor shares, mask;
  };
  at::Tensor ids, positions;  // [tokens], int64
  std::vector<Group> groups;
  // Where a group has padding: [places] the token in each place of all groups (in padding the last
  // of its text), and [tokens] the place of each token.
  at::Tensor token_at, place_of;
};
enum class Grouping {
  kOneLength,  // a group of each length: no work on padding, and more of them
  kFewGroups,  // of lengths up to 16, 32, 64 and so on: a GPU is asked for fewer, larger products
};
Grouping grouping_for(at::Device device);
// `texts[order[i]]` for each i, none of them empty; lengths must ascend.
PackedTexts pack(std::span<const std::vector<std::int32_t>> texts,
                 std::span<const std::uint32_t> order, at::Device device, Grouping grouping);
inline PackedTexts pack(std::span<const std::vector<std::int32_t>> texts,
                        std::span<const std::uint32_t> order, at::Device device) {
  return pack(texts, order, device, grouping_for(device));
}

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
