#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "encoders/loss.h"
#include "encoders/matrix_product.h"

namespace dexter {

// Scores of documents against a pool of labels, their loss, and the gradients of both sides'
// vectors. Documents go in chunks of at most kMaximumScores scores, so that memory does not grow
// with documents x labels.
class ScoreStep {
 public:
  static constexpr std::size_t kMaximumScores = 16u << 20;

  ScoreStep(const LossFunction& loss, double temperature, int dim, Precision precision);

  // Mean loss over the documents. `documents` [n x dim], `labels` [m x dim]; row i's positives are
  // columns.
  double run(const float* documents, std::size_t n, const float* labels, std::size_t m,
             std::span<const std::vector<std::uint32_t>> positives);
  const float* document_gradient() const { return document_gradient_.data(); }  // [n x dim]
  const float* label_gradient() const { return label_gradient_.data(); }        // [m x dim]

 private:
  double run_losses(const float* documents, std::size_t first, std::size_t count,
                    const float* labels, std::span<const std::vector<std::uint32_t>> positives,
                    double share);
  void add_gradients(std::size_t first, std::size_t count);

  const LossFunction& loss_;
  float inverse_temperature_;
  std::size_t dim_;
  ProductMatrix documents_, labels_, scores_, document_product_, label_product_;
  std::vector<float> document_gradient_, label_gradient_;
};

}  // namespace dexter
