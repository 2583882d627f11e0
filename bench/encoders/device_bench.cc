// What a device gives to training: the rate of its bfloat16 products, and the share of that rate
// that a step of fine-tuning reaches. DEXTER_DEVICE chooses the device (auto), DEXTER_SMALL=1 a
// size for processors.
//
// The step: a transformer of MiniLM's shape (6 layers of 384) in bfloat16, documents of 8 to 24
// tokens against as many labels of 4 to 12, decoupled softmax, one update. Its useful work is
// counted as six operations a weight and token (forward and backward) beside attention's; what the
// gradient cache encodes again is not.
#include <ATen/ATen.h>
#include <benchmark/benchmark.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "encoders/transformer_device.h"
#include "encoders/transformer_learner.h"

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
constexpr std::size_t kDocumentTokens = 16, kLabelTokens = 8;  // in the mean

std::string device_name() {
  const char* given = std::getenv("DEXTER_DEVICE");
  return given == nullptr ? "auto" : given;
}
bool is_small() { return std::getenv("DEXTER_SMALL") != nullptr; }

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Operations a second of bfloat16 products; taking one value waits for the device.
double product_rate() {
  const std::int64_t size = is_small() ? 1024 : 8192;
  const int repeats = is_small() ? 10 : 50;
  const auto options = at::TensorOptions(device_named(device_name())).dtype(at::kBFloat16);
  const at::Tensor a = at::rand({size, size}, options), b = at::rand({size, size}, options);
  at::Tensor c = at::matmul(a, b);
  benchmark::DoNotOptimize(c[0][0].item<float>());
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < repeats; ++i) at::matmul_out(c, a, b);
  benchmark::DoNotOptimize(c[0][0].item<float>());
  return 2.0 * repeats * std::pow(static_cast<double>(size), 3) / seconds_since(start);
}

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

// Of half as many to half as many more tokens than `mean`, as titles are.
Texts texts_of(std::size_t count, std::size_t mean) {
  std::mt19937_64 random(mean);
  Texts texts(count);
  for (auto& text : texts) {
    text.resize(mean / 2 + random() % (mean + 1));
    for (std::int32_t& id : text) id = static_cast<std::int32_t>(random() % 30522);
  }
  return texts;
}

// Forward and backward.
double operations(const Texts& texts) {
  constexpr double kWeights = 6 * (4.0 * 384 * 384 + 2.0 * 384 * 1536);
  double all = 0;
  for (const auto& text : texts) {
    const auto n = static_cast<double>(text.size());
    all += n * (6 * kWeights + 6 * 6 * 2 * n * 384);
  }
  return all;
}

void BM_TrainingStep(benchmark::State& state) {
  const std::size_t batch = is_small() ? 64 : 8192;
  const auto documents = texts_of(batch, kDocumentTokens), labels = texts_of(batch, kLabelTokens);
  std::vector<std::uint32_t> rows(batch);
  std::vector<std::vector<std::uint32_t>> positives(batch);
  for (std::uint32_t i = 0; i < batch; ++i) {
    rows[i] = i;
    positives[i] = {i};
  }
  TransformerLearner learner(kShape, Pooling::kMean, random_parameters(),
                             {.dim = kShape.hidden,
                              .device = device_name(),
                              .precision = Precision::kBfloat16,
                              .chunk_tokens = is_small() ? 4096u : 131'072u});
  const auto step = [&] {
    learner.loss_step({.document_texts = documents,
                       .label_texts = labels,
                       .documents = rows,
                       .labels = rows,
                       .positives = positives});
    benchmark::DoNotOptimize(learner.update(1e-6));  // the norm waits for the device
  };
  step();
  for (auto _ : state) step();
  const double rate = product_rate();
  const double work = operations(documents) + operations(labels);
  using benchmark::Counter;
  const auto steps = static_cast<double>(state.iterations());
  state.counters["documents/s"] = Counter(steps * static_cast<double>(batch), Counter::kIsRate);
  state.counters["product_TFLOP/s"] = rate / 1e12;
  state.counters["product_share"] = Counter(steps * work / rate, Counter::kIsRate);
  state.SetLabel(device_named(device_name()).str());
}
BENCHMARK(BM_TrainingStep)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace dexter

BENCHMARK_MAIN();
