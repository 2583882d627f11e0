// Forward and backward of one side of a block over a batch.
#include "encoders/bag_side.h"

#include <algorithm>

#include "encoders/row_kernels.h"

namespace dexter {

BagSide::BagSide(const BagBlock& block, ResidualLayer& layer, Precision precision)
    : block_(block), width_(layer.dim), layer_trainer_(layer, precision) {}

void BagSide::forward(const BagBatch& bags, std::span<const std::uint32_t> texts,
                      const BagBatch* free_rows) {
  const RowKernels& kernels = row_kernels();
  const auto width = static_cast<std::size_t>(width_);
  const std::size_t rows = texts.size();
  bags_ = &bags;
  texts_.assign(texts.begin(), texts.end());
  for (auto* buffer : {&unit_, &state_, &vectors_}) buffer->resize(rows * width);
  unit_norm_.resize(rows);
  norm_.resize(rows);
#pragma omp parallel for schedule(dynamic, 32)
  for (std::size_t i = 0; i < rows; ++i) {
    const auto features = bags.row(texts[i]);
    float* sum = &state_[i * width];
    kernels.bag(features.data(), features.size(), block_.table.data(), width_, sum);
    unit_norm_[i] = kernels.normalise(sum, &unit_[i * width], width_);
  }
  layer_trainer_.forward(unit_.data(), rows, state_.data());
#pragma omp parallel for schedule(static)
  for (std::size_t i = 0; i < rows; ++i) {
    float* state = &state_[i * width];
    if (free_rows)
      for (const BagFeature& free : free_rows->row(texts[i]))
        kernels.add_scaled(free.value, &block_.free_vectors[free.row * width], state, width_);
    norm_[i] = kernels.normalise(state, &vectors_[i * width], width_);
  }
}

BagGradient BagSide::backward(const float* gradient, float network_rate, std::int64_t step) {
  const RowKernels& kernels = row_kernels();
  const auto width = static_cast<std::size_t>(width_);
  const std::size_t rows = texts_.size();
  gradient_.assign(gradient, gradient + rows * width);
#pragma omp parallel for schedule(static)
  for (std::size_t i = 0; i < rows; ++i)
    kernels.normalise_backward(&gradient_[i * width], &vectors_[i * width], norm_[i], width_);
  free_gradient_ = gradient_;
  layer_trainer_.backward(gradient_.data(), rows, network_rate, step);
#pragma omp parallel for schedule(static)
  for (std::size_t i = 0; i < rows; ++i)
    kernels.normalise_backward(&gradient_[i * width], &unit_[i * width], unit_norm_[i], width_);
  return {bags_, texts_, gradient_.data()};
}

}  // namespace dexter
