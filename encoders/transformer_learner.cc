// Training a transformer through LibTorch's autograd.
#include "encoders/transformer_learner.h"

#include <ATen/autocast_mode.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "encoders/transformer_device.h"
#include "encoders/transformer_network.h"
#include "storage/error.h"

namespace dexter {
namespace {

using Rows = std::vector<std::uint32_t>;

// Products in bfloat16 while it lives.
class Autocast {
 public:
  Autocast(at::DeviceType device, bool enabled)
      : device_(device), before_(at::autocast::is_autocast_enabled(device)) {
    at::autocast::set_autocast_enabled(device, enabled);
    at::autocast::set_autocast_dtype(device, at::kBFloat16);
    at::autocast::increment_nesting();
  }
  ~Autocast() {
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_, before_);
  }
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  at::DeviceType device_;
  bool before_;
};

FloatTensor copied(const std::string& name, const at::Tensor& tensor) {
  const at::Tensor values = tensor.detach().to(at::kCPU, at::kFloat).contiguous();
  const float* first = values.const_data_ptr<float>();
  return {name, values.sizes().vec(), {first, first + values.numel()}};
}

// Dropout of a chunk: other chunks and sides draw other numbers.
std::uint64_t chunk_seed(std::uint64_t seed, std::size_t side, std::size_t chunk) {
  return (seed * 0x9E3779B97F4A7C15u + side) * 0x9E3779B97F4A7C15u + chunk;
}

}  // namespace

struct TransformerLearner::Impl {
  // One side of the present step.
  struct Pass {
    Texts texts;
    Rows rows;
    std::vector<Rows> chunks;  // places in `rows`
    std::uint64_t seed = 0;
    at::Tensor kept;  // the vectors of an only chunk, with their graph
  };

  LearnerOptions options;
  TransformerNetwork network;
  std::vector<std::string> names;
  std::vector<at::Tensor> first, second;  // moments
  double updates = 0;
  Pass passes[2];

  // Places in `rows` by ascending length, in chunks.
  std::vector<Rows> chunks_of(Texts texts, std::span<const std::uint32_t> rows) const {
    Rows order(rows.size());
    std::iota(order.begin(), order.end(), 0u);
    const auto length = [&](std::uint32_t place) { return texts[rows[place]].size(); };
    std::stable_sort(order.begin(), order.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return length(a) < length(b); });
    std::vector<Rows> chunks;
    std::size_t tokens = 0;
    for (const std::uint32_t place : order) {
      if (chunks.empty() || tokens + length(place) > options.chunk_tokens) {
        chunks.emplace_back();
        tokens = 0;
      }
      chunks.back().push_back(place);
      tokens += length(place);
    }
    return chunks;
  }

  // Unit vectors of a chunk, in its order. [chunk x dim]
  at::Tensor vectors(Texts texts, std::span<const std::uint32_t> rows, const Rows& chunk,
                     double dropout) const {
    Rows own;
    for (const std::uint32_t place : chunk) own.push_back(rows[place]);
    const Autocast autocast(network.device().type(), options.precision == Precision::kBfloat16);
    const at::Tensor pooled = network.forward(pack(texts, own, network.device()), dropout)
                                  .narrow(1, 0, options.dim)
                                  .to(at::kFloat);
    return pooled / pooled.norm(2, 1, /*keepdim=*/true).clamp_min(1e-12);
  }

  at::Tensor vectors(const Pass& pass, std::size_t side, std::size_t chunk) const {
    at::manual_seed(chunk_seed(pass.seed, side, chunk));
    return vectors(pass.texts, pass.rows, pass.chunks[chunk], options.dropout);
  }

  void scatter(const at::Tensor& vectors, const Rows& chunk, float* out) const {
    const auto dim = static_cast<std::size_t>(options.dim);
    const at::Tensor here = vectors.detach().to(at::kCPU).contiguous();
    const float* row = here.const_data_ptr<float>();
    for (const std::uint32_t place : chunk) {
      std::copy_n(row, dim, out + place * dim);
      row += dim;
    }
  }

  at::Tensor gathered(const float* gradient, const Rows& chunk) const {
    const auto dim = static_cast<std::size_t>(options.dim);
    at::Tensor rows = at::empty({static_cast<std::int64_t>(chunk.size()), options.dim}, at::kFloat);
    float* row = rows.mutable_data_ptr<float>();
    for (const std::uint32_t place : chunk) row = std::copy_n(gradient + place * dim, dim, row);
    return rows.to(network.device());
  }

  double gradient_norm() {
    at::Tensor squares = at::zeros({}, at::TensorOptions(network.device()).dtype(at::kDouble));
    for (const at::Tensor& parameter : network.parameters())
      if (parameter.grad().defined()) squares += parameter.grad().square().sum(at::kDouble);
    return std::sqrt(squares.item<double>());
  }

  void adam(std::size_t i, double rate, double scale) {
    constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kEpsilon = 1e-8;
    at::Tensor& parameter = network.parameters()[i];
    const at::Tensor gradient = parameter.grad() * scale;
    if (parameter.dim() > 1) parameter.mul_(1 - rate * options.weight_decay);
    first[i].mul_(kBeta1).add_(gradient, 1 - kBeta1);
    second[i].mul_(kBeta2).addcmul_(gradient, gradient, 1 - kBeta2);
    const double bias1 = 1 - std::pow(kBeta1, updates), bias2 = 1 - std::pow(kBeta2, updates);
    parameter.addcdiv_(first[i], (second[i] / bias2).sqrt_().add_(kEpsilon), -rate / bias1);
  }
};

