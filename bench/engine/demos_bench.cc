// Demonstrations for a text and the prompt made of them, and opening a bank. On the bank of the
// store named by DEXTER_BENCH_STORE, with its text file of queries DEXTER_BENCH_TEXTS, one a line;
// without them on the tiny corpus, which only shows overhead.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "engine/demo_prompt.h"
#include "engine/demo_retriever.h"
#include "tests/engine/tiny_bank.h"

namespace dexter {
namespace {

class Subject {
 public:
  static const Subject& get() {
    static const Subject subject;
    return subject;
  }
  const std::filesystem::path& store() const { return store_; }
  const DemoRetriever& retriever() const { return *retriever_; }
  const std::string& text(std::size_t i) const { return texts_[i % texts_.size()]; }

 private:
  Subject() {
    const char* store = std::getenv("DEXTER_BENCH_STORE");
    const char* texts = std::getenv("DEXTER_BENCH_TEXTS");
    store_ = store != nullptr ? store : tiny::bank_store(folder_.path(), tiny::demonstrations());
    if (store == nullptr) tiny::train_bank(store_);
    if (texts == nullptr)
      for (const Example& example : tiny::test()) texts_.push_back(example.text);
    else
      for (auto [in, line] = std::pair(std::ifstream(texts), std::string());
           std::getline(in, line);)
        texts_.push_back(line);
    if (texts_.empty()) throw std::runtime_error("there is no text to ask for");
    retriever_ = DemoRetriever::open(store_);
    retriever_->prepare();
  }

  testing::TempDir folder_;
  std::filesystem::path store_;
  std::optional<DemoRetriever> retriever_;
  std::vector<std::string> texts_;
};

double milliseconds_at(std::vector<double>& seconds, double share) {
  if (seconds.empty()) return 0;
  const auto place = static_cast<std::ptrdiff_t>(share * static_cast<double>(seconds.size() - 1));
  std::nth_element(seconds.begin(), seconds.begin() + place, seconds.end());
  return 1000 * seconds[static_cast<std::size_t>(place)];
}

void prompt(benchmark::State& state, const std::string& strategy) {
  const Subject& subject = Subject::get();
  std::vector<double> seconds;
  std::size_t next = 0;
  for (auto _ : state) {
    const std::string& text = subject.text(next++);
    const auto start = std::chrono::steady_clock::now();
    benchmark::DoNotOptimize(
        assemble_prompt(subject.retriever().retrieve({.text = text, .strategy = strategy}), text));
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  state.counters["demonstrations"] = static_cast<double>(subject.retriever().size());
  state.counters["p50_ms"] = milliseconds_at(seconds, 0.5);
  state.counters["p99_ms"] = milliseconds_at(seconds, 0.99);
}

void open(benchmark::State& state) {
  const Subject& subject = Subject::get();
  for (auto _ : state) DemoRetriever::open(subject.store()).prepare();
}

void add_benchmarks() {
  for (const DemoStrategy& strategy : demo_strategies())
    benchmark::RegisterBenchmark(
        ("prompt/" + std::string(strategy.name)).c_str(),
        [name = std::string(strategy.name)](benchmark::State& state) { prompt(state, name); })
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
  benchmark::RegisterBenchmark("open", open)->UseRealTime()->Unit(benchmark::kMillisecond);
}

}  // namespace
}  // namespace dexter

int main(int argc, char** argv) {
  dexter::add_benchmarks();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
