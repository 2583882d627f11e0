// Encoders of several stores to one of a store.
#include "engine/merging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "engine/history.h"
#include "tests/engine/tiny_store.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace dexter {
namespace {

using testing::expect_error;

class Merging : public ::testing::Test {
 protected:
  // Stores of the tiny corpus, trained with other seeds.
  Merging() {
    for (std::uint64_t i = 0; i < 2; ++i) {
      std::filesystem::create_directory(folder_ / std::to_string(i));
      stores_.push_back(tiny::import_store(folder_ / std::to_string(i)));
      train_store(stores_.back(), i + 1, 0.3);
    }
  }
  static void train_store(const std::filesystem::path& store, std::uint64_t seed, double held_out) {
    Config config = tiny::config();
    config.encoder.hidden = 0;
    config.train.seed = seed;
    config.train.validation_fraction = held_out;
    Catalog catalog = Catalog::open(store, OpenMode::kWrite);
    train(catalog, config, /*resume=*/false, {}, {});
  }
  MergeReport merge_all(const MergeOptions& options) const {
    Catalog catalog = Catalog::open(stores_[0], OpenMode::kWrite);
    return merge(catalog, stores_, options, {});
  }

  testing::TempDir folder_;
  std::vector<std::filesystem::path> stores_;
};

TEST_F(Merging, CommitsTheEncoderOfTheSharesGiven) {
  const MergeReport equal = merge_all({});
  EXPECT_THAT(equal.weights, ::testing::ElementsAre(0.5, 0.5));
  EXPECT_TRUE(equal.figures.empty());
  const Catalog catalog = Catalog::open(stores_[0], OpenMode::kRead);
  EXPECT_EQ(catalog.manifest().trained->fingerprint, equal.encoder.fingerprint);
  EXPECT_EQ(catalog.manifest().trained->corpus, catalog.manifest().corpus->number);
  EXPECT_TRUE(training_history(catalog).history.empty());
}

TEST_F(Merging, LearnsSharesAndTellsWhatEachReaches) {
  const MergeReport report = merge_all({.method = "lerp", .learn = true});
  EXPECT_NEAR(report.weights[0] + report.weights[1], 1, 1e-9);
  EXPECT_GT(report.learnt_on, 1u);
  std::vector<std::string> names;
  for (const MergeFigure& figure : report.figures) {
    names.push_back(figure.name);
    EXPECT_GT(figure.score.ndcg_at_5, 20) << figure.name;
  }
  EXPECT_THAT(names, ::testing::ElementsAre("1", "2", "equal", "learnt"));
}

TEST_F(Merging, SaysWhatItLacks) {
  expect_error(
      ErrorKind::kInvalidInput,
      [&] {
        merge_all({.weights = {1, 1}, .learn = true});
      },
      "leave one out");
  expect_error(
      ErrorKind::kInvalidInput,
      [&] {
        merge_all({.weights = {1, 1, 1}});
      },
      "3 weights were given");
  for (const std::filesystem::path& store : stores_) train_store(store, 1, 0);
  expect_error(
      ErrorKind::kInvalidInput, [&] { merge_all({.learn = true}); }, "validation_fraction 0",
      "give weights");
  std::filesystem::create_directory(folder_ / "2");
  stores_[1] = tiny::import_store(folder_ / "2");
  expect_error(
      ErrorKind::kNotFound, [&] { merge_all({}); }, "has no encoder", "dexter train");
}

}  // namespace
}  // namespace dexter
