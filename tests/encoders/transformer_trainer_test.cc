// Fine-tuning a transformer of two layers on texts of its 17 word pieces.
#include "encoders/transformer_trainer.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <random>

#include "tests/encoders/tiny_training.h"
#include "tests/encoders/tiny_transformer.h"
#include "tests/support/expect_error.h"

namespace dexter {
namespace {

using testing::expect_error;
using testing::TempDir;

// Labels are named by a word that their documents hold.
TrainingSet word_set() {
  TrainingSet set;
  const std::vector<std::string> words{"un", "cafe", "i", "a", "中"};
  for (std::uint32_t l = 0; l < words.size(); ++l)
    set.labels.push_back({LabelId{l}, words[l], words[l], words[l]});
  for (std::uint32_t l = 0; l < words.size(); ++l)
    for (const auto& [before, after] : std::vector<std::pair<std::string, std::string>>{
             {"", " ,"}, {"", " !"}, {"! ", ""}, {", ", ""}})
      set.train.push_back({.key = std::to_string(set.train.size()),
                           .text = before + words[l] + after,
                           .labels = {LabelId{l}},
                           .excluded = {}});
  return set;
}

// The tiny model with random weights: those by formula lie in few dimensions and learn slowly.
std::string random_weights() {
  std::mt19937 random(3);
  std::uniform_real_distribution<float> uniform(-0.5F, 0.5F);
  std::vector<FloatTensor> tensors;
  for (const ParameterInfo& info :
       parameters_of(read_shape(testing::tiny_config(Family::kBert), "tiny"))) {
    FloatTensor tensor{info.name, info.shape, {}};
    std::int64_t count = 1;
    for (const std::int64_t size : info.shape) count *= size;
    for (std::int64_t i = 0; i < count; ++i)
      tensor.values.push_back(info.name.ends_with("orm.weight") ? 1 : uniform(random));
    tensors.push_back(std::move(tensor));
  }
  return write_safetensors(tensors);
}

struct Training {
  TempDir folder;
  TransformerOptions transformer{.learning_rate = 0.005};
  LossOptions loss{.name = "decoupled_softmax", .temperature = 0.1, .logit_adjustment = 0};
  TrainerOptions options = testing::TinyTraining().options;
  TrainingSet set = word_set();
  std::filesystem::path checkpoint;
  std::function<void(const EpochRecord&)> on_epoch = [](const EpochRecord&) {};
  Progress progress;
  const Teacher* teacher = nullptr;

