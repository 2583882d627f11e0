// How a transformer that learns encodes chunks, exchanges sums and takes steps.
#include "encoders/transformer_learner_impl.h"

#include <ATen/autocast_mode.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "storage/error.h"

namespace dexter {
namespace {

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

// Dropout of a chunk: other chunks, sides and processes draw other numbers.
std::uint64_t chunk_seed(std::uint64_t seed, std::size_t side, std::size_t chunk, int rank) {
  const std::uint64_t place = (static_cast<std::uint64_t>(rank) << 32) + chunk;
  return (seed * 0x9E3779B97F4A7C15u + side) * 0x9E3779B97F4A7C15u + place;
}

}  // namespace

std::vector<TransformerLearner::Impl::Rows> TransformerLearner::Impl::chunks_of(
    Texts texts, std::span<const std::uint32_t> rows, std::size_t most) const {
  Rows order(rows.size());
  std::iota(order.begin(), order.end(), 0u);
  const auto length = [&](std::uint32_t place) { return texts[rows[place]].size(); };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return length(a) < length(b); });
  std::vector<Rows> chunks;
  std::size_t tokens = 0;
  for (const std::uint32_t place : order) {
    if (chunks.empty() || tokens + length(place) > most) {
      chunks.emplace_back();
      tokens = 0;
    }
    chunks.back().push_back(place);
    tokens += length(place);
  }
  return chunks;
}

std::size_t TransformerLearner::Impl::most_tokens(Texts texts, std::span<const std::uint32_t> rows,
                                                  const std::vector<Rows>& chunks) {
  std::size_t most = 0;
  for (const Rows& chunk : chunks) {
    std::size_t tokens = 0;
    for (const std::uint32_t place : chunk) tokens += texts[rows[place]].size();
    most = std::max(most, tokens);
  }
  return most;
}

std::size_t TransformerLearner::Impl::largest_chunk() const {
  std::size_t largest = 0;
  for (const Pass& pass : passes)
    largest = std::max(largest, most_tokens(pass.texts, pass.rows, pass.chunks));
  return largest == 0 ? options.chunk_tokens : std::min(largest, options.chunk_tokens);
}

std::size_t TransformerLearner::Impl::halved(std::size_t tokens, std::size_t failed) {
  failed = std::min(failed, tokens);  // a text longer than a chunk is one by itself
  ensure(failed > kLeastChunkTokens, ErrorKind::kIo,
         "training: memory ran out with chunks of " + std::to_string(failed) +
             " tokens, and smaller ones save nothing; lower train.batch (a step's documents), "
             "train.negatives or transformer.max_tokens, or end other programs on the device");
  return std::max(kLeastChunkTokens, failed / 2);
}

void TransformerLearner::Impl::undo() {
  for (Pass& pass : passes) pass = {};
  for (at::Tensor* parameter : parameters)
    if (parameter->grad().defined()) parameter->mutable_grad().zero_();
}

std::pair<std::size_t, std::size_t> TransformerLearner::Impl::parameters_of(Side side) const {
  const std::size_t count = parameters.size() / networks.size();
  const std::size_t begin = separate() ? side * count : 0;
  return {begin, begin + count};
}

at::Tensor TransformerLearner::Impl::vectors(Side side, Texts texts,
                                             std::span<const std::uint32_t> rows, const Rows& chunk,
                                             double dropout) const {
  Rows own;
  for (const std::uint32_t place : chunk) own.push_back(rows[place]);
  const Autocast autocast(device().type(), options.precision == Precision::kBfloat16);
  const at::Tensor pooled = network(side)
                                .forward(pack(texts, own, device()), dropout)
                                .narrow(1, 0, options.dim)
                                .to(at::kFloat);
  return pooled / pooled.norm(2, 1, /*keepdim=*/true).clamp_min(1e-12);
}

at::Tensor TransformerLearner::Impl::vectors(const Pass& pass, Side side, std::size_t chunk) const {
  at::manual_seed(chunk_seed(pass.seed, side, chunk, options.ranks ? options.ranks->rank() : 0));
  return vectors(side, pass.texts, pass.rows, pass.chunks[chunk], options.dropout);
}

void TransformerLearner::Impl::scatter(const at::Tensor& vectors, const Rows& chunk,
                                       float* out) const {
  const auto dim = static_cast<std::size_t>(options.dim);
  const at::Tensor here = vectors.detach().to(at::kCPU).contiguous();
  const float* row = here.const_data_ptr<float>();
  for (const std::uint32_t place : chunk) {
    std::copy_n(row, dim, out + place * dim);
    row += dim;
  }
}

