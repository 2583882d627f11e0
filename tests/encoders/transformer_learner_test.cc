// The gradient cache, AdamW and the state of a transformer that learns.
#include "encoders/transformer_learner.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <optional>

#include "tests/encoders/grouped_network.h"
#include "tests/encoders/tiny_transformer.h"
#include "tests/support/expect_error.h"

namespace dexter {
namespace {

using testing::expect_error;
using Learner = TransformerLearner;
using Tokens = std::vector<std::vector<std::int32_t>>;

TransformerShape tiny_shape(int projection = 0) {
  TransformerShape shape = read_shape(testing::tiny_config(Family::kBert), "tiny");
  shape.projection = projection;
  return shape;
}

const Tokens kTexts{{2, 5, 6, 7, 3}, {2, 8, 3}, {2, 15, 16, 16, 10, 9, 11, 3},
                    {2, 12, 13, 3},  {2, 9, 3}, {2, 5, 8, 9, 10, 11, 12, 13, 14, 15, 16, 3}};
const std::vector<std::uint32_t> kRows{3, 0, 5, 1, 2, 4, 0};  // one text twice
constexpr int kDim = 16;

std::vector<FloatTensor> tiny_parameters(Pooling pooling = Pooling::kMean, int projection = 0) {
  const std::string weights = testing::tiny_weights(Family::kBert, "", pooling, projection);
  const auto bytes = std::as_bytes(std::span(weights.data(), weights.size()));
  return read_parameters(tiny_shape(projection), SafetensorsReader(bytes, "tiny"), pooling);
}

struct Subject {
  Learner learner;
  std::vector<float> vectors = std::vector<float>(kRows.size() * kDim);

  explicit Subject(const LearnerOptions& options, const std::vector<FloatTensor>& from,
                   Pooling pooling = Pooling::kMean, int projection = 0)
      : learner(tiny_shape(projection), pooling, from, options) {}
  explicit Subject(const LearnerOptions& options) : Subject(options, tiny_parameters()) {}

