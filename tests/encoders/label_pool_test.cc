// Which labels a training step scores, and with what weights.
#include "encoders/label_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "encoders/step_targets.h"

namespace dexter {
namespace {

using Positives = std::vector<std::vector<std::uint32_t>>;

// Label l < 20 in every (l + 2)-nd document, and a rare label of its own.
Positives skewed_positives(std::uint32_t documents) {
  Positives all(documents);
  for (std::uint32_t d = 0; d < documents; ++d) {
    for (std::uint32_t l = 0; l < 20; ++l)
      if (d % (l + 2) == 0) all[d].push_back(l);
    all[d].push_back(100 + d);
  }
  return all;
}

void expect_consistent(const LabelPool& pool, std::uint32_t label_count) {
  std::vector<char> inside(label_count);
  for (std::uint32_t j = 0; j < pool.labels().size(); ++j) {
    ASSERT_LT(pool.labels()[j], label_count);
    ASSERT_FALSE(inside[pool.labels()[j]]) << "a label twice";
    inside[pool.labels()[j]] = 1;
    ASSERT_EQ(pool.column(pool.labels()[j]), j);
  }
  for (std::uint32_t label = 0; label < label_count; ++label)
    ASSERT_EQ(inside[label] == 0, pool.column(label) == LabelPool::kNone);
}

TEST(LabelPool, HoldsThePositivesAndTheirNeighbours) {
  const Positives positives = skewed_positives(200);
  constexpr std::uint32_t kLabels = 4000;
  LabelPool pool(kLabels, positives);
  std::vector<std::uint32_t> neighbours(2 * kLabels, LabelPool::kNone);
  for (std::uint32_t l = 0; l < kLabels; l += 2) neighbours[2 * l] = kLabels - 1 - l;
  pool.set_neighbours(neighbours, 2);
  std::mt19937_64 random(3);
  for (const std::vector<std::uint32_t>& documents :
       {std::vector<std::uint32_t>{0}, {5, 6, 7}, {199, 0, 60, 60}}) {
    pool.fill(documents, 50, random);
    expect_consistent(pool, kLabels);
    EXPECT_GE(pool.labels().size(), 50u);
    EXPECT_EQ(pool.offsets().size(), pool.labels().size());
    for (const std::uint32_t d : documents)
      for (const std::uint32_t l : positives[d]) {
        EXPECT_NE(pool.column(l), LabelPool::kNone);
        if (l % 2 == 1) continue;
        EXPECT_NE(pool.column(kLabels - 1 - l), LabelPool::kNone);
      }
  }
}

TEST(LabelPool, OfAFewLabelsHoldsThemAllAtMost) {
  const Positives positives{{0, 2}, {1}};
  LabelPool pool(5, positives);
  std::mt19937_64 random(1);
  pool.fill(std::vector<std::uint32_t>{0, 1}, 1000, random);
  expect_consistent(pool, 5);
  EXPECT_EQ(pool.labels().size(), 5u);
  for (const float offset : pool.offsets()) EXPECT_NEAR(offset, 0, 1e-6);  // all but certain
}

TEST(LabelPool, FilledWithAllHoldsEveryLabelInOrder) {
  const Positives positives{{0, 2}, {1}};
  LabelPool pool(700, positives);
  std::mt19937_64 random(1);
  pool.fill(std::vector<std::uint32_t>{1}, 10, random);
  pool.fill_with_all();
  expect_consistent(pool, 700);
  EXPECT_EQ(pool.labels().size(), 700u);
  EXPECT_EQ(pool.labels()[42], 42u);
  EXPECT_TRUE(pool.offsets().empty());
}

TEST(LabelPool, OfABatchAloneHoldsItsPositivesAndNoOthers) {
  const Positives positives{{0, 2}, {1, 2}, {4}};
  LabelPool pool(6, positives);
  pool.fill_with_all();
  pool.fill_with_own(std::vector<std::uint32_t>{1, 2});
  expect_consistent(pool, 6);
  EXPECT_THAT(pool.labels(), ::testing::ElementsAre(1, 2, 4));
  EXPECT_TRUE(pool.offsets().empty());
}

TEST(LabelPool, RepeatsFromOneSeed) {
  const Positives positives = skewed_positives(100);
  LabelPool a(3000, positives), b(3000, positives);
  std::mt19937_64 random_a(5), random_b(5), random_c(6);
  const std::vector<std::uint32_t> documents{1, 2, 3};
  a.fill(documents, 600, random_a);
  b.fill(documents, 600, random_b);
  EXPECT_TRUE(std::equal(a.labels().begin(), a.labels().end(), b.labels().begin()));
  b.fill(documents, 600, random_c);
  EXPECT_FALSE(a.labels().size() == b.labels().size() &&
               std::equal(a.labels().begin(), a.labels().end(), b.labels().begin()));
}

// exp(-offset) is how often the label is in the pool, over many random batches.
TEST(LabelPool, OffsetsAreMinusTheLogarithmOfTheInclusionProbability) {
  constexpr std::uint32_t kDocuments = 240, kLabels = 1500, kBatch = 6;
  constexpr int kTrials = 2500;
  const Positives positives = skewed_positives(kDocuments);
  for (const bool with_neighbours : {false, true}) {
    LabelPool pool(kLabels, positives);
    if (with_neighbours) {
      std::vector<std::uint32_t> neighbours(kLabels, LabelPool::kNone);
      for (std::uint32_t l = 0; l < 20; ++l) neighbours[l] = 1000 + l;
      pool.set_neighbours(neighbours, 1);
    }
    std::mt19937_64 random(17);
    std::vector<std::uint32_t> order(kDocuments);
    std::iota(order.begin(), order.end(), 0u);
    std::vector<double> seen(kLabels), claimed(kLabels);
    for (int trial = 0; trial < kTrials; ++trial) {
      std::shuffle(order.begin(), order.end(), random);
      pool.fill(std::span(order).first(kBatch), 200, random);
      for (std::size_t j = 0; j < pool.labels().size(); ++j) {
        seen[pool.labels()[j]] += 1;
        claimed[pool.labels()[j]] += std::exp(-static_cast<double>(pool.offsets()[j]));
      }
    }
    for (std::uint32_t l = 0; l < kLabels; ++l)
      ASSERT_NEAR(seen[l] / kTrials, claimed[l] / seen[l], 0.05) << l;
    const auto mean = [&](std::uint32_t first, std::uint32_t last) {
      double frequency = 0, claim = 0;
      for (std::uint32_t l = first; l < last; ++l) {
        frequency += seen[l] / kTrials / (last - first);
        claim += claimed[l] / seen[l] / (last - first);
      }
      return std::pair(frequency, claim);
    };
    const auto [rare, rare_claim] = mean(400, 1000);  // only ever sampled
    EXPECT_NEAR(rare, rare_claim, 0.005);
    const auto [own, own_claim] = mean(100, 340);  // in one document each
    EXPECT_NEAR(own, own_claim, 0.01);
    EXPECT_GT(own, rare + 0.01);
    const auto [beside, beside_claim] = mean(1000, 1020);
    EXPECT_NEAR(beside, beside_claim, 0.03);
    EXPECT_EQ(beside > rare + 0.1, with_neighbours);
    EXPECT_GT(seen[0] / kTrials, 0.9);
  }
}

struct Chooser {
  Positives positives = skewed_positives(200);
  LossOptions loss{.name = "decoupled_softmax", .temperature = 0.05, .logit_adjustment = 0.5};
  TrainerOptions training = [] {
    TrainerOptions options;
    options.negatives = 50;
    return options;
  }();
  static constexpr std::size_t kLabels = 4000;

