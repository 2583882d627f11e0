// What the machine could do at most, and the share of it that exact search reaches: of the read
// bandwidth with one query, of the rate of byte products with many.
#include <benchmark/benchmark.h>
#include <immintrin.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "index/bounded_scan.h"
#include "index/huge_vector.h"
#include "index/vector_index.h"

namespace dexter {
namespace {

constexpr int kPasses = 20;

double seconds_of(const auto& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// Four streams of one thread's part, each fetched ahead, for one stream alone waits for memory.
std::uint64_t read_all(const std::uint64_t* begin, std::size_t count) {
  constexpr std::size_t kStreams = 4, kAhead = 256;  // values
  const std::size_t part = count / kStreams;
  __m256i sums[kStreams] = {};
  for (std::size_t i = 0; i < part; i += 8)
    for (std::size_t s = 0; s < kStreams; ++s) {
      const std::uint64_t* at = begin + s * part + i;
      _mm_prefetch(reinterpret_cast<const char*>(at + kAhead), _MM_HINT_T0);
      const auto* wide = reinterpret_cast<const __m256i*>(at);
      sums[s] = _mm256_add_epi64(sums[s], _mm256_loadu_si256(wide));
      sums[s] = _mm256_add_epi64(sums[s], _mm256_loadu_si256(wide + 1));
    }
  std::uint64_t sum = 0;
  for (const __m256i& each : sums) sum += static_cast<std::uint64_t>(_mm256_extract_epi64(each, 0));
  return sum;
}

// Bytes a second that all threads together read of a gigabyte on large pages, as the index's lie,
// at best.
double read_bandwidth() {
  static const double best = [] {
    const HugeVector<std::uint64_t> memory(std::size_t{1} << 27, 1);
    const auto threads = static_cast<std::size_t>(omp_get_max_threads());
    const std::size_t part = memory.size() / threads / 32 * 32;
    double rate = 0;
    for (int pass = 0; pass < kPasses; ++pass)
      rate = std::max(rate, 8.0 * static_cast<double>(part * threads) / seconds_of([&] {
#pragma omp parallel for schedule(static)
                              for (std::size_t t = 0; t < threads; ++t)
                                benchmark::DoNotOptimize(read_all(&memory[t * part], part));
                            }));
    return rate;
  }();
  return best;
}

// Sums that do not wait for each other, of operands in registers, by the instructions that the scan
// has: one of AVX-512 VNNI, or three of AVX2.
constexpr int kWideSums = 16, kNarrowSums = 12;

[[gnu::target("arch=x86-64-v4,avx512vnni")]] void multiply_wide(std::int64_t rounds) {
  __m512i sums[kWideSums];
  for (auto& sum : sums) sum = _mm512_setzero_si512();
  __m512i rows = _mm512_set1_epi8(3), query = _mm512_set1_epi8(5);
  for (std::int64_t i = 0; i < rounds; ++i) {
    benchmark::DoNotOptimize(rows);
    for (auto& sum : sums) sum = _mm512_dpbusd_epi32(sum, rows, query);
  }
  for (auto& sum : sums) benchmark::DoNotOptimize(sum);
}

[[gnu::target("avx2")]] void multiply_narrow(std::int64_t rounds) {
  __m256i sums[kNarrowSums];
  for (auto& sum : sums) sum = _mm256_setzero_si256();
  __m256i rows = _mm256_set1_epi8(3), query = _mm256_set1_epi8(5);
  const __m256i ones = _mm256_set1_epi16(1);
  for (std::int64_t i = 0; i < rounds; ++i)
    for (auto& sum : sums) {
      asm("" : "+x"(rows));  // else the product is made once for all sums
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(rows, query), ones));
    }
  for (auto& sum : sums) benchmark::DoNotOptimize(sum);
}

// Byte multiplications and additions a second of all threads together, at best.
double byte_rate() {
  constexpr std::int64_t kRounds = 4'000'000;
  static const double best = [] {
    const bool wide = best_byte_isa() == ByteIsa::kAvx512Vnni;
    const double products = wide ? 64.0 * kWideSums : 32.0 * kNarrowSums;
    double rate = 0;
    for (int pass = 0; pass < kPasses; ++pass)
      rate = std::max(rate, 2 * products * kRounds * omp_get_max_threads() / seconds_of([wide] {
                              const int threads = omp_get_max_threads();
#pragma omp parallel for schedule(static)
                              for (int t = 0; t < threads; ++t)
                                wide ? multiply_wide(kRounds) : multiply_narrow(kRounds);
                            }));
    return rate;
  }();
  return best;
}

EmbeddingMatrix random_unit_vectors(std::size_t rows, int dim, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 1 / std::sqrt(static_cast<float>(dim)));
  EmbeddingMatrix vectors(rows, dim);
  for (std::size_t i = 0; i < rows; ++i)
    for (float& v : vectors.row(i)) v = normal(random);
  return vectors;
}

std::unique_ptr<VectorIndex> flat_index(EmbeddingView vectors, const char* storage) {
  std::vector<std::int64_t> ids(vectors.rows());
  std::iota(ids.begin(), ids.end(), 0);
  return build_index({.kind = "flat", .storage = storage}, vectors, ids);
}

// From a file, whose pages the system holds, to the first answer; every byte's checksum is checked.
void open_index(benchmark::State& state) {
  const auto folder = std::filesystem::temp_directory_path() / "dexter_open_index_bench";
  std::filesystem::create_directories(folder);
  const EmbeddingMatrix queries = random_unit_vectors(1, 256, 8);
  const FileRef file =
      flat_index(random_unit_vectors(static_cast<std::size_t>(state.range(0)), 256, 7), "float32")
          ->save(folder / "flat.idx", folder);
  for (auto _ : state) benchmark::DoNotOptimize(load_index(folder, file)->search(queries, 10));
  state.counters["bytes"] = static_cast<double>(file.bytes);
  std::filesystem::remove_all(folder);
}
BENCHMARK(open_index)
    ->ArgName("rows")
    ->Arg(1'300'000)
    ->Iterations(5)  // given, so that the index is made once
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

// Exact search of unit vectors; the counters are rates, the peak and its share.
void exact_search(benchmark::State& state) {
  const auto rows = static_cast<std::size_t>(state.range(0));
  const auto batch = static_cast<std::size_t>(state.range(2));
  const int dim = static_cast<int>(state.range(1));
  const EmbeddingMatrix queries = random_unit_vectors(256, dim, 8);
  const auto index = flat_index(random_unit_vectors(rows, dim, 7), "byte");
  const double peak = batch == 1 ? read_bandwidth() : byte_rate();
  double best = 1e9;
  std::size_t first = 0;
  for (auto _ : state) {
    const EmbeddingView some = queries.view().rows(first, batch);
    best = std::min(best, seconds_of([&] { benchmark::DoNotOptimize(index->search(some, 10)); }));
    first = (first + batch) % (queries.rows() - batch + 1);
  }
  const double values = static_cast<double>(rows) * dim;
  const double rate = (batch == 1 ? values : 2 * values * static_cast<double>(batch)) / best;
  state.counters["peak"] = peak;
  state.counters["rate"] = rate;
  state.counters["share"] = rate / peak;
  state.counters["queries_per_second"] = static_cast<double>(batch) / best;
}

BENCHMARK(exact_search)
    ->ArgNames({"rows", "dim", "batch"})
    ->Args({590'764, 256, 1})
    ->Args({590'764, 256, 64})
    ->Args({590'764, 384, 1})
    ->Args({590'764, 384, 64})
    ->Iterations(100)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace dexter

BENCHMARK_MAIN();
