// The loss against a teacher's scores.
#include "encoders/teacher.h"

#include <spdlog/fmt/fmt.h>

#include <cmath>

#include "encoders/option_range.h"
#include "encoders/row_kernels.h"
#include "encoders/score_step.h"

namespace dexter {

void TeacherOptions::validate() const {
  ensure_in_range("teacher", "weight", weight, 0.0, 1.0);
  ensure_in_range("teacher", "temperature", temperature, 1e-3, 10.0);
}

void TeacherStep::ask(const Teacher& teacher, std::span<const std::uint32_t> rows,
                      std::span<const std::uint32_t> step_documents,
                      std::span<const std::uint32_t> step_labels, ScoreBatch& batch) {
  documents.clear();
  labels.clear();
  const auto add = [](std::span<const float> values, std::vector<float>& to) {
    to.insert(to.end(), values.begin(), values.end());
  };
  for (const std::uint32_t document : step_documents)
    add(teacher.documents.row(rows[document]), documents);
  for (const std::uint32_t label : step_labels) add(teacher.labels.row(label), labels);
  batch.teacher_documents = documents.data();
  batch.teacher_labels = labels.data();
  batch.teacher_dim = teacher.labels.dim();
  batch.teacher_weight = teacher.options.weight;
  batch.teacher_temperature = teacher.options.temperature;
}

double learn_from_teacher(std::span<float> student, std::span<float> teacher, double weight,
                          std::span<float> gradient) {
  const RowKernels& kernels = row_kernels();
  const std::size_t m = student.size();
  const float highest = kernels.maximum(student.data(), m);
  const float teacher_highest = kernels.maximum(teacher.data(), m);
  // -sum_j q_j log p_j = log sum_j e^{s_j} - sum_j q_j s_j, so the scores are read before they go.
  const double teacher_sum =
      static_cast<double>(kernels.exp_sum(teacher.data(), m, teacher_highest));
  double expected = 0;
  for (std::size_t j = 0; j < m; ++j)
    expected += static_cast<double>(teacher[j]) * static_cast<double>(student[j] - highest);
  const double sum = static_cast<double>(kernels.exp_sum(student.data(), m, highest));
  const auto hard = static_cast<float>(1 - weight);
  const auto own = static_cast<float>(weight / sum),
             others = static_cast<float>(weight / teacher_sum);
  for (std::size_t j = 0; j < m; ++j)
    gradient[j] = hard * gradient[j] + own * student[j] - others * teacher[j];
  return std::log(sum) - expected / teacher_sum;
}

}  // namespace dexter