at::Tensor TransformerLearner::Impl::gathered(const float* gradient, const Rows& chunk) const {
  const auto dim = static_cast<std::size_t>(options.dim);
  at::Tensor rows = at::empty({static_cast<std::int64_t>(chunk.size()), options.dim}, at::kFloat);
  float* row = rows.mutable_data_ptr<float>();
  for (const std::uint32_t place : chunk) row = std::copy_n(gradient + place * dim, dim, row);
  return rows.to(device());
}

std::pair<std::size_t, std::size_t> TransformerLearner::Impl::part_of(std::size_t count) const {
  return options.ranks ? options.ranks->part_of(count)
                       : std::pair<std::size_t, std::size_t>{0, count};
}

void TransformerLearner::Impl::reduce(at::Tensor& tensor, StreamedLoss::Reduction reduction) const {
  if (!options.ranks) return;
  const at::Tensor here = tensor.to(at::kCPU).contiguous();
  const auto count = static_cast<std::size_t>(here.numel());
  if (here.scalar_type() == at::kFloat)
    options.ranks->sum(std::span(here.mutable_data_ptr<float>(), count));
  else if (reduction == StreamedLoss::Reduction::kSum)
    options.ranks->sum(std::span(here.mutable_data_ptr<double>(), count));
  else
    options.ranks->maximum(std::span(here.mutable_data_ptr<double>(), count));
  tensor = here.to(tensor.device());
}

void TransformerLearner::Impl::begin(Side side, Texts texts, std::span<const std::uint32_t> rows,
                                     std::uint64_t seed) {
  passes[side] = {
      texts, {rows.begin(), rows.end()}, chunks_of(texts, rows, options.chunk_tokens), seed, {}};
}

at::Tensor TransformerLearner::Impl::first_vectors(Side side, std::size_t chunk) {
  Pass& pass = passes[side];
  if (pass.chunks.size() == 1) {
    pass.kept = vectors(pass, side, chunk);
    return pass.kept.detach();
  }
  const at::NoGradGuard no_graph;
  return vectors(pass, side, chunk);
}
at::Tensor TransformerLearner::Impl::second_vectors(Side side, std::size_t chunk) const {
  const Pass& pass = passes[side];
  return pass.kept.defined() ? pass.kept : vectors(pass, side, chunk);
}

double TransformerLearner::Impl::gradient_norm() {
  at::Tensor squares = at::zeros({}, at::TensorOptions(device()).dtype(at::kDouble));
  for (const at::Tensor* parameter : parameters)
    if (parameter->grad().defined()) squares += parameter->grad().square().sum(at::kDouble);
  return std::sqrt(squares.item<double>());
}

void TransformerLearner::Impl::sum_gradients() {
  if (!options.ranks) return;
  for (at::Tensor* parameter : parameters) {
    if (!parameter->grad().defined()) parameter->mutable_grad() = at::zeros_like(*parameter);
    reduce(parameter->mutable_grad(), StreamedLoss::Reduction::kSum);
  }
}

void TransformerLearner::Impl::exchange_averages() {
  for (std::size_t i = 0; i < averages.size(); ++i) std::swap(*parameters[i], averages[i]);
}

// The first averages are of few steps, so that the initial parameters do not linger.
void TransformerLearner::Impl::take_averages() {
  const double decay = std::min(options.average, (1 + updates) / (10 + updates));
  for (std::size_t i = 0; i < averages.size(); ++i) averages[i].lerp_(*parameters[i], 1 - decay);
}

void TransformerLearner::Impl::adam(std::size_t i, double rate, double scale) {
  constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kEpsilon = 1e-8;
  at::Tensor& parameter = *parameters[i];
  const at::Tensor gradient = parameter.grad() * scale;
  if (parameter.dim() > 1) parameter.mul_(1 - rate * options.weight_decay);
  first[i].mul_(kBeta1).add_(gradient, 1 - kBeta1);
  second[i].mul_(kBeta2).addcmul_(gradient, gradient, 1 - kBeta2);
  const double bias1 = 1 - std::pow(kBeta1, updates), bias2 = 1 - std::pow(kBeta2, updates);
  parameter.addcdiv_(first[i], (second[i] / bias2).sqrt_().add_(kEpsilon), -rate / bias1);
}

}  // namespace dexter
