// Training and encoding with a transformer where memory runs out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <fstream>
#include <numeric>
#include <random>

#include "encoders/transformer_learner.h"
#include "encoders/transformer_tower.h"
#include "encoders/transformer_trainer.h"
#include "tests/encoders/in_ranks.h"
#include "tests/encoders/limited_memory.h"
#include "tests/encoders/tiny_training.h"
#include "tests/encoders/tiny_transformer.h"
#include "tests/support/expect_error.h"

namespace dexter {
namespace {

using testing::expect_error;
using testing::LimitedMemory;
using testing::TempDir;
using Learner = TransformerLearner;
using Tokens = std::vector<std::vector<std::int32_t>>;

constexpr std::size_t kNoLimit = std::size_t{1} << 40;
constexpr int kWidth = 16;

TransformerShape wide_shape() { return read_shape(testing::tiny_config(Family::kBert), "tiny"); }

std::vector<FloatTensor> wide_parameters() {
  const std::string weights = testing::tiny_weights(Family::kBert);
  return read_parameters(wide_shape(), SafetensorsReader(std::as_bytes(std::span(weights)), "tiny"),
                         Pooling::kMean);
}

// Texts of 3 to 12 tokens.
Tokens many_texts(std::size_t count) {
  std::mt19937 random(5);
  Tokens texts(count);
  for (auto& text : texts) {
    text.assign(3 + random() % 10, 2);
    for (std::size_t i = 1; i < text.size(); ++i)
      text[i] = static_cast<std::int32_t>(5 + random() % 12);
  }
  return texts;
}

// One step of documents against labels, whose tokens are about 7.5 times their number.
struct Step {
  Tokens documents, labels;
  std::vector<std::uint32_t> document_rows, label_rows;
  std::vector<std::vector<std::uint32_t>> positives;
  LossOptions loss{.name = "decoupled_softmax", .temperature = 0.1, .logit_adjustment = 0};