  void forward(std::uint64_t seed = 9, Learner::Side side = Learner::kDocuments) {
    learner.forward(side, kTexts, kRows, seed, vectors.data());
  }
  // sum_i g_i v_i, whose gradient by the vectors is g.
  double objective(std::span<const float> g) {
    forward();
    return std::inner_product(g.begin(), g.end(), vectors.begin(), 0.0);
  }
  std::vector<FloatTensor> gradients(std::span<const float> g) {
    forward();
    learner.backward(Learner::kDocuments, g.data());
    return learner.gradients();
  }
};

std::vector<float> some_gradient() {
  std::vector<float> g(kRows.size() * kDim);
  for (std::size_t i = 0; i < g.size(); ++i) g[i] = std::cos(static_cast<float>(i * i));
  return g;
}

TEST(TransformerNetwork, FewGroupsGiveWhatOneOfEachLengthGives) {
  Tokens texts{{2, 5, 3}, {2, 8, 3}, {2, 5, 6, 7, 3}, {2, 12, 13, 9, 3}};
  for (const std::size_t length : {11u, 16u, 17u, 23u, 30u, 30u}) {
    std::vector<std::int32_t>& text = texts.emplace_back(length, 3);
    for (std::size_t i = 0; i < length; ++i)
      text[i] = static_cast<std::int32_t>(5 + (i * i + length) % 12);
  }
  for (const Pooling pooling : {Pooling::kMean, Pooling::kCls, Pooling::kLast, Pooling::kMax,
                                Pooling::kLayers, Pooling::kAttention}) {
    SCOPED_TRACE(name_of(pooling));
    TransformerShape shape = tiny_shape();
    shape.positions = 32;
    std::vector<FloatTensor> parameters = tiny_parameters(pooling);
    FloatTensor& positions = parameters[1];
    ASSERT_NE(positions.name.find("position"), std::string::npos);
    positions.shape[0] = shape.positions;
    for (std::size_t i = positions.values.size(); i < 32 * kDim; ++i)
      positions.values.push_back(positions.values[i % 100]);
    const auto run = [&](bool few_groups) {
      return testing::run_grouped(shape, pooling, parameters, texts, few_groups);
    };
    const testing::GroupedPass each = run(false), few = run(true);
    EXPECT_EQ(each.groups, 7u);
    EXPECT_EQ(each.padding, 0u);
    EXPECT_EQ(few.groups, 2u);
    EXPECT_EQ(few.padding, 6u * 16 + 4 * 32 - 143);
    ASSERT_EQ(few.vectors.size(), each.vectors.size());
    for (std::size_t i = 0; i < each.vectors.size(); ++i)
      ASSERT_NEAR(few.vectors[i], each.vectors[i], 1e-5) << i;
    ASSERT_EQ(few.gradients.size(), each.gradients.size());
    for (std::size_t i = 0; i < each.gradients.size(); ++i)
      ASSERT_NEAR(few.gradients[i], each.gradients[i], 2e-5 * (1 + std::abs(each.gradients[i])))
          << i;
  }
}

TEST(TransformerLearner, TheGradientCacheGivesTheDirectGradient) {
  const std::vector<float> g = some_gradient();
  const auto direct = Subject({.dim = kDim, .chunk_tokens = 1000}).gradients(g);
  for (const std::size_t chunk : {1u, 12u, 20u}) {
    const auto cached = Subject({.dim = kDim, .chunk_tokens = chunk}).gradients(g);
    for (std::size_t t = 0; t < direct.size(); ++t)
      for (std::size_t i = 0; i < direct[t].values.size(); ++i)
        ASSERT_NEAR(cached[t].values[i], direct[t].values[i], 1e-5) << direct[t].name << " " << i;
  }
}

// With dropout this holds only where the second encoding drops what the first one did.
TEST(TransformerLearner, TheCachedGradientIsThatOfFiniteDifferences) {
  const std::vector<float> g = some_gradient();
  for (const double dropout : {0.0, 0.3}) {
    const LearnerOptions options{.dim = kDim, .dropout = dropout, .chunk_tokens = 12};
    const auto gradients = Subject(options).gradients(g);
    for (std::size_t t = 0; t < gradients.size(); t += 3) {
      const std::size_t at = gradients[t].values.size() / 2;
      const auto moved = [&](float step) {
        std::vector<FloatTensor> parameters = tiny_parameters();
        parameters[t].values[at] += step;
        return Subject(options, parameters).objective(g);
      };
      constexpr float kStep = 4e-3F;
      const double slope = (moved(kStep) - moved(-kStep)) / (2 * kStep);
      const auto expected = static_cast<double>(gradients[t].values[at]);
      EXPECT_NEAR(slope, expected, 3e-3 + 0.02 * std::abs(expected)) << gradients[t].name;
    }
  }
}

// Every tensor of the pooling and the projection, and some of the layers below, which have
// gradients of two ways.
TEST(TransformerLearner, WhatFollowsTheLayersHasTheGradientOfFiniteDifferences) {
  const std::vector<float> g = some_gradient();
  const LearnerOptions options{.dim = kDim, .chunk_tokens = 12};
  for (const auto& [pooling, projection] :
       {std::pair{Pooling::kLayers, 0}, {Pooling::kAttention, 0}, {Pooling::kMean, kDim}}) {
    const auto subject = [&](std::size_t t = 0, std::size_t at = 0, float step = 0) {
      std::vector<FloatTensor> parameters = tiny_parameters(pooling, projection);
      parameters[t].values[at] += step;
      return Subject(options, parameters, pooling, projection);
    };
    const auto gradients = subject().gradients(g);
    for (std::size_t t = 0; t < gradients.size(); ++t) {
      const bool pools =
          gradients[t].name.starts_with("pooling.") || gradients[t].name.starts_with("projection.");
      if (!pools && t % 5 > 0) continue;
      const std::size_t at = gradients[t].values.size() / 2;
      const auto moved = [&](float step) { return subject(t, at, step).objective(g); };
      const float step = gradients[t].name == "pooling.scores" ? 4e-4F : 4e-3F;
      const double slope = (moved(step) - moved(-step)) / (2 * static_cast<double>(step));
      const auto expected = static_cast<double>(gradients[t].values[at]);
      EXPECT_NEAR(slope, expected, 4e-3 + 0.02 * std::abs(expected)) << gradients[t].name;
      if (pools) {
        EXPECT_NE(expected, 0) << gradients[t].name;
      }
    }
  }
}

// Towers that begin alike divide the gradient of the one that both sides share.
TEST(TransformerLearner, EachSideLearnsATowerOfItsOwn) {
  const std::vector<float> g = some_gradient();
  Subject shared({.dim = kDim}), towers({.dim = kDim, .separate = true});
  const auto expected = shared.gradients(g);
  towers.forward(9, Learner::kLabels);
  towers.learner.backward(Learner::kLabels, g.data());
  const auto labels = towers.learner.gradients(Learner::kLabels);
  const auto documents = towers.learner.gradients(Learner::kDocuments);
  ASSERT_EQ(labels.size(), expected.size());
  for (std::size_t t = 0; t < expected.size(); ++t) {
    EXPECT_EQ(labels[t].name, expected[t].name);
    EXPECT_EQ(labels[t].values, expected[t].values) << expected[t].name;
    for (const float value : documents[t].values) ASSERT_EQ(value, 0) << expected[t].name;
  }
  towers.learner.update(0.01);
  EXPECT_EQ(write_safetensors(towers.learner.parameters()), write_safetensors(tiny_parameters()));
  EXPECT_NE(write_safetensors(towers.learner.parameters(Learner::kLabels)),
            write_safetensors(tiny_parameters()));
  // Each encodes by its own.
  for (const Learner::Side side : {Learner::kDocuments, Learner::kLabels}) {
    Subject own({.dim = kDim}, towers.learner.parameters(side));
    std::vector<float> alone(towers.vectors.size()), found(alone.size());
    own.learner.encode(Learner::kDocuments, kTexts, kRows, alone.data());
    towers.learner.encode(side, kTexts, kRows, found.data());
    EXPECT_EQ(found, alone) << side;
  }
}

TEST(TransformerLearner, DropoutFollowsTheSeed) {
  Subject subject({.dim = kDim, .dropout = 0.3, .chunk_tokens = 12});
  subject.forward(1);
  const std::vector<float> first = subject.vectors;
  subject.forward(2);
  EXPECT_NE(subject.vectors, first);
  subject.forward(1);
  EXPECT_EQ(subject.vectors, first);
  std::vector<float> plain(first.size()), again(first.size());
  subject.learner.encode(Learner::kDocuments, kTexts, kRows, plain.data());
  subject.learner.encode(Learner::kDocuments, kTexts, kRows, again.data());
  EXPECT_EQ(plain, again);
  EXPECT_NE(plain, first);
}

// After one update the bias-corrected moments are g and g^2:
//   p' = p (1 - rate decay) - rate g / (|g| + 1e-8), decay for matrices alone.
TEST(TransformerLearner, UpdatesByAdamW) {
  Subject subject({.dim = kDim, .weight_decay = 0.1});
  const auto gradients = subject.gradients(some_gradient());
  const auto before = subject.learner.parameters();
  const double norm = subject.learner.update(0.01);
  double squares = 0;
  const auto after = subject.learner.parameters();
  for (std::size_t t = 0; t < before.size(); ++t)
    for (std::size_t i = 0; i < before[t].values.size(); ++i) {
      const auto g = static_cast<double>(gradients[t].values[i]);
      squares += g * g;
      const double decay = before[t].shape.size() > 1 ? 0.001 : 0;
      const double expected =
          static_cast<double>(before[t].values[i]) * (1 - decay) - 0.01 * g / (std::abs(g) + 1e-8);
      if (std::abs(g) < 1e-6) continue;  // float32 resolves the quotient no further
      ASSERT_NEAR(after[t].values[i], expected, 1e-5) << before[t].name << " " << i;
    }
  EXPECT_NEAR(norm, std::sqrt(squares), 1e-4 * norm);
  for (const FloatTensor& tensor : subject.learner.gradients())
    for (const float g : tensor.values) ASSERT_EQ(g, 0) << tensor.name;
}

TEST(TransformerLearner, ClipsTheNormOfTheGradient) {
  Subject subject({.dim = kDim, .clip = 0.5});
  subject.gradients(some_gradient());
  EXPECT_GT(subject.learner.update(0.01), 0.5);
  double squares = 0;
  for (const FloatTensor& tensor : subject.learner.state())
    if (tensor.name.starts_with("first."))
      for (const float m : tensor.values) squares += static_cast<double>(m) * m;
  EXPECT_NEAR(std::sqrt(squares), 0.1 * 0.5, 1e-5);  // one tenth of the gradient, (1 - beta1)
}

TEST(TransformerLearner, GoesOnFromItsState) {
  const std::vector<float> g = some_gradient();
  const auto step = [&g](Subject& subject, double rate) {
    for (const Learner::Side side : {Learner::kDocuments, Learner::kLabels}) {
      subject.forward(9, side);
      subject.learner.backward(side, g.data());
    }
    subject.learner.update(rate);
  };
  for (const bool separate : {false, true}) {
    const LearnerOptions options{.dim = kDim, .average = 0.9, .separate = separate};
    Subject first(options), second(options);
    step(first, 0.01);
    const std::string state = write_safetensors(first.learner.state());
    const auto bytes = std::as_bytes(std::span(state.data(), state.size()));
    second.learner.restore(SafetensorsReader(bytes, "state"));
    for (Subject* subject : {&first, &second}) step(*subject, 0.02);
    EXPECT_EQ(write_safetensors(first.learner.state()), write_safetensors(second.learner.state()));
  }
}

// After one step the decay is (1 + 1) / (10 + 1): a = 2/11 p0 + 9/11 p1.
TEST(TransformerLearner, KeepsAnAverageThatEncodesAndIsSaved) {
  const std::vector<float> g = some_gradient();
  const std::vector<FloatTensor> before = tiny_parameters();
  Subject plain({.dim = kDim}), averaged({.dim = kDim, .average = 0.99});
  for (Subject* subject : {&plain, &averaged}) {
    subject->gradients(g);
    subject->learner.update(0.05);
  }
  const auto after = plain.learner.parameters(), found = averaged.learner.parameters();
  for (std::size_t t = 0; t < found.size(); ++t)
    for (std::size_t i = 0; i < found[t].values.size(); ++i)
      ASSERT_NEAR(found[t].values[i], (2 * before[t].values[i] + 9 * after[t].values[i]) / 11,
                  1e-5);
  // It encodes as a learner of these parameters, but goes on from its own.
  Subject copy({.dim = kDim}, found);
  std::vector<float> expected(kRows.size() * kDim), vectors(expected.size());
  copy.learner.encode(Learner::kDocuments, kTexts, kRows, expected.data());
  averaged.learner.encode(Learner::kDocuments, kTexts, kRows, vectors.data());
  EXPECT_EQ(vectors, expected);
  plain.forward();
  averaged.forward();
  EXPECT_EQ(averaged.vectors, plain.vectors);
  const std::string state = write_safetensors(averaged.learner.state());
  Subject resumed({.dim = kDim, .average = 0.99});
  resumed.learner.restore(
      SafetensorsReader(std::as_bytes(std::span(state.data(), state.size())), "state"));
  EXPECT_EQ(write_safetensors(resumed.learner.state()), state);
  EXPECT_EQ(write_safetensors(resumed.learner.parameters()), write_safetensors(found));
}

TEST(TransformerLearner, HalfPrecisionIsNearFullPrecision) {
  const std::vector<float> g = some_gradient();
  const auto full = Subject({.dim = kDim}).gradients(g);
  const auto half = Subject({.dim = kDim, .precision = Precision::kBfloat16}).gradients(g);
  double dot = 0, full_squares = 0, half_squares = 0;
  for (std::size_t t = 0; t < full.size(); ++t)
    for (std::size_t i = 0; i < full[t].values.size(); ++i) {
      const auto a = static_cast<double>(full[t].values[i]);
      const auto b = static_cast<double>(half[t].values[i]);
      dot += a * b;
      full_squares += a * a;
      half_squares += b * b;
    }
  EXPECT_GT(dot / std::sqrt(full_squares * half_squares), 0.99);
  EXPECT_NE(dot, full_squares);
}

TEST(TransformerLearner, TheGpuGivesTheGradientOfTheProcessor) {
  const std::vector<float> g = some_gradient();
  std::optional<Subject> gpu;
  try {
    gpu.emplace(LearnerOptions{.dim = kDim, .device = "cuda"});
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInvalidInput);
    GTEST_SKIP() << error.what();
  }
  const auto expected = Subject({.dim = kDim}).gradients(g), found = gpu->gradients(g);
  for (std::size_t t = 0; t < expected.size(); ++t)
    for (std::size_t i = 0; i < expected[t].values.size(); ++i)
      ASSERT_NEAR(found[t].values[i], expected[t].values[i], 1e-4) << expected[t].name << " " << i;
}

}  // namespace
}  // namespace dexter
