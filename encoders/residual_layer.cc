// The small network of one side of the bag encoder.
#include "encoders/residual_layer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "encoders/row_kernels.h"

namespace dexter {

void ResidualLayer::initialise(int dim_, int hidden_, std::uint64_t seed) {
  dim = dim_;
  hidden = hidden_;
  const std::size_t count = static_cast<std::size_t>(dim) * static_cast<std::size_t>(hidden);
  w1.resize(count);
  w2.assign(count, 0);
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;  // x has norm 1, so x W1 has unit variance
  for (float& weight : w1) weight = normal(random);
}

void ResidualLayer::apply(const float* x, float* scratch, float* out) const {
  const RowKernels& kernels = row_kernels();
  std::memcpy(out, x, static_cast<std::size_t>(dim) * sizeof(float));
  if (empty()) return;
  std::memset(scratch, 0, static_cast<std::size_t>(hidden) * sizeof(float));
  for (int c = 0; c < dim; ++c)
    kernels.add_scaled(x[c],
                       w1.data() + static_cast<std::size_t>(c) * static_cast<std::size_t>(hidden),
                       scratch, hidden);
  for (int j = 0; j < hidden; ++j)
    if (scratch[j] > 0)
      kernels.add_scaled(scratch[j],
                         w2.data() + static_cast<std::size_t>(j) * static_cast<std::size_t>(dim),
                         out, dim);
}

ResidualLayerTrainer::ResidualLayerTrainer(ResidualLayer& layer, Precision precision)
    : layer_(layer),
      first1_(layer.w1.size()),
      second1_(layer.w1.size()),
      first2_(layer.w2.size()),
      second2_(layer.w2.size()),
      x_(precision),
      w1_(precision),
      w2_(precision),
      active_(precision),
      out_(precision),
      gradient_(precision),
      back_(precision),
      weight_gradient_(precision) {}

std::vector<std::vector<float>*> ResidualLayerTrainer::state() {
  return {&first1_, &second1_, &first2_, &second2_};
}

void ResidualLayerTrainer::forward(const float* x, std::size_t rows, float* h) {
  const auto dim = static_cast<std::size_t>(layer_.dim);
  const auto hidden = static_cast<std::size_t>(layer_.hidden);
  if (hidden == 0) {
    std::memcpy(h, x, rows * dim * sizeof(float));
    return;
  }
  x_.store(x, rows, dim);
  w1_.store(layer_.w1.data(), dim, hidden);
  w2_.store(layer_.w2.data(), hidden, dim);
  multiply(x_, Transpose::kNo, w1_, Transpose::kNo, active_);
#pragma omp parallel
  {
    std::vector<float> row(std::max(dim, hidden));
#pragma omp for schedule(static)
    for (std::size_t i = 0; i < rows; ++i) {
      active_.load_row(i, row.data());
      for (std::size_t j = 0; j < hidden; ++j) row[j] = std::max(row[j], 0.0f);
      active_.store_row(i, row.data());
    }
  }
  multiply(active_, Transpose::kNo, w2_, Transpose::kNo, out_);
#pragma omp parallel
  {
    std::vector<float> row(dim);
#pragma omp for schedule(static)
    for (std::size_t i = 0; i < rows; ++i) {
      out_.load_row(i, row.data());
      for (std::size_t c = 0; c < dim; ++c) h[i * dim + c] = x[i * dim + c] + row[c];
    }
  }
}

void ResidualLayerTrainer::backward(float* gradient, std::size_t rows, float rate,
                                    std::int64_t step) {
  const auto dim = static_cast<std::size_t>(layer_.dim);
  const auto hidden = static_cast<std::size_t>(layer_.hidden);
  if (hidden == 0) return;
  gradient_.store(gradient, rows, dim);
  multiply(active_, Transpose::kYes, gradient_, Transpose::kNo, weight_gradient_);
  multiply(gradient_, Transpose::kNo, w2_, Transpose::kYes, back_);
  update(weight_gradient_, layer_.w2, first2_, second2_, rate, step);
#pragma omp parallel
  {
    std::vector<float> row(hidden), active(hidden);
#pragma omp for schedule(static)
    for (std::size_t i = 0; i < rows; ++i) {
      back_.load_row(i, row.data());
      active_.load_row(i, active.data());
      for (std::size_t j = 0; j < hidden; ++j) row[j] = active[j] > 0 ? row[j] : 0;
      back_.store_row(i, row.data());
    }
  }
  multiply(x_, Transpose::kYes, back_, Transpose::kNo, weight_gradient_);
  multiply(back_, Transpose::kNo, w1_, Transpose::kYes, out_);
  update(weight_gradient_, layer_.w1, first1_, second1_, rate, step);
#pragma omp parallel
  {
    std::vector<float> row(dim);
#pragma omp for schedule(static)
    for (std::size_t i = 0; i < rows; ++i) {
      out_.load_row(i, row.data());
      for (std::size_t c = 0; c < dim; ++c) gradient[i * dim + c] += row[c];
    }
  }
}

void ResidualLayerTrainer::update(const ProductMatrix& gradient, std::vector<float>& weights,
                                  std::vector<float>& first, std::vector<float>& second, float rate,
                                  std::int64_t step) {
  AdamStep adam;
  adam.rate = rate / (1 - std::pow(adam.beta1, static_cast<float>(step)));
  adam.bias2 = 1 - std::pow(adam.beta2, static_cast<float>(step));
  const std::size_t columns = gradient.columns();
  std::vector<float> row(columns);
  for (std::size_t i = 0; i < gradient.rows(); ++i) {
    gradient.load_row(i, row.data());
    row_kernels().adam(adam, row.data(), &weights[i * columns], &first[i * columns],
                       &second[i * columns], static_cast<int>(columns));
  }
}

}  // namespace dexter
