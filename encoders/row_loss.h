#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>
#include <utility>

#include "encoders/loss.h"
#include "encoders/row_kernels.h"

namespace dexter {

// Inner header: what the losses over one row of scores share.

// s_j = e^{s_j - shift}; returns the sum. In float32, what lies below e^-87 is e^-87.
inline double exp_sum(std::span<float> scores, float shift) {
  return static_cast<double>(row_kernels().exp_sum(scores.data(), scores.size(), shift));
}
inline double exp_sum(std::span<double> scores, double shift) {
  double sum = 0;
  for (double& score : scores) sum += score = std::exp(score - shift);
  return sum;
}

inline float highest_of(std::span<const float> scores) {
  return row_kernels().maximum(scores.data(), scores.size());
}
inline double highest_of(std::span<const double> scores) {
  return *std::max_element(scores.begin(), scores.end());
}

template <class Real>
void scale(std::span<Real> scores, Real factor) {
  for (Real& score : scores) score *= factor;
}

// log(1 + e^x)
inline double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

// A loss whose `row.backward(scores, positives)` is a template over float and double, called for
// rows that have positives alone; `row.needs()` is what it asks of the step around it.
template <class Row>
class RowLoss final : public LossFunction {
 public:
  explicit RowLoss(Row row) : row_(std::move(row)) {}
  LossNeeds needs() const override { return row_.needs(); }
  double backward(std::span<float> scores,
                  std::span<const std::uint32_t> positives) const override {
    return guarded(scores, positives);
  }
  double backward(std::span<double> scores,
                  std::span<const std::uint32_t> positives) const override {
    return guarded(scores, positives);
  }

 private:
  template <class Real>
  double guarded(std::span<Real> scores, std::span<const std::uint32_t> positives) const {
    if (!positives.empty()) return row_.backward(scores, positives);
    std::fill(scores.begin(), scores.end(), Real{0});
    return 0;
  }

  const Row row_;
};

template <class Row>
std::unique_ptr<LossFunction> make_row_loss(Row row) {
  return std::make_unique<RowLoss<Row>>(std::move(row));
}

}  // namespace dexter
