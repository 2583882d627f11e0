// Training a transformer through LibTorch's autograd.
#include "encoders/transformer_learner.h"

#include <ATen/core/grad_mode.h>

#include <cmath>

#include "encoders/transformer_device.h"
#include "encoders/transformer_learner_impl.h"

namespace dexter {
namespace {

FloatTensor copied(const std::string& name, const at::Tensor& tensor) {
  const at::Tensor values = tensor.detach().to(at::kCPU, at::kFloat).contiguous();
  const float* first = values.const_data_ptr<float>();
  return {name, values.sizes().vec(), {first, first + values.numel()}};
}

}  // namespace

TransformerLearner::TransformerLearner(const TransformerShape& shape, Pooling pooling,
                                       std::span<const FloatTensor> parameters,
                                       const LearnerOptions& options) {
  const at::Device device = device_named(options.device);
  impl_ = std::make_unique<Impl>();
  impl_->options = options;
  for (const char* prefix : {"", "labels."}) {
    if (*prefix != '\0' && !options.separate) continue;
    impl_->networks.emplace_back(shape, pooling, parameters, at::kFloat, device);
    for (const FloatTensor& parameter : parameters) impl_->names.push_back(prefix + parameter.name);
  }
  for (TransformerNetwork& network : impl_->networks)
    for (at::Tensor& parameter : network.parameters()) {
      parameter.requires_grad_(true);
      impl_->parameters.push_back(&parameter);
      impl_->first.push_back(at::zeros_like(parameter));
      impl_->second.push_back(at::zeros_like(parameter));
      if (options.average > 0) impl_->averages.push_back(parameter.detach().clone());
    }
}

TransformerLearner::~TransformerLearner() = default;

void TransformerLearner::encode(Side side, Texts texts, std::span<const std::uint32_t> rows,
                                float* out) const {
  const at::NoGradGuard no_graph;
  const Impl::Averaged averaged(*impl_);
  // Of this call alone: steps have chunks alike in all processes, and only this one may be short.
  for (std::size_t tokens = impl_->options.chunk_tokens;;) {
    const std::vector<Impl::Rows> chunks = impl_->chunks_of(texts, rows, tokens);
    const auto encode_all = [&] {
      for (const Impl::Rows& chunk : chunks)
        impl_->scatter(impl_->vectors(side, texts, rows, chunk, 0), chunk, out);
    };
    if (fits_memory(encode_all)) return;
    tokens = Impl::halved(tokens, Impl::most_tokens(texts, rows, chunks));
  }
}

void TransformerLearner::forward(Side side, Texts texts, std::span<const std::uint32_t> rows,
                                 std::uint64_t seed, float* out) {
  impl_->begin(side, texts, rows, seed);
  const std::vector<Impl::Rows>& chunks = impl_->passes[side].chunks;
  impl_->together([&] {
    for (std::size_t chunk = 0; chunk < chunks.size(); ++chunk)
      impl_->scatter(impl_->first_vectors(side, chunk), chunks[chunk], out);
  });
}

void TransformerLearner::backward(Side side, const float* gradient) {
  Impl::Pass& pass = impl_->passes[side];
  impl_->together([&] {
    for (std::size_t chunk = 0; chunk < pass.chunks.size(); ++chunk)
      impl_->second_vectors(side, chunk).backward(impl_->gathered(gradient, pass.chunks[chunk]));
  });
  pass = {};
}

double TransformerLearner::within_memory(const std::function<double()>& attempt) {
  for (;;) {
    double result = 0;
    std::size_t failed = 0;
    try {
      if (fits_memory([&] { result = attempt(); })) return result;
      ensure(impl_->options.ranks == nullptr, ErrorKind::kIo,
             "training: memory ran out amid an exchange with the other processes; start all again "
             "with a smaller train.batch, train.negatives or transformer.chunk_tokens");
      failed = impl_->largest_chunk();
    } catch (const Impl::Shortage& shortage) {
      failed = shortage.tokens;
    }
    impl_->undo();
    impl_->options.chunk_tokens = Impl::halved(impl_->options.chunk_tokens, failed);
  }
}

std::size_t TransformerLearner::chunk_tokens() const { return impl_->options.chunk_tokens; }

void TransformerLearner::set_chunk_tokens(std::size_t tokens) {
  impl_->options.chunk_tokens = tokens;
}

double TransformerLearner::update(double rate) {
  const at::NoGradGuard no_graph;
  impl_->sum_gradients();
  const double norm = impl_->gradient_norm();
  if (!std::isfinite(norm)) return norm;
  const double clip = impl_->options.clip;
  const double scale = clip > 0 && norm > clip ? clip / norm : 1;
  ++impl_->updates;
  impl_->adam(rate, scale);
  impl_->take_averages();
  return norm;
}

std::vector<FloatTensor> TransformerLearner::parameters(Side side) const {
  std::vector<FloatTensor> all;
  const auto [first, last] = impl_->parameters_of(side);
  for (std::size_t i = first; i < last; ++i)
    all.push_back(copied(impl_->names[i - first],
                         impl_->averages.empty() ? *impl_->parameters[i] : impl_->averages[i]));
  return all;
}

std::vector<FloatTensor> TransformerLearner::gradients(Side side) const {
  std::vector<FloatTensor> all;
  const auto [first, last] = impl_->parameters_of(side);
  for (std::size_t i = first; i < last; ++i) {
    const at::Tensor& parameter = *impl_->parameters[i];
    all.push_back(copied(impl_->names[i - first], parameter.grad().defined()
                                                      ? parameter.grad()
                                                      : at::zeros_like(parameter)));
  }
  return all;
}

std::vector<FloatTensor> TransformerLearner::state() const {
  std::vector<FloatTensor> all;
  for (std::size_t i = 0; i < impl_->names.size(); ++i) {
    all.push_back(copied(impl_->names[i], *impl_->parameters[i]));
    if (!impl_->averages.empty())
      all.push_back(copied("average." + impl_->names[i], impl_->averages[i]));
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
    read(impl_->names[i], *impl_->parameters[i]);
    read("first." + impl_->names[i], impl_->first[i]);
    read("second." + impl_->names[i], impl_->second[i]);
    if (!impl_->averages.empty()) read("average." + impl_->names[i], impl_->averages[i]);
  }
  impl_->updates = static_cast<double>(state.floats("updates", {}).at(0));
}

}  // namespace dexter
