// The BERT-family transformer (Devlin et al., 2019) on packed texts.
#include "encoders/transformer_network.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "encoders/transformer_device.h"

namespace dexter {
namespace {

constexpr std::size_t kPerLayer = 16;
// Parameters of a layer, by their place.
constexpr std::size_t kQuery = 0, kOutput = 6, kAttentionNorm = 8, kUp = 10, kDown = 12,
                      kLayerNorm = 14;

at::Tensor dropped(const at::Tensor& states, double dropout) {
  return dropout > 0 ? at::dropout(states, dropout, /*train=*/true) : states;
}

at::Tensor activate(const at::Tensor& states, Activation activation) {
  switch (activation) {
    case Activation::kRelu:
      return at::relu(states);
    case Activation::kGeluTanh:
      return at::gelu(states, "tanh");
    default:
      return at::gelu(states);
  }
}

// Lengths that share a group, by the longest.
std::int64_t group_of(std::int64_t length, Grouping grouping) {
  if (grouping == Grouping::kOneLength) return length;
  const auto most = static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(length)));
  return std::max<std::int64_t>(16, most);
}

// A kernel's grid takes no more.
constexpr std::size_t kTextsOfGroup = 32768;

// Rows of tokens, by place where there is padding.
at::Tensor in_groups(const at::Tensor& rows, const PackedTexts& packed) {
  return packed.token_at.defined() ? rows.index_select(0, packed.token_at) : rows;
}

}  // namespace

Grouping grouping_for(at::Device device) {
  return device.is_cuda() ? Grouping::kFewGroups : Grouping::kOneLength;
}

PackedTexts pack(std::span<const std::vector<std::int32_t>> texts,
                 std::span<const std::uint32_t> order, at::Device device, Grouping grouping) {
  const auto length_of = [&](std::size_t i) {
    return static_cast<std::int64_t>(texts[order[i]].size());
  };
  std::vector<std::int64_t> ids, positions, token_at, place_of;
  PackedTexts packed;
  for (std::size_t first = 0, last = 0; first < order.size(); first = last) {
    const std::int64_t most = group_of(length_of(first), grouping);
    while (last < order.size() && last - first < kTextsOfGroup &&
           group_of(length_of(last), grouping) == most)
      ++last;
    const bool pads = length_of(first) != length_of(last - 1);
    const auto count = static_cast<std::int64_t>(last - first);
    const std::int64_t longest = pads ? most : length_of(first);
    std::vector<float> shares;
    for (std::size_t i = first; i < last; ++i) {
      const std::int64_t length = length_of(i);
      const auto start = static_cast<std::int64_t>(ids.size());
      ids.insert(ids.end(), texts[order[i]].begin(), texts[order[i]].end());
      for (std::int64_t k = 0; k < length; ++k) positions.push_back(k);
      if (grouping == Grouping::kOneLength) continue;
      for (std::int64_t k = 0; k < longest; ++k) {
        if (k < length) place_of.push_back(static_cast<std::int64_t>(token_at.size()));
        token_at.push_back(start + std::min(k, length - 1));
        if (pads) shares.push_back(k < length ? 1 / static_cast<float>(length) : 0);
      }
    }
    packed.groups.push_back({count, longest, {}, {}});
    if (!pads) continue;
    PackedTexts::Group& group = packed.groups.back();
    group.shares = on<float>(device, shares).view({count, longest});
    group.mask = (group.shares > 0).view({count, 1, 1, longest});
  }
  packed.ids = on<std::int64_t>(device, ids);
  packed.positions = on<std::int64_t>(device, positions);
  if (token_at.size() <= ids.size()) return packed;  // no group pads
  packed.token_at = on<std::int64_t>(device, token_at);
  packed.place_of = on<std::int64_t>(device, place_of);
  return packed;
}

TransformerNetwork::TransformerNetwork(const TransformerShape& shape, Pooling pooling,
                                       std::span<const FloatTensor> parameters, at::ScalarType type,
                                       at::Device device)
    : shape_(shape), pooling_(pooling) {
  for (const FloatTensor& parameter : parameters)
    parameters_.push_back(
        at::from_blob(const_cast<float*>(parameter.values.data()), parameter.shape, at::kFloat)
            .to(device, type, /*non_blocking=*/false, /*copy=*/true));
}

at::Tensor TransformerNetwork::normalise(const at::Tensor& states, std::size_t first) const {
  return at::layer_norm(states, {shape_.hidden}, parameters_[first], parameters_[first + 1],
                        shape_.epsilon);
}

at::Tensor TransformerNetwork::embed(const PackedTexts& packed) const {
  at::Tensor states =
      at::embedding(parameters_[0], packed.ids) + at::embedding(parameters_[1], packed.positions);
  if (shape_.types > 0) states = states + parameters_[2][0];
  return normalise(states, embeddings() - 2);
}

