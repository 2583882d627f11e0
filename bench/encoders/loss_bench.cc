// Every loss of the table, by the number of labels that a document is scored against: time of one
// document; and time and peak of resident memory of a whole training step of 64 documents around
// it, vectors of both sides included. in_batch scores the batch's own labels only.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "encoders/loss.h"
#include "encoders/score_step.h"

namespace dexter {
namespace {

constexpr int kDim = 256;  // of a block of the bag encoder
constexpr std::size_t kDocuments = 64;
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

void count(benchmark::State& state, std::size_t documents) {
  const auto done = static_cast<double>(state.iterations()) * static_cast<double>(documents);
  state.counters["documents/s"] = benchmark::Counter(done, benchmark::Counter::kIsRate);
}

// The kernel's mark of the highest resident memory, from now on.
void reset_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }
double peak_mebibytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == "VmHWM:") {
      double kibibytes = 0;
      status >> kibibytes;
      return kibibytes / 1024;
    }
  return 0;
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
  count(state, 1);
}

// Scores, loss and both gradients of a batch, in the precision that training uses here.
void BM_ScoreStep(benchmark::State& state, const std::string& name) {
  const auto labels = static_cast<std::size_t>(state.range(0));
  const auto dim = static_cast<std::size_t>(kDim);
  const auto loss = make_loss({.name = name, .temperature = kTemperature});
  const float deviation = 1 / std::sqrt(static_cast<float>(kDim));  // vectors of about unit length
  const std::vector<float> rows = normal_values(kDocuments * dim, deviation);
  const std::vector<float> columns = normal_values(labels * dim, deviation);
  std::vector<std::vector<std::uint32_t>> positives;
  for (std::size_t i = 0; i < kDocuments; ++i) positives.push_back(spread_columns(labels, i));
  const ScoreBatch batch{rows.data(), kDocuments, columns.data(), labels, positives};
  reset_peak();
  ScoreStep step(*loss, kTemperature, kDim, 1, fastest_precision());
  for (auto _ : state) benchmark::DoNotOptimize(step.run(batch));
  count(state, kDocuments);
  state.counters["peak_MiB"] = peak_mebibytes();
  state.SetLabel(std::string(name_of(fastest_precision())));
}

void register_all() {
  for (const LossKind& kind : loss_kinds()) {
    const std::string name(kind.name);
    const bool batch_alone = make_loss({.name = name})->needs().batch_alone;
    for (const std::int64_t labels : {10'000, 100'000, 1'000'000})
      benchmark::RegisterBenchmark(
          ("BM_LossOfADocument/" + name).c_str(),
          [name](benchmark::State& state) { BM_LossOfADocument(state, name); })
          ->ArgName("labels")
          ->Arg(labels)
          ->Unit(benchmark::kMicrosecond);
    for (const std::int64_t labels : batch_alone
                                         ? std::vector<std::int64_t>{kDocuments * kPositives}
                                         : std::vector<std::int64_t>{10'000, 100'000, 1'000'000})
      benchmark::RegisterBenchmark(("BM_ScoreStep/" + name).c_str(),
                                   [name](benchmark::State& state) { BM_ScoreStep(state, name); })
          ->ArgName("labels")
          ->Arg(labels)
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
