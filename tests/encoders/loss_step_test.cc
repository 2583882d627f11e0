// Losses through a transformer chunk by chunk, against the step that holds all vectors, and
// against itself in several processes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <future>
#include <numeric>

#include "encoders/score_step.h"
#include "encoders/transformer_learner.h"
#include "tests/encoders/in_ranks.h"
#include "tests/encoders/tiny_transformer.h"
#include "tests/support/expect_error.h"
#include "tests/support/free_port.h"

namespace dexter {
namespace {

using Learner = TransformerLearner;
using Tokens = std::vector<std::vector<std::int32_t>>;
using testing::expect_error;
using testing::free_port;
using testing::in_ranks;
using testing::rank_of;

constexpr int kDim = 16;
constexpr double kTemperature = 0.3;

const std::vector<LossOptions> kStreamedLosses{
    {.name = "decoupled_softmax", .temperature = kTemperature},
    {.name = "decoupled_softmax", .temperature = kTemperature, .positives = 1},
    {.name = "decoupled_softmax", .temperature = kTemperature, .positives = 2},
    {.name = "softmax", .temperature = kTemperature},
    {.name = "soft_top_k", .temperature = kTemperature},
    {.name = "soft_top_k", .temperature = kTemperature, .top_k = 2, .top_k_slope = 5},
    {.name = "soft_top_k", .temperature = 0.02, .top_k = 3},
    {.name = "binary_cross_entropy", .temperature = kTemperature},
    {.name = "pu", .temperature = kTemperature},
    {.name = "pu", .temperature = 0.02},
    {.name = "mlcd", .temperature = kTemperature},
    {.name = "mlcd", .temperature = 0.02},
    {.name = "comic", .temperature = kTemperature},
    {.name = "comic", .temperature = kTemperature, .focus = 1, .correction = 0.6},
};

// Documents and labels of one to eight word pieces; document i has labels i and 2i + 1 of the pool,
// the fourth none.
struct Step {
  Tokens documents = texts(7, 3), labels = texts(11, 5);
  std::vector<std::uint32_t> rows{6, 0, 3, 5, 1, 2}, pool{10, 4, 0, 7, 2, 9, 1, 3, 5};
  std::vector<std::vector<std::uint32_t>> positives;
  std::vector<float> offsets, adjustments;
  LossOptions loss{.name = "decoupled_softmax", .temperature = kTemperature};

