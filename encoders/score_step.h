#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "encoders/loss.h"
#include "encoders/matrix_product.h"

namespace dexter {

// What one step scores. Each block of a row of `documents` [n x dim] and `labels` [m x dim] is a
// unit vector; `positives[i]` are the columns of document i's own labels. Either may be empty:
// `offsets` [m] are added to the scores of negatives, `adjustments` [m] to those of positives.
struct ScoreBatch {
  const float* documents = nullptr;
  std::size_t n = 0;
  const float* labels = nullptr;
  std::size_t m = 0;
  std::span<const std::vector<std::uint32_t>> positives;
  std::span<const float> offsets = {};
  std::span<const float> adjustments = {};
  // Unit vectors of a teacher, [n x teacher_dim] and [m x teacher_dim]; null for none.
  const float* teacher_documents = nullptr;
  const float* teacher_labels = nullptr;
  int teacher_dim = 0;
  double teacher_weight = 0, teacher_temperature = 1;
};

// Scores of documents against a pool of labels, their loss, and the gradients of both sides'
// vectors. Documents go in chunks of at most kMaximumScores scores, so that memory does not grow
// with documents x labels.
class ScoreStep {
 public:
  static constexpr std::size_t kMaximumScores = 16u << 20;

  // `blocks` divides `dim`: each block is scored, and has its loss, by itself.
  ScoreStep(const LossFunction& loss, double temperature, int dim, int blocks, Precision precision);

  // Mean loss over the documents and blocks; where the loss asks for it, and over the labels.
  double run(const ScoreBatch& batch);
  const float* document_gradient() const { return document_gradient_.data(); }  // [n x dim]
  const float* label_gradient() const { return label_gradient_.data(); }        // [m x dim]

 private:
  double run_one_way(const ScoreBatch& batch);
  double run_back(const ScoreBatch& batch);
  double run_block(const ScoreBatch& batch, std::size_t at);
  double run_row(const ScoreBatch& batch, std::size_t document, std::size_t row,
                 std::span<float> scores) const;
  void score_teacher(const ScoreBatch& batch, std::size_t first, std::size_t count);
  double run_losses(const ScoreBatch& batch, std::size_t at, std::size_t first, std::size_t count);
  void add_gradients(std::size_t at, std::size_t first, std::size_t count);

  const LossFunction& loss_;
  float inverse_temperature_;
  std::size_t dim_, width_;  // of a row, and of a block of it
  ProductMatrix documents_, labels_, scores_, document_product_, label_product_;
  ProductMatrix teacher_documents_, teacher_labels_, teacher_scores_;
  std::vector<float> document_gradient_, label_gradient_;
};

}  // namespace dexter
