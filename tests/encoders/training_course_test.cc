// Stages of a training, and documents mixed by the rarity of their labels.
#include "encoders/training_course.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "encoders/band_mixture.h"
#include "encoders/step_targets.h"
#include "encoders/training_state.h"
#include "tests/encoders/tiny_training.h"
#include "tests/support/expect_error.h"

namespace dexter {
namespace {

using ::testing::ElementsAre;
using testing::expect_error;
using testing::read_bytes;
using testing::TempDir;
using testing::TinyTraining;
using ::testing::UnorderedElementsAre;

TrainerOptions course_options(int pretrain_epochs, int epochs) {
  TrainerOptions options;
  options.pretrain_epochs = pretrain_epochs;
  options.epochs = epochs;
  options.batch = 10;
  options.warmup = 0.5;
  options.patience = 2;
  return options;
}

TEST(TrainingCourse, VisitsGuessedDocumentsFirstAndThenTheKnown) {
  const TrainingCourse course(course_options(2, 3), 25, 12, true);
  EXPECT_EQ(course.epochs(), 5);
  for (int epoch = 0; epoch < 5; ++epoch) {
    const auto [first, count] = course.rows_of(epoch);
    EXPECT_EQ(course.pretrains(epoch), epoch < 2);
    EXPECT_EQ(first, epoch < 2 ? 25u : 0u);
    EXPECT_EQ(count, epoch < 2 ? 12u : 25u);
    EXPECT_EQ(course.steps_of(epoch), epoch < 2 ? 2 : 3);
  }
}

TEST(TrainingCourse, TheRateRisesAndFallsInEachStage) {
  const TrainingCourse course(course_options(2, 3), 25, 12, true);  // 4 steps, then 9
  for (const std::int64_t first : {0, 4}) {
    const std::int64_t steps = first == 0 ? 4 : 9;
    EXPECT_LT(course.rate_share(first), course.rate_share(first + 1));
    EXPECT_GT(course.rate_share(first + steps / 2), course.rate_share(first + steps - 1));
    EXPECT_GT(course.rate_share(first + steps - 1), 0);
  }
  EXPECT_EQ(course.rate_share(13), 0);
  const TrainingCourse alone(course_options(2, 3), 25, 0, true);  // nothing guessed: one stage
  EXPECT_EQ(alone.epochs(), 3);
  EXPECT_EQ(alone.rate_share(9), 0);
}

TEST(TrainingCourse, PatienceWaitsForTrainingNotForPretraining) {
  const TrainingCourse course(course_options(3, 9), 25, 12, true);
  TrainingState state;
  const auto end_epoch = [&](double ndcg) {
    course.finish_epoch({.precision_at_1 = 1, .precision_at_5 = 2, .ndcg_at_5 = ndcg}, {.loss = 3},
                        state);
    return course.finished(state);
  };
  EXPECT_FALSE(end_epoch(9));
  for (int epoch = 2; epoch <= 4; ++epoch) EXPECT_FALSE(end_epoch(1)) << epoch;
  EXPECT_TRUE(end_epoch(1));
  EXPECT_TRUE(course.stopped_early(state));
  EXPECT_EQ(state.best_epoch, 1);
  ASSERT_EQ(state.history.size(), 5u);
  EXPECT_TRUE(state.history[2].pretraining);
  EXPECT_FALSE(state.history[3].pretraining);
  EXPECT_EQ(state.history[4].epoch, 5);
  EXPECT_EQ(state.history[4].validation_p5, 2);
}

TEST(TrainingState, IsReadAsItWasWritten) {
  TrainingState state{.epoch = 2, .step = 7, .best_epoch = 1, .best_ndcg = 0.5, .history = {}};
  state.history.push_back({.epoch = 1, .loss = 2, .chunk_tokens = 64, .pretraining = true});
  state.history.push_back(
      {.epoch = 2, .loss = 1, .waiting = 1.5, .band_shares = {0.125, 0.25, 0.625}});
  const TrainingState read = read_state(state_text(state));
  ASSERT_EQ(read.history.size(), 2u);
  EXPECT_TRUE(read.history[0].pretraining);
  EXPECT_EQ(read.history[0].chunk_tokens, 64u);
  EXPECT_FALSE(read.history[1].pretraining);
  EXPECT_EQ(read.history[1].band_shares, state.history[1].band_shares);
  EXPECT_EQ(read.history[1].waiting, 1.5);
  // A line as builds before stages wrote it.
  EXPECT_EQ(read_state("1 2 1 0.5\n1 2 3 4 5 6 7 8 9\n").history[0].chunk_tokens, 9u);
}

TEST(BandMixture, DrawsFromEachBandByItsShare) {
  const std::vector<std::uint32_t> frequency{1, 5, 6, 50, 51};
  const std::vector<std::vector<std::uint32_t>> documents{{0, 4}, {1}, {2}, {3, 4}, {4}, {4}};
  BandMixture mixture(documents, frequency);
  EXPECT_THAT(mixture.natural_shares(), ElementsAre(2 / 6.0F, 2 / 6.0F, 2 / 6.0F));
  std::mt19937_64 random(5);
  EXPECT_THAT(mixture.sample(1, 9, random), UnorderedElementsAre(2, 3));
  mixture.begin_epoch(random);
  const std::vector<std::uint32_t> all = mixture.draw(6000, std::vector{0.5F, 0.5F, 0.0F}, random);
  std::vector<int> drawn(6);
  for (const std::uint32_t row : all) ++drawn[row];
  EXPECT_THAT(drawn, ElementsAre(drawn[1], drawn[0], drawn[3], drawn[2], 0, 0))
      << "a band's documents come in turn";
  EXPECT_NEAR(drawn[0], 1500, 100);
  EXPECT_NEAR(drawn[2], 1500, 100);
}

TEST(BandMixture, MovesSharesToTheBandsWhoseGradientsAgree) {
  std::vector<float> shares{0.2F, 0.8F, 0};
  BandMixture::align(std::vector{0.5, 0.0, 0.9}, 2, shares);
  const double raised = 0.2 * std::exp(1.0);
  EXPECT_NEAR(shares[0], 0.9 * 0.2 + 0.1 * raised / (raised + 0.8), 1e-6);
  EXPECT_NEAR(shares[0] + shares[1], 1, 1e-6);
  EXPECT_EQ(shares[2], 0) << "an empty band stays empty";
}

// Documents with guessed labels: the tiny corpus's test part.
TinyTraining with_guesses() {
  TinyTraining training;
  training.set.guessed = tiny::test();
  training.options.pretrain_epochs = 3;
  training.options.epochs = 4;
  training.options.negatives = 3;
  training.options.hard_negatives = 2;
  training.neighbours = testing::brute_force_neighbours;
  return training;
}

TinyTraining mixed() {
  TinyTraining training;
  training.set.validation = tiny::test();
  training.options.mixing = "aligned";
  training.options.mixing_steps = 2;
  training.options.mixing_rate = 20;
  training.options.epochs = 5;
  training.options.patience = 0;
  // One label is so frequent that its documents are a band of their own.
  for (int i = 0; i < 60; ++i) {
    Example copy = training.set.train[0];
    copy.text.append(" ").append(std::to_string(i));
    training.set.train.push_back(std::move(copy));
  }
  return training;
}

// Clusters found in another epoch than the one resumed from.
TinyTraining with_label_clusters() {
  TinyTraining training;
  training.options.free_cluster = 4;
  training.options.epochs = 5;
  training.options.patience = 0;
  return training;
}

TEST(Trainer, LearnsGuessedLabelsBeforeTheKnown) {
  const TempDir folder;
  const TinyTraining training = with_guesses();
  const TrainReport report = training.run(folder.path());
  ASSERT_EQ(report.history.size(), 7u);
  for (const EpochRecord& epoch : report.history)
    EXPECT_EQ(epoch.pretraining, epoch.epoch <= 3) << epoch.epoch;
  const auto encoder = load_encoder(folder.path(), report.encoder.file);
  EXPECT_GE(testing::precision_at_1(*encoder, training.set.labels, training.set.train), 95);
  TinyTraining guesses_alone = training;
  guesses_alone.options.epochs = 0;
  guesses_alone.options.pretrain_epochs = 8;
  const auto pretrained =
      load_encoder(folder.path(), guesses_alone.run(folder.path(), "pretrained").encoder.file);
  EXPECT_EQ(testing::precision_at_1(*pretrained, training.set.labels, training.set.guessed), 100);
}

TEST(Trainer, MovesTheSharesOfBands) {
  const TempDir folder;
  const TinyTraining training = mixed();
  std::vector<std::vector<std::uint32_t>> positives;
  for (const Example& example : training.set.train) positives.push_back(label_rows(example));
  const std::size_t labels = training.set.labels.size();
  const std::vector<std::uint32_t> frequency = label_frequency(positives, labels);
  for (std::uint32_t label = 0; label < labels; ++label) positives.push_back({label});
  const BandMixture::Shares natural = BandMixture(positives, frequency).natural_shares();
  const TrainReport report = training.run(folder.path());
  // Later epochs have little left to learn, and their gradients no direction.
  const auto& shares = report.history.front().band_shares;
  EXPECT_NEAR(std::accumulate(shares.begin(), shares.end(), 0.0), 1, 1e-5);
  EXPECT_GT(shares[2], 0);
  EXPECT_LT(shares[2], natural[2] - 0.1F) << "held-out documents have rare labels";
  const auto encoder = load_encoder(folder.path(), report.encoder.file);
  EXPECT_GE(testing::precision_at_1(*encoder, tiny::labels(), tiny::train()), 95);
}

TEST(Trainer, ResumesWithinStagesAndMixtures) {
  for (TinyTraining training : {with_guesses(), mixed(), with_label_clusters()})
    for (const int cut : {2, 4}) {
      const TempDir whole, stopped;
      training.progress.stop = {};
      training.on_epoch = [](const EpochRecord&) {};
      training.checkpoint = whole / "checkpoint";
      training.run(whole.path());
      std::stop_source stop;
      training.checkpoint = stopped / "checkpoint";
      training.progress.stop = stop.get_token();
      training.on_epoch = [&](const EpochRecord& record) {
        if (record.epoch == cut) stop.request_stop();
      };
      expect_error(
          ErrorKind::kInterrupted, [&] { training.run(stopped.path()); }, "training");
      training.progress.stop = {};
      training.run(stopped.path(), "encoder", /*resume=*/true);
      EXPECT_EQ(read_bytes(stopped / "encoder"), read_bytes(whole / "encoder")) << cut;
    }
}

TEST(Trainer, SaysWhatMixingLacks) {
  const TempDir folder;
  const auto refused = [&](const TinyTraining& training, const char* part) {
    expect_error(
        ErrorKind::kInvalidInput, [&] { training.run(folder.path()); }, part);
  };
  TinyTraining training = mixed();
  training.set.validation.clear();
  refused(training, "of the 0 held-out documents none");
  training = mixed();
  training.options.batches = "clustered";
  refused(training, "choose one of them");
  training.options.mixing = "evenly";
  refused(training, "train.mixing is \"evenly\"");
}

}  // namespace
}  // namespace dexter
