// The learnt vectors of labels: one each, one that a cluster shares, both, and neither.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "encoders/bag_model.h"
#include "tests/encoders/tiny_training.h"
#include "tests/support/expect_error.h"

namespace dexter {
namespace {

using testing::expect_error;
using testing::TempDir;
using testing::TinyTraining;
using Vector = std::vector<float>;

constexpr std::size_t kUntrained = 11;  // the label without training documents

TinyTraining training_with(bool own, int cluster) {
  TinyTraining training;
  training.options.free_vectors = own;
  training.options.free_cluster = cluster;
  return training;
}

// By label, as saved.
std::vector<Vector> free_vectors(const TinyTraining& training) {
  const TempDir folder;
  const BagModel model = BagModel::load(folder.path(), training.run(folder.path()).encoder.file);
  const auto width = static_cast<std::ptrdiff_t>(model.width());
  const Vector& all = model.blocks[0].free_vectors;
  std::vector<Vector> vectors;
  for (auto at = all.begin(); at != all.end(); at += width) vectors.emplace_back(at, at + width);
  EXPECT_EQ(vectors.size(), training.set.labels.size());
  return vectors;
}

bool is_zero(const Vector& vector) {
  return std::ranges::all_of(vector, [](float value) { return value == 0; });
}

std::vector<int> sizes_of_alike(const std::vector<Vector>& vectors) {
  std::map<Vector, int> counts;
  for (const Vector& vector : vectors) ++counts[vector];
  std::vector<int> sizes;
  for (const auto& [vector, count] : counts) sizes.push_back(count);
  std::ranges::sort(sizes);
  return sizes;
}

TEST(FreeVectors, AreSharedByAClusterOfAnySize) {
  EXPECT_EQ(sizes_of_alike(free_vectors(training_with(false, 4))), (std::vector{4, 4, 4}));
  EXPECT_EQ(sizes_of_alike(free_vectors(training_with(false, 5))), (std::vector{2, 5, 5}));
  EXPECT_EQ(sizes_of_alike(free_vectors(training_with(false, 1000))), (std::vector{12}));
}

TEST(FreeVectors, ReachLabelsWithoutDocumentsThroughTheirClusterAlone) {
  const std::vector<Vector> shared = free_vectors(training_with(false, 4));
  EXPECT_FALSE(is_zero(shared[kUntrained]));
  const std::vector<Vector> own = free_vectors(training_with(true, 0));
  EXPECT_TRUE(is_zero(own[kUntrained]));
  EXPECT_EQ(sizes_of_alike(own), std::vector<int>(12, 1));
  const std::vector<Vector> both = free_vectors(training_with(true, 4));
  EXPECT_FALSE(is_zero(both[kUntrained]));
  EXPECT_EQ(sizes_of_alike(both), std::vector<int>(12, 1));
  EXPECT_TRUE(std::ranges::all_of(free_vectors(training_with(false, 0)), is_zero));
}

// Clusters are found by what the first epoch has learnt.
TEST(FreeVectors, AreNotSharedInTheFirstEpoch) {
  TinyTraining training = training_with(false, 4);
  training.options.epochs = 1;
  EXPECT_TRUE(std::ranges::all_of(free_vectors(training), is_zero));
}

TEST(FreeVectors, LearnTheTrainingTexts) {
  for (const bool sparse : {false, true})
    for (const bool own : {false, true}) {
      if (sparse && !own) continue;  // nothing would tell the labels of a cluster apart
      TinyTraining training = training_with(own, 3);
      if (sparse) training.set = testing::sparse_set();
      training.options.epochs = sparse ? 15 : 8;
      const TempDir folder;
      const auto encoder = load_encoder(folder.path(), training.run(folder.path()).encoder.file);
      EXPECT_GE(testing::precision_at_1(*encoder, training.set.labels, training.set.train), 95)
          << sparse << own;
    }
}

TEST(FreeVectors, SayThatOneLabelIsNoCluster) {
  expect_error(
      ErrorKind::kInvalidInput, [] { training_with(false, 1).options.validate(); },
      "train.free_cluster is 1", "train.free_vectors");
  expect_error(
      ErrorKind::kInvalidInput, [] { training_with(false, -2).options.validate(); },
      "train.free_cluster is -2", "0 to");
}

}  // namespace
}  // namespace dexter
