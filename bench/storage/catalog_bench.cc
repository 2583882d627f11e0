// Writing, reading and opening a store of short documents. Synthetic text from one seed.
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <random>
#include <string>
#include <vector>

#include "storage/catalog.h"
#include "tests/support/temp_dir.h"

namespace dexter {
namespace {

constexpr std::uint32_t kLabels = 27'754;

struct Row {
  std::string key;
  std::string text;
  std::vector<LabelId> labels;
};

// About nine words and two and a half labels a document, as in short-text subject indexing.
Row row_of(std::uint64_t number) {
  std::mt19937_64 random(number);
  Row row;
  row.key = std::to_string(random());
  const std::uint64_t words = 4 + random() % 11;
  for (std::uint64_t i = 0; i < words; ++i)
    row.text.append(i == 0 ? "w" : " w").append(std::to_string(random() % 50'000));
  for (std::uint64_t i = 0; i < 1 + random() % 4; ++i)
    row.labels.push_back(LabelId{static_cast<std::uint32_t>(random() % kLabels)});
  return row;
}

void write_corpus(Catalog& catalog, const std::vector<Row>& rows) {
  CorpusWriter corpus(catalog);
  for (std::uint32_t i = 0; i < kLabels; ++i)
    corpus.add_label("label" + std::to_string(i), "A name", "a text of some words");
  for (const Row& row : rows) corpus.add_example(Split::kTrain, row.key, row.text, row.labels, {});
  corpus.commit({});
}

std::vector<Row> rows_of(std::int64_t count) {
  std::vector<Row> rows;
  for (std::int64_t i = 0; i < count; ++i) rows.push_back(row_of(static_cast<std::uint64_t>(i)));
  return rows;
}

testing::TempDir on_disk() { return testing::TempDir(std::filesystem::temp_directory_path()); }

// One store per size, shared by the reading benches.
const std::filesystem::path& stored_corpus(std::int64_t documents) {
  static std::vector<std::pair<std::int64_t, testing::TempDir>> stores;
  for (const auto& [count, folder] : stores)
    if (count == documents) return folder.path();
  auto& [count, folder] = stores.emplace_back(documents, on_disk());
  Catalog catalog = Catalog::open(folder.path(), OpenMode::kCreate);
  write_corpus(catalog, rows_of(documents));
  return folder.path();
}

void BM_ImportDocuments(benchmark::State& state) {
  const auto rows = rows_of(state.range(0));
  for (auto _ : state) {
    const testing::TempDir folder = on_disk();
    Catalog catalog = Catalog::open(folder.path(), OpenMode::kCreate);
    write_corpus(catalog, rows);
  }
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  state.counters["documents_per_second"] = benchmark::Counter(
      static_cast<double>(state.range(0) * state.iterations()), benchmark::Counter::kIsRate);
  state.counters["peak_resident_MiB"] = static_cast<double>(usage.ru_maxrss) / 1024;
}
BENCHMARK(BM_ImportDocuments)
    ->ArgName("documents")
    ->Arg(600'000)
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

void BM_ScanExamples(benchmark::State& state) {
  const Catalog catalog = Catalog::open(stored_corpus(state.range(0)), OpenMode::kRead);
  std::size_t labels = 0;
  for (auto _ : state)
    catalog.scan_examples(Split::kTrain,
                          [&](Example&& example) { labels += example.labels.size(); });
  benchmark::DoNotOptimize(labels);
  state.counters["documents_per_second"] = benchmark::Counter(
      static_cast<double>(state.range(0) * state.iterations()), benchmark::Counter::kIsRate);
}
BENCHMARK(BM_ScanExamples)
    ->ArgName("documents")
    ->Arg(600'000)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

void BM_ScanLabels(benchmark::State& state) {
  const Catalog catalog = Catalog::open(stored_corpus(state.range(0)), OpenMode::kRead);
  std::size_t bytes = 0;
  for (auto _ : state) catalog.scan_labels([&](Label&& label) { bytes += label.text.size(); });
  benchmark::DoNotOptimize(bytes);
  state.counters["labels_per_second"] = benchmark::Counter(
      static_cast<double>(kLabels * state.iterations()), benchmark::Counter::kIsRate);
}
BENCHMARK(BM_ScanLabels)
    ->ArgName("documents")
    ->Arg(600'000)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

void BM_ReadLabels(benchmark::State& state) {
  const Catalog catalog = Catalog::open(stored_corpus(state.range(0)), OpenMode::kRead);
  std::mt19937_64 random(7);
  std::vector<LabelId> ids(5);
  for (auto _ : state) {
    for (LabelId& id : ids) id = LabelId{static_cast<std::uint32_t>(random() % kLabels)};
    benchmark::DoNotOptimize(catalog.labels(ids));
  }
}
BENCHMARK(BM_ReadLabels)->ArgName("documents")->Arg(600'000)->Unit(benchmark::kMicrosecond);

void BM_OpenForReading(benchmark::State& state) {
  const auto& store = stored_corpus(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(Catalog::open(store, OpenMode::kRead));
}
BENCHMARK(BM_OpenForReading)
    ->ArgName("documents")
    ->Arg(600'000)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

void BM_VerifyStore(benchmark::State& state) {
  const auto& store = stored_corpus(state.range(0));
  for (auto _ : state)
    if (!verify_store(store).empty()) state.SkipWithError("the store is damaged");
}
BENCHMARK(BM_VerifyStore)
    ->ArgName("documents")
    ->Arg(600'000)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
}  // namespace dexter

BENCHMARK_MAIN();