at::Tensor TransformerNetwork::attend(const at::Tensor& states, const PackedTexts& packed,
                                      std::size_t first, double dropout) const {
  const auto* p = &parameters_[first + kQuery];
  const at::Tensor weight = at::cat({p[0], p[2], p[4]}), bias = at::cat({p[1], p[3], p[5]});
  const at::Tensor all = in_groups(at::linear(states, weight, bias), packed);
  const std::int64_t heads = shape_.heads, width = shape_.hidden / shape_.heads;
  std::vector<at::Tensor> out;
  std::int64_t at = 0;
  for (const PackedTexts::Group& group : packed.groups) {
    const std::int64_t places = group.texts * group.longest;
    const auto parts = all.narrow(0, at, places)
                           .view({group.texts, group.longest, 3, heads, width})
                           .permute({2, 0, 3, 1, 4})
                           .unbind(0);
    const std::optional<at::Tensor> mask =
        group.mask.defined() ? std::optional(group.mask) : std::nullopt;
    out.push_back(at::scaled_dot_product_attention(parts[0], parts[1], parts[2], mask, dropout)
                      .transpose(1, 2)
                      .reshape({places, shape_.hidden}));
    at += places;
  }
  at::Tensor attended = out.size() == 1 ? out[0] : at::cat(out);
  if (packed.place_of.defined()) attended = attended.index_select(0, packed.place_of);
  return at::linear(attended, parameters_[first + kOutput], parameters_[first + kOutput + 1]);
}

at::Tensor TransformerNetwork::layer(const at::Tensor& states, const PackedTexts& packed,
                                     std::size_t first, double dropout) const {
  const at::Tensor attended = normalise(
      states + dropped(attend(states, packed, first, dropout), dropout), first + kAttentionNorm);
  const auto* p = &parameters_[first];
  const at::Tensor inner = activate(at::linear(attended, p[kUp], p[kUp + 1]), shape_.activation);
  return normalise(attended + dropped(at::linear(inner, p[kDown], p[kDown + 1]), dropout),
                   first + kLayerNorm);
}

at::Tensor TransformerNetwork::pool(const at::Tensor& states, const PackedTexts& packed) const {
  const at::Tensor all = in_groups(states, packed);
  std::vector<at::Tensor> out;
  std::int64_t at = 0;
  for (const PackedTexts::Group& group : packed.groups) {
    const std::int64_t places = group.texts * group.longest;
    const at::Tensor rows =
        all.narrow(0, at, places).view({group.texts, group.longest, shape_.hidden});
    // Padding repeats the last token, so that last and max need no mask.
    if (pooling_ == Pooling::kMean || learns(pooling_))
      out.push_back(group.shares.defined() ? (rows * group.shares.unsqueeze(2)).sum(1)
                                           : rows.mean(1));
    if (pooling_ == Pooling::kCls) out.push_back(rows.select(1, 0));
    if (pooling_ == Pooling::kLast) out.push_back(rows.select(1, group.longest - 1));
    if (pooling_ == Pooling::kMax) out.push_back(rows.amax(1));
    at += places;
  }
  return at::cat(out);
}

at::Tensor TransformerNetwork::pool_layers(const at::Tensor& means) const {
  const std::size_t first = layers_end();
  if (pooling_ == Pooling::kLayers)
    return at::matmul(at::softmax(parameters_[first] * kLayerScoreScale, 0), means);
  const at::Tensor values = means + parameters_[first];
  const double scale = 1 / std::sqrt(static_cast<double>(shape_.hidden));
  const at::Tensor weights =
      at::softmax(at::matmul(parameters_[first + 1], values.transpose(1, 2)) * scale, 2);
  const at::Tensor found = at::matmul(weights, values).flatten(1);  // [texts x queries hidden]
  return means.select(1, means.size(1) - 1) +
         at::linear(found, parameters_[first + 2], parameters_[first + 3]);
}

std::size_t TransformerNetwork::layers_end() const {
  return embeddings() + static_cast<std::size_t>(shape_.layers) * kPerLayer;
}

at::Tensor TransformerNetwork::forward(const PackedTexts& packed, double dropout) const {
  at::Tensor states = dropped(embed(packed), dropout);
  std::vector<at::Tensor> means;
  for (std::size_t first = embeddings(); first < layers_end(); first += kPerLayer) {
    states = layer(states, packed, first, dropout);
    if (learns(pooling_)) means.push_back(pool(states, packed));
  }
  const at::Tensor pooled =
      learns(pooling_) ? pool_layers(at::stack(means, 1)) : pool(states, packed);
  if (shape_.projection == 0) return pooled;
  return at::linear(pooled, parameters_[parameters_.size() - 2], parameters_.back());
}

}  // namespace dexter
