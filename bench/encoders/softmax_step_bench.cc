// One training step of a transformer against all labels: time, labels a second and the peak of
// resident memory, by the number of labels. `cached` encodes labels in chunks of 32,768 tokens
// twice, `direct` keeps the graph of all of them. A random model of 2 layers of 128; 256 documents
// of 16 tokens, labels of 8.
#include <benchmark/benchmark.h>

#include <fstream>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "encoders/transformer_learner.h"

namespace dexter {
namespace {

const TransformerShape kShape{.family = Family::kBert,
                              .layers = 2,
                              .hidden = 128,
                              .heads = 2,
                              .intermediate = 512,
                              .vocabulary = 8192,
                              .positions = 64,
                              .types = 2};
constexpr std::size_t kChunkTokens = 32'768, kDocuments = 256;

std::vector<FloatTensor> random_parameters() {
  std::mt19937_64 random(5);
  std::normal_distribution<float> normal(0, 0.05F);
  std::vector<FloatTensor> all;
  for (const ParameterInfo& info : parameters_of(kShape)) {
    FloatTensor tensor{info.name, info.shape, {}};
    std::size_t count = 1;
    for (const std::int64_t size : info.shape) count *= static_cast<std::size_t>(size);
    const float mean = info.name.ends_with("LayerNorm.weight") ? 1 : 0;
    for (std::size_t i = 0; i < count; ++i) tensor.values.push_back(mean + normal(random));
    all.push_back(std::move(tensor));
  }
  return all;
}

using Texts = std::vector<std::vector<std::int32_t>>;

Texts texts_of(std::size_t count, std::size_t length, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Texts texts(count, std::vector<std::int32_t>(length));
  for (auto& text : texts)
    for (std::int32_t& id : text) id = static_cast<std::int32_t>(random() % 8192);
  return texts;
}

std::vector<std::uint32_t> rows_of(std::size_t count) {
  std::vector<std::uint32_t> rows(count);
  for (std::uint32_t i = 0; i < count; ++i) rows[i] = i;
  return rows;
}

// The kernel's mark of the highest resident memory, from now on.
void reset_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }
double mebibytes(const std::string& which) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == which) {
      double kibibytes = 0;
      status >> kibibytes;
      return kibibytes / 1024;
    }
  return 0;
}

void step(benchmark::State& state, std::size_t chunk_tokens,
          const std::string& loss = "decoupled_softmax") {
  const auto labels = static_cast<std::size_t>(state.range(0));
  const Texts documents = texts_of(kDocuments, 16, 6), label_texts = texts_of(labels, 8, 7);
  const auto rows = rows_of(kDocuments), pool = rows_of(labels);
  std::vector<std::vector<std::uint32_t>> positives(kDocuments);
  for (std::uint32_t i = 0; i < kDocuments; ++i) positives[i] = {i, i + 999};
  TransformerLearner learner(kShape, Pooling::kMean, random_parameters(),
                             {.dim = kShape.hidden, .chunk_tokens = chunk_tokens});
  const LossBatch batch{.document_texts = documents,
                        .label_texts = label_texts,
                        .documents = rows,
                        .labels = pool,
                        .positives = positives,
                        .loss = {.name = loss}};
  reset_peak();
  for (auto _ : state) {
    benchmark::DoNotOptimize(learner.loss_step(batch));
    learner.update(1e-6);
  }
  state.counters["peak_MiB"] = mebibytes("VmHWM:");
  state.counters["labels/s"] =
      benchmark::Counter(static_cast<double>(labels) * static_cast<double>(state.iterations()),
                         benchmark::Counter::kIsRate);
}

void BM_Cached(benchmark::State& state) { step(state, kChunkTokens); }
void BM_CachedTopK(benchmark::State& state) { step(state, kChunkTokens, "soft_top_k"); }
void BM_Direct(benchmark::State& state) { step(state, std::numeric_limits<std::size_t>::max()); }

// Ten steps, so that the memory that the C library keeps has settled.
BENCHMARK(BM_Cached)
    ->ArgName("labels")
    ->Arg(10'000)
    ->Arg(30'000)
    ->Iterations(10)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK(BM_Cached)
    ->ArgName("labels")
    ->Arg(100'000)
    ->Arg(300'000)
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK(BM_CachedTopK)
    ->ArgName("labels")
    ->Arg(10'000)
    ->Arg(100'000)
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK(BM_Direct)
    ->ArgName("labels")
    ->Arg(10'000)
    ->Iterations(3)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
}  // namespace dexter

BENCHMARK_MAIN();