  Training() {
    testing::write_tiny_checkpoint(folder / "weights");
    testing::write_bytes(folder / "weights/model.safetensors", random_weights());
    transformer.weights = (folder / "weights").string();
    options.epochs = 20;
  }
  TrainReport run(bool resume = false) const {
    const auto neighbours = [](EmbeddingView vectors, int k) {
      return testing::brute_force_neighbours(vectors, k);
    };
    return train_transformer(transformer, loss, options, set,
                             {folder.path(), "encoder", checkpoint}, resume, neighbours, on_epoch,
                             progress, /*ranks=*/nullptr, teacher);
  }
  std::unique_ptr<Encoder> trained() const {
    return load_encoder(folder.path(), run().encoder.file);
  }
};

TEST(TransformerTrainer, LearnsToFindTheLabels) {
  const Training training;
  const auto before = load_encoder(
      training.folder.path(),
      adopt_transformer(training.transformer, training.folder.path(), "before").encoder.file);
  const TrainReport report = training.run();
  const auto after = load_encoder(training.folder.path(), report.encoder.file);
  EXPECT_EQ(report.encoder.kind, "transformer");
  EXPECT_EQ(report.encoder.dim, 16);
  ASSERT_EQ(report.history.size(), 20u);
  EXPECT_LT(report.history.back().loss, 0.5 * report.history.front().loss);
  EXPECT_LT(testing::precision_at_1(*before, training.set.labels, training.set.train), 90);
  EXPECT_EQ(testing::precision_at_1(*after, training.set.labels, training.set.train), 100);
}

TEST(TransformerTrainer, LearnsFromEveryLoss) {
  for (const LossKind& row : loss_kinds()) {
    Training training;
    training.loss.name = row.name;
    // This tower's vectors begin so alike that comic would take every label as found.
    training.loss.correction = 1;
    const auto encoder = training.trained();
    EXPECT_GE(testing::precision_at_1(*encoder, training.set.labels, training.set.train), 95)
        << row.name;
  }
}

TEST(TransformerTrainer, LearnsToPoolLayersAndToProject) {
  struct Case {
    const char* pooling;
    int projection;
    std::size_t tensors;
  };
  for (const auto& [pooling, projection, tensors] :
       {Case{"layers", 0, 1}, {"attention", 0, 4}, {"mean", 12, 2}}) {
    Training training;
    training.transformer.pooling = pooling;
    training.transformer.projection = projection;
    const auto encoder = training.trained();
    EXPECT_EQ(encoder->dim(), projection > 0 ? projection : 16);
    EXPECT_EQ(testing::precision_at_1(*encoder, training.set.labels, training.set.train), 100);
    // What is saved has learnt; a checkpoint of the same pooling would be read back.
    const SectionFileReader file(training.folder / "encoder", "encoder", 1);
    const TransformerShape shape = shape_of(training.transformer, file.text("config"));
    const auto pooled_by = [&](std::string_view weights) {
      std::vector<FloatTensor> own =
          read_parameters(shape, SafetensorsReader(std::as_bytes(std::span(weights)), "tiny"),
                          pooling_named(training.transformer.pooling));
      std::erase_if(own, [](const FloatTensor& t) {
        return !t.name.starts_with("pooling.") && !t.name.starts_with("projection.");
      });
      return own;
    };
    const auto before = pooled_by(random_weights()), after = pooled_by(file.text("weights"));
    ASSERT_EQ(before.size(), tensors);
    for (std::size_t i = 0; i < before.size(); ++i)
      EXPECT_NE(before[i].values, after[i].values) << before[i].name;
  }
}

std::vector<float> values_of(const EmbeddingMatrix& rows) {
  return {rows.data(), rows.data() + rows.rows() * static_cast<std::size_t>(rows.dim())};
}

TEST(TransformerTrainer, LearnsSeparateTowers) {
  for (const char* loss : {"decoupled_softmax", "in_batch"}) {
    Training training;
    training.loss.name = loss;
    training.transformer.towers = "separate";
    const TrainReport report = training.run();
    const auto encoder = load_encoder(training.folder.path(), report.encoder.file);
    EXPECT_GE(testing::precision_at_1(*encoder, training.set.labels, training.set.train), 95);
    const auto& labels = training.set.labels;
    std::vector<std::string> texts;
    for (const Label& label : labels) texts.push_back(label.text);
    const auto as_documents = values_of(encoder->encode(texts)),
               as_labels = values_of(encoder->encode_labels(labels));
    EXPECT_NE(as_documents, as_labels);
    // Each tower is exported as a checkpoint of its own.
    const std::filesystem::path out = training.folder / "out";
    export_transformer(training.folder.path(), report.encoder.file, out);
    std::size_t parameters = 0;
    for (const auto& [side, expected] :
         {std::pair{"documents", as_documents}, {"labels", as_labels}}) {
      const TrainReport again =
          adopt_transformer({.weights = (out / side).string()}, training.folder.path(), side);
      const auto alone = load_encoder(training.folder.path(), again.encoder.file);
      EXPECT_EQ(values_of(alone->encode(texts)), expected) << side;
      parameters += alone->parameter_count();
    }
    EXPECT_EQ(encoder->parameter_count(), parameters);
  }
}

TEST(TransformerTrainer, LearnsFromSampledAndHardNegativesInSmallChunksOfClusters) {
  Training training;
  training.options.negatives = 2;
  training.options.hard_negatives = 1;
  training.options.batch = 4;
  training.options.batches = "clustered";
  training.options.cluster = 2;
  training.transformer.chunk_tokens = 16;
  training.transformer.dropout = 0.05;
  const auto encoder = training.trained();
  EXPECT_GE(testing::precision_at_1(*encoder, training.set.labels, training.set.train), 90);
}

TEST(TransformerTrainer, ChecksThePrefixesThatShallWorkAlone) {
  Training training;
  for (const char* wrong : {"4,x", "0", "4 8", "16"}) {
    training.transformer.prefix_dims = wrong;
    expect_error(
        ErrorKind::kInvalidInput, [&] { training.run(); }, "transformer.prefix_dims");
  }
  training.transformer.prefix_dims = "4,8";
  training.options.epochs = 1;
  EXPECT_EQ(training.run().history.size(), 1u);
  training.transformer.projection = 8;
  expect_error(
      ErrorKind::kInvalidInput, [&] { training.run(); }, "has 8, but a vector has 8 dimensions");
  training.transformer.prefix_dims = "4";
  EXPECT_EQ(training.run().history.size(), 1u);
}

TEST(TransformerTrainer, KeepsTheBestEpochOfTheValidationPart) {
  Training training;
  training.set.validation = training.set.train;
  training.options.patience = 2;
  training.options.epochs = 30;
  training.checkpoint = training.folder / "checkpoint";
  const TrainReport report = training.run();
  EXPECT_GT(report.best_epoch, 0);
  EXPECT_EQ(report.history[static_cast<std::size_t>(report.best_epoch) - 1].validation_p1, 100);
  EXPECT_TRUE(report.stopped_early);
}

void expect_resumed_as_uninterrupted(const std::string& towers, bool stale_labels) {
  Training whole, stopped;
  whole.transformer.stale_labels = stopped.transformer.stale_labels = stale_labels;
  whole.transformer.towers = stopped.transformer.towers = towers;
  whole.options.epochs = stopped.options.epochs = 4;
  whole.transformer.dropout = stopped.transformer.dropout = 0.1;
  whole.options.negatives = stopped.options.negatives = 3;
  whole.transformer.projection = stopped.transformer.projection = 12;
  const std::string expected = whole.run().encoder.fingerprint;
  std::stop_source stop;
  stopped.checkpoint = stopped.folder / "checkpoint";
  stopped.progress.stop = stop.get_token();
  // Called before the epoch's checkpoint is written, so the stop comes in the third epoch.
  stopped.on_epoch = [&](const EpochRecord& record) {
    if (record.epoch == 2) stop.request_stop();
  };
  expect_error(
      ErrorKind::kInterrupted, [&] { stopped.run(); }, "training");
  stopped.progress.stop = {};
  stopped.on_epoch = [](const EpochRecord&) {};
  Training other;
  other.checkpoint = stopped.checkpoint;
  expect_error(
      ErrorKind::kIncompatible, [&] { other.run(/*resume=*/true); }, "other options");
  const TrainReport report = stopped.run(/*resume=*/true);
  EXPECT_TRUE(report.resumed);
  EXPECT_EQ(report.history.size(), 4u);
  EXPECT_EQ(report.encoder.fingerprint, expected);
}

TEST(TransformerTrainer, AResumedRunEndsAsTheUninterruptedOne) {
  for (const char* towers : {"shared", "separate"}) {
    SCOPED_TRACE(towers);
    expect_resumed_as_uninterrupted(towers, /*stale_labels=*/false);
    expect_resumed_as_uninterrupted(towers, /*stale_labels=*/true);
  }
}

TEST(TransformerTrainer, StaleLabelsBeginAsFreshOnesAndLearn) {
  const auto loss = [](bool stale, int batch) {
    Training training;
    training.transformer.stale_labels = stale;
    training.options.batch = batch;
    training.options.label_documents = false;
    training.options.epochs = 1;
    return training.run().history[0].loss;
  };
  const auto all = static_cast<int>(word_set().train.size());
  EXPECT_NEAR(loss(true, all), loss(false, all), 1e-5) << "its documents have all labels";
  EXPECT_GT(std::abs(loss(true, all / 2) - loss(false, all / 2)), 1e-3);
  for (const int negatives : {0, 2}) {
    Training training;
    training.transformer.stale_labels = true;
    training.options.negatives = negatives;
    training.options.hard_negatives = negatives;
    const auto encoder = training.trained();
    EXPECT_GE(testing::precision_at_1(*encoder, training.set.labels, training.set.train), 95);
  }
  Training training;
  training.transformer.stale_labels = true;
  training.loss.name = "in_batch";
  expect_error(
      ErrorKind::kInvalidInput, [&] { training.run(); }, "transformer.stale_labels");
}

// Labels that lie: each document carries another one's. The teacher knows better.
TEST(TransformerTrainer, LearnsFromATeacher) {
  Training training;
  const TrainingSet truth = training.set;
  const auto good = training.trained();
  std::vector<std::string> texts;
  for (const Example& example : truth.train) texts.push_back(example.text);
  for (const Label& label : truth.labels) texts.push_back(label.text);
  Teacher teacher;
  teacher.options.weight = 1;
  teacher.options.temperature = 0.1;
  teacher.fingerprint = good->fingerprint();
  teacher.documents = good->encode(texts);
  teacher.labels = good->encode_labels(truth.labels);
  const auto last = static_cast<std::uint32_t>(truth.labels.size() - 1);
  for (Example& example : training.set.train)
    for (LabelId& label : example.labels) label = LabelId{last - value(label)};
  const auto precision = [&] {
    return testing::precision_at_1(*training.trained(), truth.labels, truth.train);
  };
  EXPECT_LT(precision(), 50) << "misled";
  training.teacher = &teacher;
  EXPECT_GE(precision(), 95);

  // What the checkpoint was made with is told.
  training.checkpoint = training.folder / "checkpoint";
  std::stop_source stop;
  training.progress.stop = stop.get_token();
  training.on_epoch = [&](const EpochRecord&) { stop.request_stop(); };
  expect_error(
      ErrorKind::kInterrupted, [&] { training.run(); }, "training");
  training.progress.stop = {};
  teacher.fingerprint = "another";
  expect_error(
      ErrorKind::kIncompatible, [&] { training.run(/*resume=*/true); }, "other options");
  training.transformer.prefix_dims = "8";
  expect_error(
      ErrorKind::kInvalidInput, [&] { training.run(); }, "teacher.store");
}

TEST(TransformerTrainer, LearnsGuessedLabelsBeforeTheKnown) {
  Training training;
  training.set.guessed.assign(training.set.train.begin() + 10, training.set.train.end());
  training.set.train.resize(10);
  training.options.pretrain_epochs = 15;
  training.options.epochs = 1;
  training.options.label_documents = false;
  const TrainReport report = training.run();
  ASSERT_EQ(report.history.size(), 16u);
  EXPECT_TRUE(report.history[14].pretraining);
  EXPECT_FALSE(report.history[15].pretraining);
  const auto encoder = load_encoder(training.folder.path(), report.encoder.file);
  EXPECT_GE(testing::precision_at_1(*encoder, training.set.labels, training.set.guessed), 90);
}

TEST(TransformerTrainer, SaysWhatMadeTheLossNoNumber) {
  Training training;
  std::string weights = random_weights();
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(&weights[weights.size() - sizeof kNaN], &kNaN, sizeof kNaN);  // in the last bias
  testing::write_bytes(training.folder / "weights/model.safetensors", weights);
  expect_error(
      ErrorKind::kInvalidInput, [&] { training.run(); }, "step 1", "nan",
      "transformer.learning_rate");
}

TEST(TransformerTrainer, NeedsADocumentWithALabel) {
  Training training;
  for (Example& example : training.set.train) example.labels.clear();
  expect_error(
      ErrorKind::kInvalidInput, [&] { training.run(); }, "none of the 20 training documents");
}

}  // namespace
}  // namespace dexter
