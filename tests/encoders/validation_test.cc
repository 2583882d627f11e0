// The precision of a validation, by hand.
#include "encoders/validation.h"

#include <gtest/gtest.h>

#include <random>

namespace dexter {
namespace {

constexpr int kDim = 16;

// Row i is the unit vector of axis axes[i].
std::vector<float> axes(std::initializer_list<std::size_t> rows) {
  std::vector<float> vectors(rows.size() * kDim);
  std::size_t i = 0;
  for (const std::size_t axis : rows) vectors[i++ * kDim + axis] = 1;
  return vectors;
}

TEST(Validation, CountsHitsByHand) {
  const std::vector<float> documents = axes({0, 1, 2}), labels = axes({0, 1, 2, 3, 4, 5});
  // The document's own axis scores 1, the others tie at 0 and go by row. Document 0: 0 hits. 1: top
  // is 1, then 0 hits. 2: top 2 hits, and 5 comes sixth. Hits at 1: two of three; within 5: three
  // of fifteen.
  const ValidationScore score =
      validate(documents.data(), 3, labels.data(), 6, kDim, {{0}, {0}, {2, 5}});
  EXPECT_DOUBLE_EQ(score.precision_at_1, 200.0 / 3);
  EXPECT_DOUBLE_EQ(score.precision_at_5, 300.0 / 15);
  // nDCG: 1, then 1/log2(3) = 0.6309, then 1 / (1 + 1/log2(3)) = 0.6131.
  EXPECT_NEAR(score.ndcg_at_5, 100 * (1 + 0.63093 + 0.61315) / 3, 1e-3);
}

TEST(Validation, TiesGoToTheLowerRow) {
  const std::vector<float> documents = axes({9}), labels = axes({0, 1, 2, 3, 4, 5, 6});
  const auto score = [&](std::vector<std::uint32_t> positives) {
    return validate(documents.data(), 1, labels.data(), 7, kDim, {positives});
  };
  EXPECT_EQ(score({0}).precision_at_1, 100);
  EXPECT_EQ(score({1}).precision_at_1, 0);
  EXPECT_EQ(score({4}).precision_at_5, 20);
  EXPECT_EQ(score({5}).precision_at_5, 0);
}

TEST(Validation, OfFewerLabelsThanFiveOrNoDocument) {
  const std::vector<float> documents = axes({0, 1}), labels = axes({0, 1});
  const ValidationScore score =
      validate(documents.data(), 2, labels.data(), 2, kDim, {{0}, {0, 1}});
  EXPECT_EQ(score.precision_at_1, 100);
  EXPECT_EQ(score.precision_at_5, 30);  // three hits of ten
  EXPECT_EQ(validate(documents.data(), 0, labels.data(), 2, kDim, {}).precision_at_1, 0);
}

TEST(Validation, ADocumentWithoutLabelsCountsAsAMiss) {
  const std::vector<float> documents = axes({0, 1}), labels = axes({0, 1});
  EXPECT_EQ(validate(documents.data(), 2, labels.data(), 2, kDim, {{0}, {}}).precision_at_1, 50);
}

// 300 x 70,000 scores are computed in more than one piece; 100 x 70,000 are not.
TEST(Validation, IsTheSameInPieces) {
  constexpr std::size_t kDocuments = 300, kLabels = 70'000, kGroup = 100;
  std::mt19937_64 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> labels(kLabels * kDim), documents(kDocuments * kDim);
  for (float& value : labels) value = normal(random);
  std::vector<std::vector<std::uint32_t>> positives;
  for (std::size_t i = 0; i < kDocuments; ++i) {
    const auto own = static_cast<std::uint32_t>(random() % kLabels);
    positives.push_back({own});
    for (std::size_t c = 0; c < kDim; ++c)  // near its label, but not always nearest to it
      documents[i * kDim + c] = labels[own * kDim + c] + 0.5F * normal(random);
  }
  const ValidationScore whole =
      validate(documents.data(), kDocuments, labels.data(), kLabels, kDim, positives);
  double first = 0, five = 0;
  for (std::size_t at = 0; at < kDocuments; at += kGroup) {
    const auto begin = positives.begin() + static_cast<std::ptrdiff_t>(at);
    const ValidationScore part = validate(documents.data() + at * kDim, kGroup, labels.data(),
                                          kLabels, kDim, {begin, begin + kGroup});
    first += part.precision_at_1 / 3;
    five += part.precision_at_5 / 3;
  }
  EXPECT_NEAR(whole.precision_at_1, first, 1e-9);
  EXPECT_NEAR(whole.precision_at_5, five, 1e-9);
  EXPECT_GT(whole.precision_at_1, 5);
  EXPECT_LT(whole.precision_at_1, 95);
}

}  // namespace
}  // namespace dexter
