// One batch through scores, loss and gradients.
#include "encoders/score_step.h"

#include <algorithm>
#include <utility>

#include "encoders/row_kernels.h"
#include "encoders/teacher.h"

namespace dexter {

ScoreStep::ScoreStep(const LossFunction& loss, double temperature, int dim, int blocks,
                     Precision precision)
    : loss_(loss),
      inverse_temperature_(static_cast<float>(1 / temperature)),
      dim_(static_cast<std::size_t>(dim)),
      width_(static_cast<std::size_t>(dim / blocks)),
      documents_(precision),
      labels_(precision),
      scores_(precision),
      document_product_(precision),
      label_product_(precision),
      teacher_documents_(precision),
      teacher_labels_(precision),
      teacher_scores_(precision) {}

double ScoreStep::run(const ScoreBatch& batch) {
  if (!loss_.needs().batch_alone) return run_one_way(batch);
  const double back = run_back(batch);
  const std::vector<float> labels = std::move(document_gradient_);
  const std::vector<float> documents = std::move(label_gradient_);
  const double forth = run_one_way(batch);
  const auto mean = [](std::vector<float>& values, const std::vector<float>& others) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = (values[i] + others[i]) / 2;
  };
  mean(document_gradient_, documents);
  mean(label_gradient_, labels);
  return (forth + back) / 2;
}

// Labels against documents: what is added to a label's scores counts for all documents alike.
double ScoreStep::run_back(const ScoreBatch& batch) {
  std::vector<std::vector<std::uint32_t>> carriers(batch.m);
  for (std::uint32_t i = 0; i < batch.n; ++i)
    for (const std::uint32_t p : batch.positives[i]) carriers[p].push_back(i);
  ScoreBatch back = batch;
  std::swap(back.documents, back.labels);
  std::swap(back.n, back.m);
  std::swap(back.teacher_documents, back.teacher_labels);
  back.positives = carriers;
  back.offsets = back.adjustments = {};
  return run_one_way(back);
}

double ScoreStep::run_one_way(const ScoreBatch& batch) {
  document_gradient_.resize(batch.n * dim_);
  label_gradient_.assign(batch.m * dim_, 0);
  double loss = 0;
  for (std::size_t at = 0; at < dim_; at += width_) loss += run_block(batch, at);
  return loss * static_cast<double>(width_) / static_cast<double>(dim_);
}

// The block of columns [at, at + width).
double ScoreStep::run_block(const ScoreBatch& batch, std::size_t at) {
  labels_.store(batch.labels + at, batch.m, width_, dim_);
  if (batch.teacher_labels != nullptr)
    teacher_labels_.store(batch.teacher_labels, batch.m,
                          static_cast<std::size_t>(batch.teacher_dim),
                          static_cast<std::size_t>(batch.teacher_dim));
  const std::size_t chunk =
      std::clamp<std::size_t>(kMaximumScores / std::max<std::size_t>(batch.m, 1), 1, batch.n);
  double loss = 0;
  for (std::size_t first = 0; first < batch.n; first += chunk) {
    const std::size_t count = std::min(chunk, batch.n - first);
    // 1/temperature lies in the documents' copy: the scores have it, and so has the labels'
    // gradient.
    documents_.store(batch.documents + first * dim_ + at, count, width_, dim_,
                     inverse_temperature_);
    multiply(documents_, Transpose::kNo, labels_, Transpose::kYes, scores_);
    if (batch.teacher_labels != nullptr) score_teacher(batch, first, count);
    loss += run_losses(batch, at, first, count);
    add_gradients(at, first, count);
  }
  return loss;
}

void ScoreStep::score_teacher(const ScoreBatch& batch, std::size_t first, std::size_t count) {
  const auto dim = static_cast<std::size_t>(batch.teacher_dim);
  teacher_documents_.store(batch.teacher_documents + first * dim, count, dim, dim,
                           static_cast<float>(1 / batch.teacher_temperature));
  multiply(teacher_documents_, Transpose::kNo, teacher_labels_, Transpose::kYes, teacher_scores_);
}

// The loss of one document, whose `scores` become their gradient. `row` is its place in the chunk.
// The teacher's scores are corrected for sampling as the student's are.
double ScoreStep::run_row(const ScoreBatch& batch, std::size_t document, std::size_t row,
                          std::span<float> scores) const {
  const std::vector<std::uint32_t>& own = batch.positives[document];
  if (batch.teacher_labels == nullptr) return loss_.backward(scores, own);
  thread_local std::vector<float> student, teacher;
  student.assign(scores.begin(), scores.end());
  teacher.resize(scores.size());
  teacher_scores_.load_row(row, teacher.data());
  std::vector<float> positive;
  for (const std::uint32_t p : own)
    positive.push_back(teacher[p] + (batch.adjustments.empty() ? 0 : batch.adjustments[p]));
  if (!batch.offsets.empty())
    row_kernels().add_scaled(1, batch.offsets.data(), teacher.data(), static_cast<int>(batch.m));
  for (std::size_t i = 0; i < own.size(); ++i) teacher[own[i]] = positive[i];
  const double loss = loss_.backward(scores, own);
  return (1 - batch.teacher_weight) * loss +
         batch.teacher_weight * learn_from_teacher(student, teacher, batch.teacher_weight, scores);
}

double ScoreStep::run_losses(const ScoreBatch& batch, std::size_t at, std::size_t first,
                             std::size_t count) {
  const RowKernels& kernels = row_kernels();
  const double share = 1 / static_cast<double>(batch.n);
  double loss = 0;
#pragma omp parallel reduction(+ : loss)
  {
    std::vector<float> row(batch.m);
#pragma omp for schedule(static)
    for (std::size_t i = 0; i < count; ++i) {
      const std::vector<std::uint32_t>& own = batch.positives[first + i];
      scores_.load_row(i, row.data());
      if (!batch.offsets.empty())
        kernels.add_scaled(1, batch.offsets.data(), row.data(), static_cast<int>(batch.m));
      // The few positive scores in full precision: their loss is a difference of near-equal
      // numbers.
      for (const std::uint32_t p : own) {
        row[p] = inverse_temperature_ * kernels.dot(batch.documents + (first + i) * dim_ + at,
                                                    batch.labels + p * dim_ + at,
                                                    static_cast<int>(width_));
        if (!batch.adjustments.empty()) row[p] += batch.adjustments[p];
      }
      loss += share * run_row(batch, first + i, i, row);
      scores_.store_row(i, row.data(), static_cast<float>(share));
    }
  }
  return loss;
}

void ScoreStep::add_gradients(std::size_t at, std::size_t first, std::size_t count) {
  multiply(scores_, Transpose::kNo, labels_, Transpose::kNo, document_product_);
  multiply(scores_, Transpose::kYes, documents_, Transpose::kNo, label_product_);
#pragma omp parallel
  {
    std::vector<float> row(width_);
#pragma omp for schedule(static) nowait
    for (std::size_t i = 0; i < count; ++i) {
      float* out = &document_gradient_[(first + i) * dim_ + at];
      document_product_.load_row(i, out);
      row_kernels().scale(inverse_temperature_, out, width_);
    }
#pragma omp for schedule(static)
    for (std::size_t j = 0; j < label_product_.rows(); ++j) {
      label_product_.load_row(j, row.data());
      row_kernels().add_scaled(1, row.data(), &label_gradient_[j * dim_ + at],
                               static_cast<int>(width_));
    }
  }
}

}  // namespace dexter