  StepTargets choose(std::span<const std::uint32_t> documents, bool own_first = false) const {
    const std::vector<std::uint32_t> frequency = label_frequency(positives, kLabels);
    TargetChooser chooser(loss, make_loss(loss)->needs(), training, positives, frequency);
    std::mt19937_64 random(3);
    return chooser.choose(documents, random, own_first);
  }
};

TEST(TargetChooser, NamesThePlacesOfPositivesAndWhatIsAddedToScores) {
  Chooser given;
  const std::vector<std::uint32_t> documents{7, 60, 0};
  const StepTargets targets = given.choose(documents);
  EXPECT_LT(targets.labels.size(), Chooser::kLabels);
  ASSERT_EQ(targets.columns.size(), documents.size());
  for (std::size_t i = 0; i < documents.size(); ++i) {
    std::vector<std::uint32_t> named;
    for (const std::uint32_t column : targets.columns[i]) named.push_back(targets.labels[column]);
    EXPECT_EQ(named, given.positives[documents[i]]);
  }
  const std::vector<std::uint32_t> frequency = label_frequency(given.positives, Chooser::kLabels);
  EXPECT_EQ(frequency[0], 100u);
  EXPECT_EQ(frequency[100], 1u);
  ASSERT_EQ(targets.adjustments.size(), targets.labels.size());
  for (std::size_t j = 0; j < targets.labels.size(); ++j)
    EXPECT_FLOAT_EQ(targets.adjustments[j],
                    0.5F * std::log1p(static_cast<float>(frequency[targets.labels[j]])));
  given.loss.logit_adjustment = 0;
  const StepTargets plain = given.choose(documents);
  EXPECT_TRUE(plain.adjustments.empty());
  ASSERT_EQ(plain.labels, targets.labels);
  for (std::size_t j = 0; j < plain.labels.size(); ++j)
    EXPECT_FLOAT_EQ(plain.offsets[j] + targets.adjustments[j], targets.offsets[j]);
}

TEST(TargetChooser, TakesAllLabelsOrTheBatchsOwn) {
  Chooser given;
  const std::vector<std::uint32_t> documents{7, 60};
  given.training.negatives = 0;
  const StepTargets all = given.choose(documents);
  EXPECT_EQ(all.labels.size(), Chooser::kLabels);
  EXPECT_EQ(all.labels.front(), 0u);
  const StepTargets own_first = given.choose(documents, true);
  EXPECT_EQ(own_first.labels.size(), Chooser::kLabels);
  EXPECT_EQ(std::vector(own_first.labels.begin(),
                        own_first.labels.begin() + static_cast<std::ptrdiff_t>(own_first.own)),
            [&] {
              std::vector<std::uint32_t> labels = given.positives[7];
              for (const std::uint32_t label : given.positives[60])
                if (std::count(labels.begin(), labels.end(), label) == 0) labels.push_back(label);
              return labels;
            }());
  given.loss.name = "in_batch";
  const StepTargets own = given.choose(documents);
  EXPECT_EQ(own.labels.size(), own_first.own);
}

}  // namespace
}  // namespace dexter
