// Texts a second from tokens to vector by a transformer of MiniLM's shape (6 layers of 384), by
// precision and threads, for texts of 32 tokens and of mixed lengths. Weights are random: time does
// not depend on what was learnt.
#include <benchmark/benchmark.h>
#include <omp.h>

#include <random>
#include <string>
#include <vector>

#include "encoders/transformer_tower.h"

namespace dexter {
namespace {

const TransformerShape kShape{.family = Family::kBert,
                              .layers = 6,
                              .hidden = 384,
                              .heads = 12,
                              .intermediate = 1536,
                              .vocabulary = 30522,
                              .positions = 512,
                              .types = 2};

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

const TransformerTower& tower(Precision precision) {
  static const std::vector<FloatTensor> parameters = random_parameters();
  static const TransformerTower full(kShape, Pooling::kMean, parameters, Precision::kFloat32,
                                     "cpu");
  static const TransformerTower half(kShape, Pooling::kMean, parameters, Precision::kBfloat16,
                                     "cpu");
  return precision == Precision::kFloat32 ? full : half;
}

using Texts = std::vector<std::vector<std::int32_t>>;

// `longest` tokens each, or for `mixed` 4 to `longest`.
Texts texts_of(std::size_t count, std::size_t longest, bool mixed) {
  std::mt19937_64 random(6);
  Texts texts(count);
  for (auto& text : texts) {
    text.resize(mixed ? 4 + random() % (longest - 3) : longest);
    for (std::int32_t& id : text) id = static_cast<std::int32_t>(random() % 30522);
  }
  return texts;
}

void encode(benchmark::State& state, const Texts& texts) {
  const auto precision = state.range(0) == 16 ? Precision::kBfloat16 : Precision::kFloat32;
  omp_set_num_threads(static_cast<int>(state.range(1)));
  const TransformerTower& subject = tower(precision);
  benchmark::DoNotOptimize(subject.encode(texts, kShape.hidden));
  double tokens = 0;
  for (auto _ : state) benchmark::DoNotOptimize(subject.encode(texts, kShape.hidden));
  for (const auto& text : texts) tokens += static_cast<double>(text.size());
  const auto runs = static_cast<double>(state.iterations());
  using benchmark::Counter;
  state.counters["texts/s"] = Counter(runs * static_cast<double>(texts.size()), Counter::kIsRate);
  state.counters["tokens/s"] = Counter(runs * tokens, Counter::kIsRate);
}

void BM_ThirtyTwoTokens(benchmark::State& state) { encode(state, texts_of(256, 32, false)); }
void BM_MixedLengths(benchmark::State& state) { encode(state, texts_of(1024, 32, true)); }
void BM_OneQuery(benchmark::State& state) { encode(state, texts_of(1, 12, false)); }

constexpr auto kEach = [](auto* bench) {
  bench->ArgNames({"bits", "threads"})
      ->ArgsProduct({{32, 16}, {1, 2}})
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime();
};
BENCHMARK(BM_ThirtyTwoTokens)->Apply(kEach);
BENCHMARK(BM_MixedLengths)->Apply(kEach);
BENCHMARK(BM_OneQuery)->Apply(kEach);

}  // namespace
}  // namespace dexter

BENCHMARK_MAIN();
