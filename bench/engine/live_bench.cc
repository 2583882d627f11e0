// Labels put into a store that answers: until they are on disk and visible, one and many at a time.
// Changes the store named by DEXTER_BENCH_LIVE_STORE, so name a copy; without it the tiny corpus's,
// which only shows overhead. The labels take their texts from each other and are removed at the
// end.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "engine/live_store.h"
#include "tests/engine/tiny_store.h"
#include "tests/support/temp_dir.h"

namespace dexter {
namespace {

constexpr std::size_t kTexts = 1000;

class Subject {
 public:
  static Subject& get() {
    static Subject subject;
    return subject;
  }
  LiveStore& live() { return *live_; }
  // Labels of keys that were not given before, with texts of the store's own.
  std::vector<Label> next(std::size_t count) {
    std::vector<Label> labels;
    for (std::size_t i = 0; i < count; ++i) {
      const std::string& text = texts_[keys_.size() % texts_.size()];
      keys_.push_back("live bench " + std::to_string(keys_.size()));
      labels.push_back({LabelId{}, keys_.back(), text, text});
    }
    return labels;
  }
  ~Subject() { live_->remove_labels(keys_); }

 private:
  Subject() {
    const char* named = std::getenv("DEXTER_BENCH_LIVE_STORE");
    live_ = LiveStore::open(named != nullptr ? named : tiny::indexed_store(folder_.path()));
    // Those that can be answers, as a label without a known word is refused.
    const auto engine = live_->engine();
    engine->catalog().scan_labels([&](Label&& label) {
      if (texts_.size() == kTexts) return;
      const EmbeddingMatrix vector = engine->encode(std::vector<std::string>{label.text});
      if (vector.row(0)[0] != 0) texts_.push_back(std::move(label.text));
    });
  }

  testing::TempDir folder_;
  std::unique_ptr<LiveStore> live_;
  std::vector<std::string> texts_, keys_;
};

void put(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  for (auto _ : state) {
    state.PauseTiming();
    const std::vector<Label> labels = Subject::get().next(count);
    state.ResumeTiming();
    Subject::get().live().put_labels(labels);
  }
  state.counters["labels"] = static_cast<double>(Subject::get().live().engine()->label_count());
}
BENCHMARK(put)->ArgName("labels")->Arg(1)->Iterations(200)->UseRealTime()->Unit(
    benchmark::kMillisecond);
BENCHMARK(put)->ArgName("labels")->Arg(10'000)->Iterations(1)->UseRealTime()->Unit(
    benchmark::kMillisecond);
BENCHMARK(put)->ArgName("labels")->Arg(1)->Iterations(200)->UseRealTime()->Unit(
    benchmark::kMillisecond);

void compact(benchmark::State& state) {
  for (auto _ : state) Subject::get().live().compact();
}
BENCHMARK(compact)->Iterations(1)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace dexter

BENCHMARK_MAIN();
