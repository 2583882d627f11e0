// The BERT-family transformer (Devlin et al., 2019) on packed texts.
#include "encoders/transformer_network.h"

#include <cmath>

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

}  // namespace

PackedTexts pack(std::span<const std::vector<std::int32_t>> texts,
                 std::span<const std::uint32_t> order, at::Device device) {
  std::vector<std::int64_t> ids, positions;
  PackedTexts packed;
  for (const std::uint32_t text : order) {
    const auto length = static_cast<std::int64_t>(texts[text].size());
    if (packed.runs.empty() || packed.runs.back().length != length)
      packed.runs.push_back({0, length});
    ++packed.runs.back().texts;
    ids.insert(ids.end(), texts[text].begin(), texts[text].end());
    for (std::int64_t i = 0; i < length; ++i) positions.push_back(i);
  }
  packed.ids = at::tensor(ids, at::kLong).to(device);
  packed.positions = at::tensor(positions, at::kLong).to(device);
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
  const at::Tensor all = at::linear(states, weight, bias);
  const std::int64_t heads = shape_.heads, width = shape_.hidden / shape_.heads;
  std::vector<at::Tensor> out;
  std::int64_t at = 0;
  for (const auto& [texts, length] : packed.runs) {
    const auto parts = all.narrow(0, at, texts * length)
                           .view({texts, length, 3, heads, width})
                           .permute({2, 0, 3, 1, 4})
                           .unbind(0);
    out.push_back(at::scaled_dot_product_attention(parts[0], parts[1], parts[2], {}, dropout)
                      .transpose(1, 2)
                      .reshape({texts * length, shape_.hidden}));
    at += texts * length;
  }
  const at::Tensor attended = out.size() == 1 ? out[0] : at::cat(out);
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
  std::vector<at::Tensor> out;
  std::int64_t at = 0;
  for (const auto& [texts, length] : packed.runs) {
    const at::Tensor run =
        states.narrow(0, at, texts * length).view({texts, length, shape_.hidden});
    if (pooling_ == Pooling::kMean || learns(pooling_)) out.push_back(run.mean(1));
    if (pooling_ == Pooling::kCls) out.push_back(run.select(1, 0));
    if (pooling_ == Pooling::kLast) out.push_back(run.select(1, length - 1));
    if (pooling_ == Pooling::kMax) out.push_back(run.amax(1));
    at += texts * length;
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
