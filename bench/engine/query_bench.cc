// Queries end to end: text to the names of its best labels, one at a time and in batches, without
// and with the votes of the store's documents; and opening. On the store named by
// DEXTER_BENCH_STORE; without it on the tiny corpus, which only shows overhead.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/document_space.h"
#include "engine/retrieval_engine.h"
#include "tests/engine/tiny_store.h"
#include "tests/support/temp_dir.h"

namespace dexter {
namespace {

constexpr int kLabels = 5;
constexpr std::size_t kTexts = 8192;

// The store under test, its engine, and texts of its test part, repeated where it has too few.
class Subject {
 public:
  static const Subject& get() {
    static const Subject subject;
    return subject;
  }
  const std::filesystem::path& store() const { return store_; }
  const RetrievalEngine& engine() const { return *engine_; }
  std::span<const std::string> texts(std::size_t first, std::size_t count) const {
    return std::span(texts_).subspan(first % (texts_.size() - count + 1), count);
  }

 private:
  Subject() {
    const char* named = std::getenv("DEXTER_BENCH_STORE");
    store_ = named != nullptr ? named : tiny::indexed_store(folder_.path());
    engine_ = RetrievalEngine::open(store_);
    std::vector<std::string> texts;
    engine_->catalog().scan_examples(Split::kTest, [&](Example&& example) {
      if (texts.size() < kTexts) texts.push_back(std::move(example.text));
    });
    if (texts.empty()) throw std::runtime_error("the store has no test part to take queries from");
    for (std::size_t i = 0; i < kTexts; ++i) texts_.push_back(texts[i % texts.size()]);
  }

  testing::TempDir folder_;
  std::filesystem::path store_;
  std::optional<RetrievalEngine> engine_;
  std::vector<std::string> texts_;
};

void answer(const RetrievalEngine& engine, std::span<const std::string> texts, Memory memory) {
  for (const LabelRanking& ranking : engine.answer(texts, kLabels, {.memory = memory}))
    benchmark::DoNotOptimize(engine.labels(ranking));
}

double milliseconds_at(std::vector<double>& seconds, double share) {
  if (seconds.empty()) return 0;
  const auto place = static_cast<std::ptrdiff_t>(share * static_cast<double>(seconds.size() - 1));
  std::nth_element(seconds.begin(), seconds.begin() + place, seconds.end());
  return 1000 * seconds[static_cast<std::size_t>(place)];
}

void query_batch(benchmark::State& state) {
  const Subject& subject = Subject::get();
  const auto batch = static_cast<std::size_t>(state.range(0));
  const bool voted = state.range(1) != 0;
  if (voted && subject.engine().document_space() == nullptr)
    return state.SkipWithError("the store has no documents; run `dexter index --documents`");
  std::vector<double> seconds;
  std::size_t first = 0;
  for (auto _ : state) {
    const auto start = std::chrono::steady_clock::now();
    answer(subject.engine(), subject.texts(first, batch), voted ? Memory::kOn : Memory::kOff);
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    first += batch;
  }
  state.counters["labels"] = static_cast<double>(subject.engine().label_count());
  state.counters["texts_per_second"] =
      benchmark::Counter(static_cast<double>(batch * seconds.size()), benchmark::Counter::kIsRate);
  state.counters["p50_ms"] = milliseconds_at(seconds, 0.50);
  state.counters["p99_ms"] = milliseconds_at(seconds, 0.99);
}
BENCHMARK(query_batch)
    ->ArgNames({"texts", "memory"})
    ->ArgsProduct({{1, 256}, {0, 1}})
    ->UseRealTime();

// What memory adds to a query: the documents nearest by vector, and by words.
void documents(benchmark::State& state) {
  const Subject& subject = Subject::get();
  const DocumentSpace* space = subject.engine().document_space();
  if (space == nullptr)
    return state.SkipWithError("the store has no documents; run `dexter index --documents`");
  constexpr int kNeighbours = 100;
  const EmbeddingMatrix queries = subject.engine().encode(subject.texts(0, kTexts));
  std::size_t text = 0;
  for (auto _ : state) {
    if (state.range(0) != 0)
      benchmark::DoNotOptimize(space->by_words(subject.texts(text, 1)[0], kNeighbours));
    else
      benchmark::DoNotOptimize(space->nearest(queries.view().rows(text, 1), kNeighbours));
    text = (text + 1) % kTexts;
  }
  state.counters["documents"] = static_cast<double>(space->size());
}
BENCHMARK(documents)->ArgName("by_words")->Arg(0)->Arg(1)->UseRealTime();

void encode_batch(benchmark::State& state) {
  const Subject& subject = Subject::get();
  const auto batch = static_cast<std::size_t>(state.range(0));
  std::size_t first = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(subject.engine().encode(subject.texts(first, batch)));
    first += batch;
  }
  state.counters["texts_per_second"] =
      benchmark::Counter(static_cast<double>(first), benchmark::Counter::kIsRate);
}
BENCHMARK(encode_batch)->ArgName("texts")->Arg(1)->Arg(256)->UseRealTime();

void search_batch(benchmark::State& state) {
  const Subject& subject = Subject::get();
  const auto batch = static_cast<std::size_t>(state.range(0));
  const EmbeddingMatrix queries = subject.engine().encode(subject.texts(0, kTexts));
  std::size_t first = 0;
  for (auto _ : state) {
    const EmbeddingView rows = queries.view().rows(first % (kTexts - batch + 1), batch);
    benchmark::DoNotOptimize(subject.engine().rank(rows, kLabels));
    first += batch;
  }
  state.counters["texts_per_second"] =
      benchmark::Counter(static_cast<double>(first), benchmark::Counter::kIsRate);
}
BENCHMARK(search_batch)->ArgName("texts")->Arg(1)->Arg(256)->UseRealTime();

void open_store(benchmark::State& state) {
  const Subject& subject = Subject::get();
  for (auto _ : state) benchmark::DoNotOptimize(RetrievalEngine::open(subject.store()));
  state.counters["labels"] = static_cast<double>(subject.engine().label_count());
}
BENCHMARK(open_store)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace dexter

BENCHMARK_MAIN();