  Step() {
    for (std::uint32_t i = 0; i < rows.size(); ++i)
      positives.push_back(i == 3   ? std::vector<std::uint32_t>{}
                          : i == 0 ? std::vector<std::uint32_t>{0, 1, 8}
                                   : std::vector<std::uint32_t>{i, (2 * i + 1) % 9});
    for (std::size_t j = 0; j < pool.size(); ++j) {
      offsets.push_back(0.3F * std::sin(static_cast<float>(j)));
      adjustments.push_back(0.2F * std::cos(static_cast<float>(j)));
    }
  }
  static Tokens texts(std::size_t count, std::int32_t stride) {
    Tokens all;
    for (std::size_t i = 0; i < count; ++i) {
      std::vector<std::int32_t> text{2};
      for (std::size_t k = 0; k <= (i * 3) % 8; ++k)
        text.push_back(5 + static_cast<std::int32_t>(i * 7 + k * stride) % 12);
      text.push_back(3);
      all.push_back(text);
    }
    return all;
  }
  LossBatch batch() const {
    return {.document_texts = documents,
            .label_texts = labels,
            .documents = rows,
            .labels = pool,
            .positives = positives,
            .offsets = offsets,
            .adjustments = adjustments,
            .loss = loss,
            .seed = 5};
  }
};

Learner learner(std::size_t chunk_tokens, const ProcessGroup* ranks = nullptr,
                const std::vector<int>& prefix_dims = {}, bool separate = false) {
  const TransformerShape shape = read_shape(testing::tiny_config(Family::kBert), "tiny");
  const std::string weights = testing::tiny_weights(Family::kBert);
  const auto bytes = std::as_bytes(std::span(weights.data(), weights.size()));
  return {shape,
          Pooling::kMean,
          read_parameters(shape, SafetensorsReader(bytes, "tiny")),
          {.dim = kDim,
           .prefix_dims = prefix_dims,
           .chunk_tokens = chunk_tokens,
           .separate = separate,
           .ranks = ranks}};
}

struct Result {
  double loss = 0;
  std::vector<FloatTensor> gradients;
};

Result streamed(const Step& step, std::size_t chunk_tokens) {
  Learner subject = learner(chunk_tokens);
  const double loss = subject.loss_step(step.batch());
  return {loss, subject.gradients()};
}

// By the losses' own code on all vectors at once.
Result direct(const Step& step) {
  Learner subject = learner(10'000);
  std::vector<float> documents(step.rows.size() * kDim), labels(step.pool.size() * kDim);
  subject.forward(Learner::kDocuments, step.documents, step.rows, 5, documents.data());
  subject.forward(Learner::kLabels, step.labels, step.pool, 5, labels.data());
  const auto loss = make_loss(step.loss);
  ScoreStep scores(*loss, step.loss.temperature, kDim, 1, Precision::kFloat32);
  const double mean = scores.run({.documents = documents.data(),
                                  .n = step.rows.size(),
                                  .labels = labels.data(),
                                  .m = step.pool.size(),
                                  .positives = step.positives,
                                  .offsets = step.offsets,
                                  .adjustments = step.adjustments});
  subject.backward(Learner::kDocuments, scores.document_gradient());
  subject.backward(Learner::kLabels, scores.label_gradient());
  return {mean, subject.gradients()};
}

// To 1e-5 of the largest gradient, or of 1.
void expect_equal(const Result& found, const Result& expected) {
  EXPECT_NEAR(found.loss, expected.loss, 1e-5);
  float most = 1;
  for (const FloatTensor& tensor : expected.gradients)
    for (const float g : tensor.values) most = std::max(most, std::abs(g));
  ASSERT_EQ(found.gradients.size(), expected.gradients.size());
  for (std::size_t t = 0; t < expected.gradients.size(); ++t)
    for (std::size_t i = 0; i < expected.gradients[t].values.size(); ++i)
      ASSERT_NEAR(found.gradients[t].values[i], expected.gradients[t].values[i], 1e-5 * most)
          << expected.gradients[t].name << " " << i;
}

TEST(LossStep, GivesTheDirectGradientInChunksOfAnySize) {
  for (const LossOptions& loss : kStreamedLosses)
    for (const bool adjusted : {true, false}) {
      Step step;
      step.loss = loss;
      if (!adjusted) step.offsets = step.adjustments = {};
      const Result expected = direct(step);
      EXPECT_GT(expected.loss, 0.1);
      for (const std::size_t chunk : {1u, 12u, 30u, 1000u}) {
        SCOPED_TRACE(loss.name + " " + std::to_string(chunk));
        expect_equal(streamed(step, chunk), expected);
      }
    }
}

// Towers that begin alike: the gradients of the two make up that of the shared one.
TEST(LossStep, DividesItsGradientOverSeparateTowers) {
  for (const std::size_t chunk : {12u, 1000u}) {
    const Step step;
    const Result expected = streamed(step, chunk);
    Learner towers = learner(chunk, nullptr, {}, /*separate=*/true);
    Result found{towers.loss_step(step.batch()), towers.gradients(Learner::kDocuments)};
    const auto labels = towers.gradients(Learner::kLabels);
    for (std::size_t t = 0; t < labels.size(); ++t)
      for (std::size_t i = 0; i < labels[t].values.size(); ++i)
        found.gradients[t].values[i] += labels[t].values[i];
    expect_equal(found, expected);
  }
}

// A learner of the first 4 dimensions alone is the oracle of that prefix.
TEST(LossStep, MeansTheLossesOfPrefixesThatShallWorkAlone) {
  const Step step;
  const TransformerShape shape = read_shape(testing::tiny_config(Family::kBert), "tiny");
  const std::string weights = testing::tiny_weights(Family::kBert);
  const auto bytes = std::as_bytes(std::span(weights.data(), weights.size()));
  Learner whole = learner(12);
  Learner part(shape, Pooling::kMean, read_parameters(shape, SafetensorsReader(bytes, "tiny")),
               {.dim = 4, .chunk_tokens = 12});
  const double mean = (whole.loss_step(step.batch()) + part.loss_step(step.batch())) / 2;
  std::vector<FloatTensor> expected = whole.gradients();
  const std::vector<FloatTensor> others = part.gradients();
  for (std::size_t t = 0; t < expected.size(); ++t)
    for (std::size_t i = 0; i < expected[t].values.size(); ++i)
      expected[t].values[i] = (expected[t].values[i] + others[t].values[i]) / 2;
  Learner both = learner(12, nullptr, {4});
  const double found = both.loss_step(step.batch());
  expect_equal({found, both.gradients()}, {mean, expected});
}

TEST(LossStep, HasNoGradientWhereEveryLabelIsAPositive) {
  Step step;
  for (auto& own : step.positives) {
    own.resize(step.pool.size());
    std::iota(own.begin(), own.end(), 0u);
  }
  for (const char* name : {"decoupled_softmax", "soft_top_k"}) {
    step.loss.name = name;
    const Result result = streamed(step, 12);
    EXPECT_EQ(result.loss, 0) << name;
    for (const FloatTensor& tensor : result.gradients)
      for (const float g : tensor.values) ASSERT_EQ(g, 0) << name << " " << tensor.name;
  }
}

// No label at the edge of a part is lost: the first and last of each are positives somewhere.
TEST(LossStep, GivesTheGradientOfOneRankInTwoAndFour) {
  std::vector<std::pair<LossOptions, bool>> cases{{kStreamedLosses[0], /*separate=*/true}};
  for (const LossOptions& options : kStreamedLosses) cases.emplace_back(options, false);
  for (const auto& [options, separate] : cases) {
    Step step;
    step.loss = options;
    const bool towers = separate;
    Learner one = learner(12, nullptr, {}, towers);
    Result expected{one.loss_step(step.batch()), {}};
    one.update(0.01);
    expected.gradients = one.state();  // the sum is in the first moments
    for (const int size : {2, 4}) {
      SCOPED_TRACE(options.name + " " + std::to_string(size));
      const auto results = in_ranks(size, [&](const ProcessGroup& group) {
        Learner own = learner(12, &group, {}, towers);
        const double loss = own.loss_step(step.batch());
        const double norm = own.update(0.01);
        EXPECT_GT(norm, 0);
        return Result{loss, own.state()};
      });
      for (const Result& result : results) {
        EXPECT_NEAR(result.loss, expected.loss, 1e-5);
        for (std::size_t t = 0; t < expected.gradients.size(); ++t) {
          const FloatTensor& tensor = expected.gradients[t];
          if (!tensor.name.starts_with("first.")) continue;
          for (std::size_t i = 0; i < tensor.values.size(); ++i)
            ASSERT_NEAR(10 * result.gradients[t].values[i], 10 * tensor.values[i], 1e-5)
                << tensor.name << " " << i;
        }
        // So the parameters of all ranks stay the same bits.
        for (std::size_t t = 0; t < results[0].gradients.size(); ++t)
          ASSERT_EQ(result.gradients[t].values, results[0].gradients[t].values);
      }
    }
  }
}

TEST(ProcessGroup, PartsMakeUpTheWhole) {
  const auto parts = in_ranks(3, [](const ProcessGroup& group) {
    std::vector<float> met{1};
    group.sum(met);  // a rank that left before another has joined would be waited for
    return group.part_of(8);
  });
  EXPECT_EQ(parts[0].first, 0u);
  for (std::size_t i = 1; i < parts.size(); ++i) EXPECT_EQ(parts[i].first, parts[i - 1].second);
  EXPECT_EQ(parts[2].second, 8u);
}

TEST(ProcessGroup, SumsMaximaAndWhatTheFirstGives) {
  const auto found = in_ranks(3, [](const ProcessGroup& group) {
    std::vector<float> sums{1, static_cast<float>(group.rank())};
    std::vector<double> highest{static_cast<double>(-group.rank())};
    group.sum(sums);
    group.maximum(highest);
    return std::make_tuple(sums, highest,
                           group.from_first(group.rank() == 0 ? "first" : "another one"));
  });
  for (const auto& [sums, highest, text] : found) {
    EXPECT_EQ(sums, (std::vector<float>{3, 3}));
    EXPECT_EQ(highest, (std::vector<double>{0}));
    EXPECT_EQ(text, "first");
  }
}

TEST(ProcessGroup, SaysThatARankIsGone) {
  const int port = free_port();
  auto other =
      std::async(std::launch::async, [&] { const ProcessGroup group(rank_of(1, 2, port)); });
  const ProcessGroup group(rank_of(0, 2, port));
  other.get();
  std::vector<float> values{1};
  expect_error(
      ErrorKind::kUnavailable, [&] { group.sum(values); }, "rank 0 of 2", "one of them ended",
      "--resume");
}

TEST(ProcessGroup, DoesNotWaitForeverForOneThatNeverCame) {
  expect_error(
      ErrorKind::kUnavailable, [] { const ProcessGroup group(rank_of(0, 2, free_port(), 0.5)); },
      "meeting as rank 0 of 2", "was not heard of");
}

}  // namespace
}  // namespace dexter