TransformerLearner::TransformerLearner(const TransformerShape& shape, Pooling pooling,
                                       std::span<const FloatTensor> parameters,
                                       const LearnerOptions& options) {
  const at::Device device = device_named(options.device);
  impl_ = std::make_unique<Impl>(
      Impl{options,
           TransformerNetwork(shape, pooling, parameters, at::kFloat, device),
           {},
           {},
           {},
           0,
           {}});
  for (const FloatTensor& parameter : parameters) impl_->names.push_back(parameter.name);
  for (at::Tensor& parameter : impl_->network.parameters()) {
    parameter.requires_grad_(true);
    impl_->first.push_back(at::zeros_like(parameter));
    impl_->second.push_back(at::zeros_like(parameter));
  }
}

TransformerLearner::~TransformerLearner() = default;

void TransformerLearner::encode(Texts texts, std::span<const std::uint32_t> rows,
                                float* out) const {
  const at::NoGradGuard no_graph;
  for (const Rows& chunk : impl_->chunks_of(texts, rows))
    impl_->scatter(impl_->vectors(texts, rows, chunk, 0), chunk, out);
}

void TransformerLearner::forward(Side side, Texts texts, std::span<const std::uint32_t> rows,
                                 std::uint64_t seed, float* out) {
  Impl::Pass& pass = impl_->passes[side];
  pass = {texts, {rows.begin(), rows.end()}, impl_->chunks_of(texts, rows), seed, {}};
  if (pass.chunks.size() == 1) {
    pass.kept = impl_->vectors(pass, side, 0);
    return impl_->scatter(pass.kept, pass.chunks[0], out);
  }
  const at::NoGradGuard no_graph;
  for (std::size_t chunk = 0; chunk < pass.chunks.size(); ++chunk)
    impl_->scatter(impl_->vectors(pass, side, chunk), pass.chunks[chunk], out);
}

void TransformerLearner::backward(Side side, const float* gradient) {
  Impl::Pass& pass = impl_->passes[side];
  for (std::size_t chunk = 0; chunk < pass.chunks.size(); ++chunk) {
    const at::Tensor vectors = pass.kept.defined() ? pass.kept : impl_->vectors(pass, side, chunk);
    vectors.backward(impl_->gathered(gradient, pass.chunks[chunk]));
  }
  pass = {};
}

double TransformerLearner::update(double rate) {
  const at::NoGradGuard no_graph;
  const double norm = impl_->gradient_norm();
  if (!std::isfinite(norm)) return norm;
  const double clip = impl_->options.clip;
  const double scale = clip > 0 && norm > clip ? clip / norm : 1;
  ++impl_->updates;
  for (std::size_t i = 0; i < impl_->names.size(); ++i) {
    at::Tensor& gradient = impl_->network.parameters()[i].mutable_grad();
    if (!gradient.defined()) continue;
    impl_->adam(i, rate, scale);
    gradient.zero_();
  }
  return norm;
}

std::vector<FloatTensor> TransformerLearner::parameters() const {
  std::vector<FloatTensor> all;
  for (std::size_t i = 0; i < impl_->names.size(); ++i)
    all.push_back(copied(impl_->names[i], impl_->network.parameters()[i]));
  return all;
}

std::vector<FloatTensor> TransformerLearner::gradients() const {
  std::vector<FloatTensor> all;
  for (std::size_t i = 0; i < impl_->names.size(); ++i) {
    const at::Tensor& parameter = impl_->network.parameters()[i];
    all.push_back(copied(impl_->names[i], parameter.grad().defined() ? parameter.grad()
                                                                     : at::zeros_like(parameter)));
  }
  return all;
}

std::vector<FloatTensor> TransformerLearner::state() const {
  std::vector<FloatTensor> all = parameters();
  for (std::size_t i = 0; i < impl_->names.size(); ++i) {
    all.push_back(copied("first." + impl_->names[i], impl_->first[i]));
    all.push_back(copied("second." + impl_->names[i], impl_->second[i]));
  }
  all.push_back({"updates", {}, {static_cast<float>(impl_->updates)}});
  return all;
}

void TransformerLearner::restore(const SafetensorsReader& state) {
  const at::NoGradGuard no_graph;
  const auto read = [&](const std::string& name, at::Tensor& target) {
    const std::vector<float> values = state.floats(name, target.sizes().vec());
    target.copy_(at::from_blob(const_cast<float*>(values.data()), target.sizes(), at::kFloat));
  };
  for (std::size_t i = 0; i < impl_->names.size(); ++i) {
    read(impl_->names[i], impl_->network.parameters()[i]);
    read("first." + impl_->names[i], impl_->first[i]);
    read("second." + impl_->names[i], impl_->second[i]);
  }
  impl_->updates = static_cast<double>(state.floats("updates", {}).at(0));
}

}  // namespace dexter
