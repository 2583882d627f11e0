// Every loss of the table, by the number of labels that a document is scored against: time of one
// document and the memory its scores take; and a whole training step around it.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "encoders/loss.h"
#include "encoders/score_step.h"

namespace dexter {
namespace {

const int kDim = EncoderOptions().dim, kBlocks = EncoderOptions().block_count();
constexpr std::size_t kPositives = 3;  // a document of a real corpus carries two or three
constexpr double kTemperature = 0.05;

std::vector<float> normal_values(std::size_t count, float deviation) {
  std::mt19937_64 random(7);
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

std::vector<std::uint32_t> spread_columns(std::size_t labels, std::size_t first) {
  std::vector<std::uint32_t> columns;
  for (std::size_t p = 0; p < kPositives; ++p)
    columns.push_back(static_cast<std::uint32_t>((first + p * (labels / kPositives)) % labels));
  return columns;
}

void count(benchmark::State& state, std::size_t documents, std::size_t bytes) {
  const auto done = static_cast<double>(state.iterations()) * static_cast<double>(documents);
  state.counters["documents/s"] = benchmark::Counter(done, benchmark::Counter::kIsRate);
  state.counters["s/document"] =
      benchmark::Counter(done, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["bytes"] = benchmark::Counter(
      static_cast<double>(bytes), benchmark::Counter::kDefaults, benchmark::Counter::kIs1024);
}

// The loss alone: one row of scores to its gradient. Writing the fresh scores is part of the time,
// as it is in training.
void BM_LossOfADocument(benchmark::State& state, const std::string& name) {
  const auto labels = static_cast<std::size_t>(state.range(0));
  const auto loss = make_loss({.name = name, .temperature = kTemperature});
  const std::vector<float> scores = normal_values(labels, 3);
  const std::vector<std::uint32_t> positives = spread_columns(labels, 1);
  std::vector<float> row(labels);
  for (auto _ : state) {
    std::copy(scores.begin(), scores.end(), row.begin());
    benchmark::DoNotOptimize(loss->backward(std::span<float>(row), positives));
    benchmark::ClobberMemory();
  }
  count(state, 1, labels * sizeof(float));
}

// Scores, loss and both gradients of a batch, in the precision that training uses here. "bytes" are
// what the step holds: its copies of both sides, a chunk of scores, and the gradients.
void BM_ScoreStep(benchmark::State& state, const std::string& name) {
  const auto labels = static_cast<std::size_t>(state.range(0));
  const auto documents = static_cast<std::size_t>(state.range(1));
  const auto dim = static_cast<std::size_t>(kDim);
  const auto loss = make_loss({.name = name, .temperature = kTemperature});
  const float deviation = 1 / std::sqrt(static_cast<float>(kDim));  // vectors of about unit length
  const std::vector<float> rows = normal_values(documents * dim, deviation);
  const std::vector<float> columns = normal_values(labels * dim, deviation);
  std::vector<std::vector<std::uint32_t>> positives;
  for (std::size_t i = 0; i < documents; ++i) positives.push_back(spread_columns(labels, i));
  const ScoreBatch batch{rows.data(), documents, columns.data(), labels, positives};
  ScoreStep step(*loss, kTemperature, kDim, kBlocks, fastest_precision());
  for (auto _ : state) benchmark::DoNotOptimize(step.run(batch));

  const std::size_t value = fastest_precision() == Precision::kBfloat16 ? 2 : sizeof(float);
  const std::size_t chunk =
      std::clamp<std::size_t>(ScoreStep::kMaximumScores / labels, 1, documents);
  const std::size_t width = dim / static_cast<std::size_t>(kBlocks), vectors = labels + chunk;
  count(state, documents,
        value * (2 * vectors * width + chunk * labels) +  // operands, products, scores
            sizeof(float) * (labels + documents) * dim);
  state.SetLabel(std::string(name_of(fastest_precision())));
}

void register_all() {
  for (const LossKind& kind : loss_kinds()) {
    const std::string name(kind.name);
    for (const std::int64_t labels : {10'000, 100'000, 1'000'000})
      benchmark::RegisterBenchmark(
          ("BM_LossOfADocument/" + name).c_str(),
          [name](benchmark::State& state) { BM_LossOfADocument(state, name); })
          ->ArgName("labels")
          ->Arg(labels)
          ->Unit(benchmark::kMicrosecond);
    for (const std::int64_t labels : {10'000, 100'000})
      benchmark::RegisterBenchmark(("BM_ScoreStep/" + name).c_str(),
                                   [name](benchmark::State& state) { BM_ScoreStep(state, name); })
          ->ArgNames({"labels", "documents"})
          ->Args({labels, 256})
          ->Unit(benchmark::kMillisecond)
          ->UseRealTime();
  }
}

}  // namespace
}  // namespace dexter

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  dexter::register_all();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
