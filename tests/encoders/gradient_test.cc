// The closed-form gradients of the bag encoder against finite differences of a plain double model.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>

#include "encoders/bag_side.h"
#include "encoders/score_step.h"
#include "tests/encoders/tiny_training.h"

namespace dexter {
namespace {

constexpr int kDim = 16, kHidden = 32;
constexpr double kTemperature = 0.25;

std::vector<float> normal_values(std::size_t count, float deviation, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

ResidualLayer random_layer(int hidden, std::uint64_t seed) {
  ResidualLayer layer;
  layer.initialise(kDim, hidden, seed);
  layer.w2 = normal_values(layer.w2.size(), 0.2F, seed + 1);
  return layer;
}

// h = x + relu(x W1) W2, written out.
std::vector<double> layer_output(const std::vector<double>& w1, const std::vector<double>& w2,
                                 const std::vector<double>& x) {
  std::vector<double> h = x;
  const std::size_t hidden = w1.size() / kDim;
  for (std::size_t j = 0; j < hidden; ++j) {
    double sum = 0;
    for (std::size_t c = 0; c < kDim; ++c) sum += x[c] * w1[c * hidden + j];
    for (std::size_t c = 0; c < kDim && sum > 0; ++c) h[c] += sum * w2[j * kDim + c];
  }
  return h;
}

std::vector<double> unit(std::vector<double> x) {
  const double norm = std::sqrt(std::inner_product(x.begin(), x.end(), x.begin(), 0.0));
  for (double& value : x) value /= norm;
  return x;
}

std::vector<double> doubles(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

// d f / d value by central differences; `value` is restored.
template <class F>
double slope(double& value, const F& f) {
  constexpr double kStep = 1e-5;
  const double before = value;
  value = before + kStep;
  const double above = f();
  value = before - kStep;
  const double below = f();
  value = before;
  return (above - below) / (2 * kStep);
}

TEST(ResidualLayer, OneRowEqualsTheWrittenOutFormula) {
  for (const int hidden : {0, 16, kHidden}) {
    const ResidualLayer layer = random_layer(hidden, 5);
    const std::vector<float> x = normal_values(kDim, 0.25F, 6);
    std::vector<float> scratch(static_cast<std::size_t>(hidden)), h(kDim), batch(kDim);
    layer.apply(x.data(), scratch.data(), h.data());
    ResidualLayer trained = layer;
    ResidualLayerTrainer(trained, Precision::kFloat32).forward(x.data(), 1, batch.data());
    const auto expected = layer_output(doubles(layer.w1), doubles(layer.w2), doubles(x));
    for (std::size_t c = 0; c < kDim; ++c) {
      EXPECT_NEAR(h[c], expected[c], 1e-5);
      EXPECT_NEAR(batch[c], expected[c], 1e-5);
    }
  }
}

TEST(ResidualLayer, StartsAsTheIdentity) {
  ResidualLayer layer;
  layer.initialise(kDim, kHidden, 3);
  const std::vector<float> x = normal_values(kDim, 1, 4);
  std::vector<float> scratch(kHidden), h(kDim);
  layer.apply(x.data(), scratch.data(), h.data());
  EXPECT_EQ(h, x);
}

// L = sum_i c_i . h(x_i) for fixed random c.
TEST(ResidualLayer, GradientsAreThoseOfCentralDifferences) {
  constexpr std::size_t kRows = 7;
  ResidualLayer layer = random_layer(kHidden, 8);
  const ResidualLayer before = layer;
  const std::vector<float> x = normal_values(kRows * kDim, 0.25F, 9);
  const std::vector<float> c = normal_values(kRows * kDim, 1, 10);
  ResidualLayerTrainer trainer(layer, Precision::kFloat32);
  std::vector<float> h(x.size()), gradient = c;
  trainer.forward(x.data(), kRows, h.data());
  trainer.backward(gradient.data(), kRows, 0, 1);
  EXPECT_EQ(layer.w1, before.w1);  // a step of rate 0
  EXPECT_EQ(layer.w2, before.w2);

  std::vector<double> input = doubles(x), w1 = doubles(before.w1), w2 = doubles(before.w2);
  const auto loss = [&] {
    double sum = 0;
    for (std::size_t i = 0; i < kRows; ++i) {
      const auto row = input.begin() + static_cast<std::ptrdiff_t>(i * kDim);
      const auto out = layer_output(w1, w2, {row, row + kDim});
      for (std::size_t j = 0; j < kDim; ++j) sum += static_cast<double>(c[i * kDim + j]) * out[j];
    }
    return sum;
  };
  for (std::size_t j = 0; j < x.size(); ++j) {
    const double expected = slope(input[j], loss);
    EXPECT_NEAR(gradient[j], expected, 1e-4 * (1 + std::abs(expected)));
  }
  // After one step from zero the first moment is a tenth of the gradient.
  const auto moments = trainer.state();
  for (std::size_t j = 0; j < w1.size(); j += 7) {
    const double first = slope(w1[j], loss), second = slope(w2[j], loss);
    EXPECT_NEAR((*moments[0])[j] * 10, first, 1e-4 * (1 + std::abs(first)));
    EXPECT_NEAR((*moments[2])[j] * 10, second, 1e-4 * (1 + std::abs(second)));
  }
}

// Six documents and all labels of the tiny corpus through both sides, the scores and the loss.
class WholeStep : public ::testing::TestWithParam<std::tuple<std::string, bool>> {
 protected:
  WholeStep()
      : model_(BagModel::initial(
            {.dim = kDim, .blocks = 1, .hidden = kHidden, .ngram = 3, .min_count = 1}, set_, 4)),
        loss_(make_loss({.name = std::get<0>(GetParam()), .temperature = kTemperature})) {
    block_.document_layer = random_layer(kHidden, 20);
    block_.label_layer = random_layer(kHidden, 30);
    block_.free_vectors = normal_values(block_.free_vectors.size(), 0.3F, 40);
    const FeatureOptions features = feature_options(model_.options);
    for (const Example& example : set_.train) {
      append_text(documents_, example.text, set_.text_kind, features, model_.vocabulary);
      positives_.emplace_back();
      for (const LabelId label : example.labels)
        positives_.back().push_back(
            static_cast<std::uint32_t>(tiny::kLabels - 1 - value(label)));  // its column
    }
    for (const Label& label : set_.labels)
      append_text(labels_, label.text, set_.text_kind, features, model_.vocabulary);
    for (const std::uint32_t text : texts_) step_positives_.push_back(positives_[text]);
    if (std::get<1>(GetParam()))
      for (std::size_t j = 0; j < columns_.size(); ++j)
        offsets_.push_back(0.3F * static_cast<float>(j) - 1);
  }

  std::vector<double> vector_of(const std::vector<double>& table, std::span<const BagFeature> bag,
                                const ResidualLayer& layer, const double* free) const {
    std::vector<double> sum(kDim);
    for (const BagFeature& feature : bag)
      for (std::size_t c = 0; c < kDim; ++c)
        sum[c] += static_cast<double>(feature.value) * table[feature.row * kDim + c];
    auto h = layer_output(doubles(layer.w1), doubles(layer.w2), unit(sum));
    for (std::size_t c = 0; c < kDim && free; ++c) h[c] += free[c];
    return unit(h);
  }

  // The mean loss, all of it in double.
  double reference(const std::vector<double>& table, const std::vector<double>& free) const {
    std::vector<std::vector<double>> label_vectors;
    for (const std::uint32_t label : columns_)
      label_vectors.push_back(
          vector_of(table, labels_.row(label), block_.label_layer, &free[label * kDim]));
    double sum = 0;
    std::vector<std::vector<double>> columns(columns_.size());
    for (std::size_t i = 0; i < texts_.size(); ++i) {
      const auto x = vector_of(table, documents_.row(texts_[i]), block_.document_layer, nullptr);
      std::vector<double> scores;
      for (std::size_t j = 0; j < columns_.size(); ++j) {
        const auto& y = label_vectors[j];
        scores.push_back(std::inner_product(x.begin(), x.end(), y.begin(), 0.0) / kTemperature);
        columns[j].push_back(scores.back());
        const auto& own = step_positives_[i];
        if (!offsets_.empty() && std::find(own.begin(), own.end(), j) == own.end())
          scores.back() += static_cast<double>(offsets_[j]);
      }
      sum += loss_->backward(std::span<double>(scores), step_positives_[i]);
    }
    const double forth = sum / static_cast<double>(texts_.size());
    return loss_->needs().batch_alone ? (forth + mean_over_labels(columns)) / 2 : forth;
  }

  // `scores` of each label against the documents, those that carry it being its positives.
  double mean_over_labels(std::vector<std::vector<double>>& scores) const {
    double sum = 0;
    for (std::uint32_t j = 0; j < scores.size(); ++j) {
      std::vector<std::uint32_t> carriers;
      for (std::uint32_t i = 0; i < step_positives_.size(); ++i)
        if (std::count(step_positives_[i].begin(), step_positives_[i].end(), j) > 0)
          carriers.push_back(i);
      sum += loss_->backward(std::span<double>(scores[j]), carriers);
    }
    return sum / static_cast<double>(scores.size());
  }

  const TrainingSet set_ = testing::tiny_set();
  BagModel model_;
  BagBlock& block_ = model_.blocks.front();
  const std::unique_ptr<LossFunction> loss_;
  BagBatch documents_, labels_;
  std::vector<std::vector<std::uint32_t>> positives_, step_positives_;
  const std::vector<std::uint32_t> texts_{31, 3, 18, 3, 7, 0};  // one of them twice
  const std::vector<std::uint32_t> columns_{11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0};
  std::vector<float> offsets_;
};

std::vector<std::string> losses() {
  std::vector<std::string> names;
  for (const LossKind& row : loss_kinds()) names.emplace_back(row.name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Losses, WholeStep,
                         ::testing::Combine(::testing::ValuesIn(losses()), ::testing::Bool()),
                         [](const auto& param) {
                           return std::get<0>(param.param) +
                                  (std::get<1>(param.param) ? "_with_offsets" : "");
                         });

TEST_P(WholeStep, GradientsAreThoseOfCentralDifferences) {
  BagSide document_side(block_, block_.document_layer, Precision::kFloat32);
  BagSide label_side(block_, block_.label_layer, Precision::kFloat32);
  ScoreStep step(*loss_, kTemperature, kDim, 1, Precision::kFloat32);
  document_side.forward(documents_, texts_);
  label_side.forward(labels_, columns_, &model_.free_rows);
  const double loss = step.run({.documents = document_side.vectors(),
                                .n = texts_.size(),
                                .labels = label_side.vectors(),
                                .m = columns_.size(),
                                .positives = step_positives_,
                                .offsets = offsets_});
  std::vector<double> table = doubles(block_.table), free = doubles(block_.free_vectors);
  EXPECT_NEAR(loss, reference(table, free), 1e-5);

  const BagGradient sides[] = {document_side.backward(step.document_gradient(), 0, 1),
                               label_side.backward(step.label_gradient(), 0, 1)};
  std::vector<double> gradient(table.size());
  for (const BagGradient& side : sides)
    for (std::size_t i = 0; i < side.texts.size(); ++i)
      for (const BagFeature& feature : side.bags->row(side.texts[i]))
        for (std::size_t c = 0; c < kDim; ++c)
          gradient[feature.row * kDim + c] +=
              static_cast<double>(feature.value) * static_cast<double>(side.gradient[i * kDim + c]);
  EXPECT_GT(*std::max_element(gradient.begin(), gradient.end()), 0.1);
  const auto whole = [&] { return reference(table, free); };
  // The first rows are the most frequent features, shared by documents and labels.
  for (std::size_t j = 0; j < table.size(); j += j < 8 * kDim ? 5 : 331)
    EXPECT_NEAR(gradient[j], slope(table[j], whole), 2e-5) << j;
  for (std::size_t j = 0; j < columns_.size(); ++j)
    for (std::size_t c = j % 3; c < kDim; c += 3)
      EXPECT_NEAR(label_side.free_gradient()[j * kDim + c],
                  slope(free[columns_[j] * kDim + c], whole), 2e-5);
}

// Two blocks are two steps on the halves of the vectors: the loss is their mean, the gradients lie
// side by side.
TEST(ScoreStep, TreatsEachBlockAsAStepOfItsOwn) {
  constexpr std::size_t kDocuments = 3, kLabels = 7, kWidth = 16;
  std::mt19937_64 random(5);
  std::normal_distribution<float> normal;
  const auto values = [&](std::size_t rows) {
    std::vector<float> out(rows * 2 * kWidth);
    for (float& value : out) value = 0.2f * normal(random);
    return out;
  };
  const auto half = [](const std::vector<float>& both, std::size_t block) {
    std::vector<float> out;
    for (std::size_t i = 0; i < both.size(); ++i)
      if (i / kWidth % 2 == block) out.push_back(both[i]);
    return out;
  };
  const std::vector<float> documents = values(kDocuments), labels = values(kLabels);
  const std::vector<std::vector<std::uint32_t>> positives{{0, 3}, {6}, {2}};
  const auto loss = make_loss({});
  ScoreStep both(*loss, 0.1, 2 * kWidth, 2, Precision::kFloat32);
  const double mean = both.run({.documents = documents.data(),
                                .n = kDocuments,
                                .labels = labels.data(),
                                .m = kLabels,
                                .positives = positives,
                                .offsets = {}});
  const std::vector<float> document_gradient(both.document_gradient(),
                                             both.document_gradient() + documents.size());
  const std::vector<float> label_gradient(both.label_gradient(),
                                          both.label_gradient() + labels.size());
  double sum = 0;
  for (const std::size_t block : {0, 1}) {
    const std::vector<float> x = half(documents, block), y = half(labels, block);
    ScoreStep one(*loss, 0.1, kWidth, 1, Precision::kFloat32);
    sum += one.run({.documents = x.data(),
                    .n = kDocuments,
                    .labels = y.data(),
                    .m = kLabels,
                    .positives = positives,
                    .offsets = {}});
    const std::vector<float> dx = half(document_gradient, block), dy = half(label_gradient, block);
    for (std::size_t i = 0; i < dx.size(); ++i)
      EXPECT_NEAR(dx[i], one.document_gradient()[i], 1e-6);
    for (std::size_t i = 0; i < dy.size(); ++i) EXPECT_NEAR(dy[i], one.label_gradient()[i], 1e-6);
  }
  EXPECT_NEAR(mean, sum / 2, 1e-9);
}

// 300 x 70,000 scores are more than one chunk holds; by hundreds they are not.
TEST(ScoreStep, GivesTheSameInChunksAsWhole) {
  constexpr std::size_t kDocuments = 300, kLabels = 70'000, kGroup = 100;
  static_assert(kDocuments * kLabels > ScoreStep::kMaximumScores);
  static_assert(kGroup * kLabels < ScoreStep::kMaximumScores);
  const auto loss = make_loss({.name = "decoupled_softmax", .temperature = kTemperature});
  const std::vector<float> documents = normal_values(kDocuments * kDim, 0.25F, 1);
  const std::vector<float> labels = normal_values(kLabels * kDim, 0.25F, 2);
  std::vector<std::vector<std::uint32_t>> positives;
  for (std::uint32_t i = 0; i < kDocuments; ++i) positives.push_back({i, 200 * i + 7});
  ScoreBatch batch{documents.data(), kDocuments, labels.data(), kLabels, positives};
  ScoreStep whole(*loss, kTemperature, kDim, 1, Precision::kFloat32), part = whole;
  const double mean = whole.run(batch);

  double parts = 0;
  std::vector<float> label_gradient(labels.size());
  for (std::size_t first = 0; first < kDocuments; first += kGroup) {
    batch.documents = documents.data() + first * kDim;
    batch.n = kGroup;
    batch.positives = std::span(positives).subspan(first, kGroup);
    parts += part.run(batch) / 3;
    for (std::size_t j = 0; j < label_gradient.size(); ++j)
      label_gradient[j] += part.label_gradient()[j] / 3;
    for (std::size_t j = 0; j < kGroup * kDim; ++j)
      ASSERT_NEAR(whole.document_gradient()[first * kDim + j], part.document_gradient()[j] / 3,
                  1e-6);
  }
  EXPECT_NEAR(mean, parts, 1e-6 * mean);
  for (std::size_t j = 0; j < label_gradient.size(); ++j)
    ASSERT_NEAR(whole.label_gradient()[j], label_gradient[j], 1e-6);
}

TEST(ScoreStep, OffsetsShiftNegativesAndAdjustmentsPositives) {
  const auto loss = make_loss({.name = "softmax", .temperature = 1});
  const std::vector<float> document(kDim, 0.25F), labels(3 * kDim, 0.25F);  // every score is 1
  const std::vector<std::vector<std::uint32_t>> positives{{1}};
  const auto run = [&](std::vector<float> offsets, std::vector<float> adjustments = {}) {
    ScoreStep step(*loss, 1, kDim, 1, Precision::kFloat32);
    return step.run({document.data(), 1, labels.data(), 3, positives, offsets, adjustments});
  };
  const float ln4 = std::log(4.0F);
  EXPECT_NEAR(run({}), std::log(3.0), 1e-6);
  EXPECT_NEAR(run({0, 50, 0}), std::log(3.0), 1e-6);
  EXPECT_NEAR(run({ln4, -9, 0}), std::log(1.0 + 4 + 1), 1e-6);
  EXPECT_NEAR(run({ln4, 0, ln4}), std::log(1.0 + 4 + 4), 1e-6);
  EXPECT_NEAR(run({}, {7, ln4, 7}), std::log((1.0 + 4 + 1) / 4), 1e-6);  // the positive's alone
}

// Reduced precision changes the scores by less than a percent of a logit's range.
TEST(ScoreStep, ReducedPrecisionStaysCloseToFloat32) {
  constexpr std::size_t kDocuments = 20, kLabels = 200;
  const auto loss = make_loss({.name = "decoupled_softmax", .temperature = kTemperature});
  const std::vector<float> documents = normal_values(kDocuments * kDim, 0.25F, 1);
  const std::vector<float> labels = normal_values(kLabels * kDim, 0.25F, 2);
  std::vector<std::vector<std::uint32_t>> positives;
  for (std::uint32_t i = 0; i < kDocuments; ++i) positives.push_back({i});
  const ScoreBatch batch{documents.data(), kDocuments, labels.data(), kLabels, positives};
  ScoreStep exact(*loss, kTemperature, kDim, 1, Precision::kFloat32);
  ScoreStep fast(*loss, kTemperature, kDim, 1, Precision::kBfloat16);
  const double expected = exact.run(batch);
  EXPECT_NEAR(fast.run(batch), expected, 0.01 * expected);
  double error = 0, size = 0;
  for (std::size_t j = 0; j < kLabels * kDim; ++j) {
    error += std::abs(static_cast<double>(fast.label_gradient()[j] - exact.label_gradient()[j]));
    size += std::abs(static_cast<double>(exact.label_gradient()[j]));
  }
  EXPECT_LT(error, 0.02 * size);
}

}  // namespace
}  // namespace dexter
