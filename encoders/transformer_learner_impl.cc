// How a transformer that learns encodes chunks, exchanges sums and takes steps.
#include "encoders/transformer_learner_impl.h"

#include <ATen/autocast_mode.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "encoders/transformer_device.h"
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
  std::vector<Rows> by_length;
  for (std::uint32_t place = 0; place < rows.size(); ++place) {
    const std::size_t length = texts[rows[place]].size();
    if (by_length.size() <= length) by_length.resize(length + 1);
    by_length[length].push_back(place);
  }
  std::vector<Rows> chunks;
  std::size_t tokens = 0;
  for (std::size_t length = 0; length < by_length.size(); ++length)
    for (const std::uint32_t place : by_length[length]) {
      if (chunks.empty() || tokens + length > most) {
        chunks.emplace_back();
        tokens = 0;
      }
      chunks.back().push_back(place);
      tokens += length;
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
  const at::Tensor rows =
      staging({static_cast<std::int64_t>(chunk.size()), options.dim}, at::kFloat, device());
  float* row = rows.mutable_data_ptr<float>();
  for (const std::uint32_t place : chunk) row = std::copy_n(gradient + place * dim, dim, row);
  return on(device(), rows);
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
  std::vector<at::Tensor> gradients;
  for (const at::Tensor* parameter : parameters)
    if (parameter->grad().defined()) gradients.push_back(parameter->grad());
  if (gradients.empty()) return 0;
  return at::stack(at::_foreach_norm(gradients, 2, at::kDouble)).norm().item<double>();
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
  if (averages.empty()) return;
  const double decay = std::min(options.average, (1 + updates) / (10 + updates));
  std::vector<at::Tensor> present;
  for (const at::Tensor* parameter : parameters) present.push_back(*parameter);
  at::_foreach_lerp_(averages, present, 1 - decay);
}

void TransformerLearner::Impl::adam(double rate, double scale) {
  const at::Tensor step = at::full({}, updates, at::TensorOptions(device()).dtype(at::kFloat));
  for (const bool matrices : {true, false}) {
    std::vector<at::Tensor> learnt, gradients, means, squares;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      at::Tensor& gradient = parameters[i]->mutable_grad();
      if (!gradient.defined() || (parameters[i]->dim() > 1) != matrices) continue;
      learnt.push_back(*parameters[i]);
      gradients.push_back(gradient);
      means.push_back(first[i]);
      squares.push_back(second[i]);
    }
    if (learnt.empty()) continue;
    if (scale != 1) at::_foreach_mul_(gradients, scale);
    const std::vector<at::Tensor> steps(learnt.size(), step);
    at::_fused_adamw_(learnt, gradients, means, squares, /*max_exp_avg_sqs=*/{}, steps, rate,
                      /*beta1=*/0.9, /*beta2=*/0.999, matrices ? options.weight_decay : 0,
                      /*eps=*/1e-8, /*amsgrad=*/false, /*maximize=*/false);
    at::_foreach_zero_(gradients);
  }
}

}  // namespace dexter
