// Reading a corpus file and importing it. Synthetic short documents from one seed: nine words and
// two and a half labels each, as in subject indexing.
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <fstream>
#include <random>
#include <string>

#include "storage/importer.h"
#include "tests/support/gzip_file.h"
#include "tests/support/temp_dir.h"

namespace dexter {
namespace {

constexpr std::uint32_t kLabels = 27'754;

struct Rows {
  std::string jsonl, lf_xmc, annif, xmc;
};

// `count` documents in the notation of every format, without the header of xmc.
Rows rows_of(std::int64_t count) {
  std::mt19937_64 random(7);
  Rows rows;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::string key = std::to_string(random());
    std::string text, features, keys, numbers, uris;
    for (std::uint64_t word = 4 + random() % 11; word > 0; --word) {
      const std::string number = std::to_string(random() % 50'000);
      text.append(text.empty() ? "word" : " word").append(number);
      features.append(" ").append(number).append(":0.25");
    }
    for (std::uint64_t left = 1 + random() % 4; left > 0; --left) {
      const std::string label = std::to_string(random() % kLabels);
      const char* const comma = numbers.empty() ? "" : ",";
      keys.append(comma).append("\"l").append(label).append("\"");
      numbers.append(comma).append(label);
      uris.append(uris.empty() ? "" : " ").append("<http://e.org/").append(label).append(">");
    }
    rows.jsonl += R"({"id":")" + key + R"(","text":")" + text + R"(","labels":[)" + keys + "]}\n";
    rows.lf_xmc +=
        R"({"uid":")" + key + R"(","title":")" + text + R"(","target_ind":[)" + numbers + "]}\n";
    rows.annif += text + "\t" + uris + "\n";
    rows.xmc += numbers + features + "\n";
  }
  return rows;
}

void write_labels(const std::filesystem::path& file) {
  std::ofstream out(file);
  for (std::uint32_t i = 0; i < kLabels; ++i)
    out << R"({"uid":"l)" << i << R"(","title":"a label of some words"})"
        << "\n";
}

void count_documents(benchmark::State& state, std::int64_t documents, std::uint64_t bytes) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  state.counters["documents/s"] = benchmark::Counter(
      static_cast<double>(documents * state.iterations()), benchmark::Counter::kIsRate);
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes) * state.iterations());
  state.counters["peak_MiB"] = static_cast<double>(usage.ru_maxrss) / 1024;
}

void read(benchmark::State& state, const std::string& format, const std::string& text,
          bool packed) {
  const testing::TempDir folder;
  const std::filesystem::path file = folder / "documents";
  packed ? testing::write_gzip(file, text) : testing::write_bytes(file, text);
  std::int64_t documents = 0;
  for (auto _ : state) {
    const auto reader = open_corpus(file, {.format = format});
    documents = 0;
    for (CorpusRow row; reader->next_document(row); ++documents) benchmark::DoNotOptimize(row);
  }
  count_documents(state, documents, text.size());
}

constexpr std::int64_t kDocumentsToRead = 100'000;

void BM_ReadJsonl(benchmark::State& state) {
  read(state, "jsonl", rows_of(kDocumentsToRead).jsonl, state.range(0) != 0);
}
void BM_ReadLfXmc(benchmark::State& state) {
  read(state, "lf-xmc", rows_of(kDocumentsToRead).lf_xmc, state.range(0) != 0);
}
void BM_ReadAnnif(benchmark::State& state) {
  read(state, "annif", rows_of(kDocumentsToRead).annif, state.range(0) != 0);
}
void BM_ReadXmc(benchmark::State& state) {
  const std::string header =
      std::to_string(kDocumentsToRead) + " 50000 " + std::to_string(kLabels) + "\n";
  read(state, "xmc", header + rows_of(kDocumentsToRead).xmc, state.range(0) != 0);
}

// Into an empty store, until the corpus is on disk and committed.
void BM_Import(benchmark::State& state) {
  const testing::TempDir folder;
  const std::string text = rows_of(state.range(0)).lf_xmc;
  testing::write_bytes(folder / "trn.json", text);
  write_labels(folder / "lbl.json");
  for (auto _ : state) {
    Catalog catalog = Catalog::open(folder / "store", OpenMode::kCreate);
    import_corpus(catalog, {.format = "lf-xmc", .train = folder / "trn.json", .replace = true}, {});
  }
  count_documents(state, state.range(0), text.size());
}

BENCHMARK(BM_ReadJsonl)->ArgName("gzip")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_ReadLfXmc)->ArgName("gzip")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_ReadAnnif)->ArgName("gzip")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_ReadXmc)->ArgName("gzip")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Import)
    ->ArgName("documents")
    ->Arg(10'000)
    ->Arg(600'000)
    ->Iterations(1)
    ->Unit(benchmark::kSecond)
    ->UseRealTime();

}  // namespace
}  // namespace dexter

BENCHMARK_MAIN();
