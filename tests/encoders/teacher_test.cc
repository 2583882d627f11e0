// Learning from another encoder's scores.
#include "encoders/teacher.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "encoders/score_step.h"
#include "tests/encoders/tiny_training.h"
#include "tests/support/expect_error.h"

namespace dexter {
namespace {

using testing::expect_error;
using testing::TempDir;

// Softmax of (0, ln 3) is (1/4, 3/4), of (0, 0) is (1/2, 1/2): L = -(log 1/4 + log 3/4) / 2.
TEST(Teacher, TheLossAndGradientAreThoseByHand) {
  std::vector<float> student{0, std::log(3.0F)}, teacher{5, 5}, gradient{1, -1};
  const double loss = learn_from_teacher(student, teacher, 0.5, gradient);
  EXPECT_NEAR(loss, -0.5 * (std::log(0.25) + std::log(0.75)), 1e-6);
  EXPECT_NEAR(gradient[0], 0.5 * 1 + 0.5 * (0.25 - 0.5), 1e-6);
  EXPECT_NEAR(gradient[1], 0.5 * -1 + 0.5 * (0.75 - 0.5), 1e-6);
}

constexpr int kDim = 16, kTeacherDim = 32;
constexpr std::size_t kDocuments = 3, kLabels = 5;

std::vector<float> unit_rows(std::size_t rows, std::size_t dim, float phase) {
  std::vector<float> all(rows * dim);
  for (std::size_t i = 0; i < all.size(); ++i)
    all[i] = std::sin(phase + 0.7F * static_cast<float>(i * i % 97));
  for (std::size_t i = 0; i < rows; ++i) {
    float* row = &all[i * dim];
    const float norm = std::sqrt(std::inner_product(row, row + dim, row, 0.0F));
    for (std::size_t c = 0; c < dim; ++c) row[c] /= norm;
  }
  return all;
}

// With sampling's offsets and the labels' loss beside it, by the gradient of finite differences.
TEST(Teacher, TheStepsGradientIsThatOfFiniteDifferences) {
  std::vector<float> documents = unit_rows(kDocuments, kDim, 0.1F),
                     labels = unit_rows(kLabels, kDim, 0.2F);
  const std::vector<float> teacher_documents = unit_rows(kDocuments, kTeacherDim, 0.3F),
                           teacher_labels = unit_rows(kLabels, kTeacherDim, 0.4F);
  const std::vector<std::vector<std::uint32_t>> positives{{0, 2}, {4}, {1}};
  const std::vector<float> offsets{0.1F, 0.5F, -0.2F, 0, 0.3F}, adjustments{0.2F, 0, 0.1F, 0.3F, 0};
  const auto loss = make_loss({.name = "decoupled_softmax"});
  ScoreStep step(*loss, 0.5, kDim, 1, Precision::kFloat32);
  const auto run = [&] {
    return step.run({.documents = documents.data(),
                     .n = kDocuments,
                     .labels = labels.data(),
                     .m = kLabels,
                     .positives = positives,
                     .offsets = offsets,
                     .adjustments = adjustments,
                     .teacher_documents = teacher_documents.data(),
                     .teacher_labels = teacher_labels.data(),
                     .teacher_dim = kTeacherDim,
                     .teacher_weight = 0.7,
                     .teacher_temperature = 0.3});
  };
  run();
  const std::vector<float> gradients[] = {
      {step.document_gradient(), step.document_gradient() + documents.size()},
      {step.label_gradient(), step.label_gradient() + labels.size()}};
  std::vector<float>* sides[] = {&documents, &labels};
  for (std::size_t side = 0; side < 2; ++side)
    for (std::size_t i = 0; i < sides[side]->size(); i += 5) {
      float& value = (*sides[side])[i];
      const float before = value;
      constexpr float kStep = 1e-2F;
      value = before + kStep;
      const double above = run();
      value = before - kStep;
      const double below = run();
      value = before;
      EXPECT_NEAR((above - below) / (2 * kStep), gradients[side][i], 1e-3) << side << " " << i;
    }
}

// Labels that lie: each document carries the next one's. The teacher knows better.
TEST(Teacher, AStudentThatOnlyListensIsAsGoodAsTheTeacher) {
  testing::TinyTraining training;
  training.options.epochs = 30;
  training.options.free_vectors = false;
  const TempDir folder;
  const auto good = load_encoder(folder.path(), training.run(folder.path()).encoder.file);
  const TrainingSet truth = training.set;
  const auto last = static_cast<std::uint32_t>(truth.labels.size() - 1);
  for (Example& example : training.set.train)
    for (LabelId& label : example.labels) label = LabelId{last - value(label)};
  std::vector<std::string> texts;
  for (const Example& example : truth.train) texts.push_back(example.text);
  for (const Label& label : truth.labels) texts.push_back(label.text);
  Teacher teacher;
  teacher.options.weight = 1;
  teacher.documents = good->encode(texts);
  teacher.labels = good->encode_labels(truth.labels);
  training.options.label_documents = true;
  const auto learn = [&](const Teacher* from) {
    const TrainReport report = train_encoder(
        training.encoder, training.loss, training.options, training.set, folder.path(), "student",
        {}, false, training.neighbours, training.on_epoch, training.progress, from);
    const auto student = load_encoder(folder.path(), report.encoder.file);
    return testing::precision_at_1(*student, truth.labels, truth.train);
  };
  const double taught = learn(&teacher), misled = learn(nullptr);
  EXPECT_GE(taught, 0.95 * testing::precision_at_1(*good, truth.labels, truth.train));
  EXPECT_LT(misled, 50);
}

TEST(Teacher, ChecksItsOptions) {
  expect_error(
      ErrorKind::kInvalidInput, [] { TeacherOptions{.weight = 2}.validate(); },
      "teacher.weight is 2");
  expect_error(
      ErrorKind::kInvalidInput, [] { TeacherOptions{.temperature = 0}.validate(); },
      "teacher.temperature is 0");
}

}  // namespace
}  // namespace dexter