  explicit Step(std::size_t document_count = 400, std::size_t label_count = 160)
      : documents(many_texts(document_count)),
        labels(many_texts(label_count)),
        document_rows(document_count),
        label_rows(label_count) {
    std::iota(document_rows.begin(), document_rows.end(), 0U);
    std::iota(label_rows.begin(), label_rows.end(), 0U);
    for (std::size_t i = 0; i < document_count; ++i)
      positives.push_back({static_cast<std::uint32_t>(i % label_count)});
  }
  LossBatch batch() const {
    return {.document_texts = documents,
            .label_texts = labels,
            .documents = document_rows,
            .labels = label_rows,
            .positives = positives,
            .loss = loss,
            .seed = 11};
  }
  // Its loss, and what the learner is after an update by it.
  std::pair<double, std::string> learn(Learner& learner, std::size_t limit = kNoLimit) const {
    double mean = 0;
    {
      const LimitedMemory memory(limit);
      mean = learner.within_memory([&] { return learner.loss_step(batch()); });
    }
    learner.update(0.01);
    return {mean, write_safetensors(learner.state())};
  }
  std::size_t peak(LearnerOptions options, std::size_t chunk) const {
    options.chunk_tokens = chunk;
    Learner learner(wide_shape(), Pooling::kMean, wide_parameters(), options);
    const LimitedMemory memory(kNoLimit);
    learner.loss_step(batch());
    return memory.peak();
  }
};

Learner learner_of(LearnerOptions options, std::size_t chunk) {
  options.chunk_tokens = chunk;
  return Learner(wide_shape(), Pooling::kMean, wide_parameters(), options);
}

TEST(MemoryShortage, AStepOfSmallerChunksIsThatOfALearnerThatBeganSo) {
  for (const auto& [loss, separate] :
       {std::pair{"decoupled_softmax", false}, {"binary_cross_entropy", true}}) {
    SCOPED_TRACE(loss);
    Step step;
    step.loss.name = loss;
    const LearnerOptions options{.dim = kWidth, .dropout = 0.1, .separate = separate};
    const std::size_t large = step.peak(options, 8192), small = step.peak(options, 512);
    ASSERT_GT(large, 2 * small);
    Learner halved = learner_of(options, 8192);
    const auto found = step.learn(halved, small + (large - small) / 4);
    ASSERT_LT(halved.chunk_tokens(), 2048u);
    Learner begun = learner_of(options, halved.chunk_tokens());
    EXPECT_TRUE(found == step.learn(begun));
    // It stays so, and another step has what the first left.
    EXPECT_TRUE(step.learn(halved) == step.learn(begun));
  }
}

TEST(MemoryShortage, EverySideOfAStepInWholeVectorsIsUndone) {
  const Step step;
  const LearnerOptions options{.dim = kWidth, .dropout = 0.1};
  const auto learn = [&](Learner& learner, std::size_t limit, std::size_t* peak) {
    const LimitedMemory memory(limit);
    const double sum = learner.within_memory([&] {
      std::vector<float> documents(step.documents.size() * kWidth),
          labels(step.labels.size() * kWidth);
      learner.forward(Learner::kDocuments, step.documents, step.document_rows, 3, documents.data());
      learner.forward(Learner::kLabels, step.labels, step.label_rows, 3, labels.data());
      learner.backward(Learner::kLabels, documents.data());
      learner.backward(Learner::kDocuments, documents.data());
      return std::accumulate(documents.begin(), documents.end(), 0.0);
    });
    if (peak != nullptr) *peak = memory.peak();
    return std::pair(sum, write_safetensors(learner.gradients()));
  };
  std::size_t large = 0, small = 0;
  Learner whole = learner_of(options, 8192), chunks = learner_of(options, 512);
  learn(whole, kNoLimit, &large);
  learn(chunks, kNoLimit, &small);
  ASSERT_GT(large, 2 * small);
  Learner halved = learner_of(options, 8192);
  const auto found = learn(halved, small + (large - small) / 4, nullptr);
  ASSERT_LT(halved.chunk_tokens(), 8192u);
  Learner begun = learner_of(options, halved.chunk_tokens());
  EXPECT_TRUE(found == learn(begun, kNoLimit, nullptr));
}

TEST(MemoryShortage, EndsWithAnErrorAtTheLeastChunk) {
  const Step step;
  Learner learner = learner_of({.dim = kWidth, .average = 0.9}, 4096);
  expect_error(
      ErrorKind::kIo, [&] { step.learn(learner, 100'000); }, "memory ran out", "256 tokens",
      "train.batch");
  EXPECT_EQ(learner.chunk_tokens(), Learner::kLeastChunkTokens);
  std::vector<float> vectors(step.documents.size() * kWidth);
  const std::string before = write_safetensors(learner.state());
  expect_error(ErrorKind::kIo, [&] {
    const LimitedMemory memory(1000);
    learner.encode(Learner::kDocuments, step.documents, step.document_rows, vectors.data());
  });
  EXPECT_TRUE(write_safetensors(learner.state()) == before);  // averages are back in their place
}

TEST(MemoryShortage, EncodesInSmallerChunks) {
  const Step step;
  Learner learner = learner_of({.dim = kWidth}, 8192);
  std::vector<float> expected(step.documents.size() * kWidth), found(expected.size());
  std::size_t peak = 0;
  {
    const LimitedMemory memory(kNoLimit);
    learner.encode(Learner::kDocuments, step.documents, step.document_rows, expected.data());
    peak = memory.peak();
  }
  const LimitedMemory memory(peak / 2);
  learner.encode(Learner::kDocuments, step.documents, step.document_rows, found.data());
  EXPECT_GT(memory.refusals(), 0u);
  EXPECT_EQ(learner.chunk_tokens(), 8192u);  // other processes' steps would not know
  for (std::size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], expected[i], 1e-5) << i;
}

TEST(MemoryShortage, AnEncoderHalvesItsBatches) {
  const Tokens texts = many_texts(600);
  const TransformerTower tower(wide_shape(), Pooling::kMean, wide_parameters(), Precision::kFloat32,
                               "cpu");
  std::size_t peak = 0;
  const EmbeddingMatrix expected = [&] {
    const LimitedMemory memory(kNoLimit);
    EmbeddingMatrix vectors = tower.encode(texts, kWidth);
    peak = memory.peak();
    return vectors;
  }();
  const std::size_t before = tower.batch_tokens();
  {
    const LimitedMemory memory(peak / 3);
    const EmbeddingMatrix found = tower.encode(texts, kWidth);
    EXPECT_GT(memory.refusals(), 0u);
    EXPECT_LT(tower.batch_tokens(), before);
    for (std::size_t i = 0; i < texts.size(); ++i)
      for (std::size_t j = 0; j < kWidth; ++j)
        ASSERT_NEAR(found.row(i)[j], expected.row(i)[j], 1e-5) << i;
    const std::size_t refusals = memory.refusals();
    tower.encode(texts, kWidth);
    EXPECT_EQ(memory.refusals(), refusals);  // it has learnt what fits
  }
  const LimitedMemory memory(1000);
  expect_error(
      ErrorKind::kIo, [&] { tower.encode(texts, kWidth); }, "a single text of 3 tokens");
}

// Words in sentences, many times over; one step an epoch.
struct LongTraining {
  TempDir folder;
  TransformerOptions transformer{
      .learning_rate = 0.005, .dropout = 0.1, .average = 0.5, .chunk_tokens = 16384};
  LossOptions loss{.name = "decoupled_softmax", .temperature = 0.1, .logit_adjustment = 0};
  TrainerOptions options = testing::TinyTraining().options;
  TrainingSet set;
  std::filesystem::path checkpoint;
  std::vector<std::string> warnings;
  Progress progress;
  int stop_after = 0;  // epochs

  LongTraining() {
    testing::write_tiny_checkpoint(folder / "weights");
    transformer.weights = (folder / "weights").string();
    options.epochs = 3;
    options.batch = 400;
    const std::vector<std::string> words{"un", "cafe", "i", "a", "中"};
    for (std::uint32_t l = 0; l < words.size(); ++l)
      set.labels.push_back({LabelId{l}, words[l], words[l], words[l]});
    for (std::uint32_t i = 0; i < 400; ++i)
      set.train.push_back({.key = std::to_string(i),
                           .text = words[i % 5] + (i % 2 == 0 ? " , ! i a , !" : " a i !"),
                           .labels = {LabelId{i % 5}},
                           .excluded = {}});
    set.validation.assign(set.train.begin(), set.train.begin() + 40);
    progress.warn = [this](const std::string& message) { warnings.push_back(message); };
  }
  TrainReport run(std::size_t limit = kNoLimit, std::size_t* peak = nullptr, bool resume = false) {
    std::stop_source stop;
    progress.stop = stop.get_token();
    const auto neighbours = [](EmbeddingView vectors, int k) {
      return testing::brute_force_neighbours(vectors, k);
    };
    const auto on_epoch = [&](const EpochRecord& record) {
      if (record.epoch == stop_after) stop.request_stop();
    };
    const LimitedMemory memory(limit);
    TrainReport report =
        train_transformer(transformer, loss, options, set, {folder.path(), "encoder", checkpoint},
                          resume, neighbours, on_epoch, progress);
    if (peak != nullptr) *peak = memory.peak();
    return report;
  }
  std::string weights() const {
    return std::string(SectionFileReader(folder / "encoder", "encoder", 1).text("weights"));
  }
};

// Room for chunks smaller than `training` begins with.
std::size_t too_little_for(LongTraining& training) {
  std::size_t large = 0, small = 0;
  const int wanted = training.transformer.chunk_tokens, epochs = training.options.epochs;
  training.options.epochs = 1;
  training.run(kNoLimit, &large);
  training.transformer.chunk_tokens = 256;
  training.run(kNoLimit, &small);
  training.transformer.chunk_tokens = wanted;
  training.options.epochs = epochs;
  EXPECT_GT(large, 2 * small);
  return small + (large - small) / 4;
}

TEST(MemoryShortage, ATrainingGoesOnAndSaysSo) {
  for (const char* loss : {"decoupled_softmax", "in_batch"}) {
    SCOPED_TRACE(loss);
    LongTraining training, begun;
    training.loss.name = begun.loss.name = loss;
    const TrainReport report = training.run(too_little_for(training));
    ASSERT_EQ(report.history.size(), 3u);
    const std::size_t chunk = report.history[0].chunk_tokens;
    EXPECT_LT(chunk, 16384u);
    EXPECT_EQ(report.history[2].chunk_tokens, chunk);
    ASSERT_EQ(training.warnings.size(), 1u);
    EXPECT_THAT(training.warnings[0], ::testing::HasSubstr("memory ran out at step 1"));
    EXPECT_THAT(training.warnings[0],
                ::testing::HasSubstr("transformer.chunk_tokens=" + std::to_string(chunk)));
    begun.transformer.chunk_tokens = static_cast<int>(chunk);
    const TrainReport same = begun.run();
    EXPECT_TRUE(begun.warnings.empty());
    EXPECT_TRUE(training.weights() == begun.weights());
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(report.history[i].loss, same.history[i].loss);
  }
}

TEST(MemoryShortage, AResumedTrainingKeepsTheSmallerChunks) {
  LongTraining training, begun;
  const std::size_t limit = too_little_for(training);
  training.checkpoint = training.folder / "checkpoint";
  begun.checkpoint = begun.folder / "checkpoint";
  training.stop_after = 2;
  expect_error(ErrorKind::kInterrupted, [&] { training.run(limit); });
  training.stop_after = 0;
  const TrainReport report = training.run(kNoLimit, nullptr, /*resume=*/true);
  ASSERT_EQ(report.history.size(), 3u);
  const std::size_t chunk = report.history[0].chunk_tokens;
  EXPECT_LT(chunk, 16384u);
  EXPECT_EQ(report.history[2].chunk_tokens, chunk);
  begun.transformer.chunk_tokens = static_cast<int>(chunk);
  begun.run();
  EXPECT_TRUE(training.weights() == begun.weights());
}

// What each of two processes, here threads, has learnt from one step, and its chunks after it.
struct Learnt {
  std::pair<double, std::string> result;
  std::size_t chunk = 0;
};
std::vector<Learnt> learn_in_two(const Step& step, std::size_t chunk, std::size_t limit_of_second) {
  const auto learnt = [&](const ProcessGroup& group) {
    Learner learner = learner_of({.dim = kWidth, .ranks = &group}, chunk);
    auto result = step.learn(learner, group.rank() == 1 ? limit_of_second : kNoLimit);
    return Learnt{std::move(result), learner.chunk_tokens()};
  };
  return testing::in_ranks(2, learnt, /*timeout=*/30);
}

TEST(MemoryShortage, ProcessesThatLearnTogetherHalveTogether) {
  const Step step(800, 160);
  const std::size_t large = step.peak({.dim = kWidth}, 8192),
                    small = step.peak({.dim = kWidth}, 512);
  const auto found = learn_in_two(step, 8192, small + (large - small) / 8);
  EXPECT_LT(found[0].chunk, 8192u);
  EXPECT_EQ(found[0].chunk, found[1].chunk);
  const auto begun = learn_in_two(step, found[0].chunk, kNoLimit);
  for (const std::size_t rank : {0u, 1u})
    EXPECT_TRUE(found[rank].result == begun[rank].result) << rank;
}

// The system's own refusal: this process may map no more.
TEST(MemoryShortage, IsAnsweredWhereTheSystemRefuses) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers end a process whose memory runs out";
#else
  const Step step(20'000, 50);  // 150,000 tokens, some 300 MB with their graph
  Learner learner = learner_of({.dim = kWidth}, 1 << 20);
  // OpenMP ends the process where it cannot start a thread: all start, and map their stacks, here.
  Learner first = learner_of({.dim = kWidth}, 4096);
  Step().learn(first);
  std::atomic<int> threads = 0;
#pragma omp parallel
  ++threads;
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  rlimit former{};
  ASSERT_EQ(getrlimit(RLIMIT_AS, &former), 0);
  rlimit tight = former;
  tight.rlim_cur = pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) + (150u << 20);
  ASSERT_EQ(setrlimit(RLIMIT_AS, &tight), 0);
  double loss = 0;
  std::string failure;
  try {
    loss = learner.within_memory([&] { return learner.loss_step(step.batch()); });
  } catch (const std::exception& error) {
    failure = error.what();
  }
  setrlimit(RLIMIT_AS, &former);
  ASSERT_EQ(failure, "");
  EXPECT_LT(learner.chunk_tokens(), 150'000u);
  learner.update(0.01);
  Learner begun = learner_of({.dim = kWidth}, learner.chunk_tokens());
  const auto expected = step.learn(begun);
  EXPECT_EQ(loss, expected.first);
  EXPECT_TRUE(write_safetensors(learner.state()) == expected.second);
#endif
}

}  // namespace
}  // namespace dexter
