// Speed and recall of kinds of index on given vectors.
#include "index/index_bench.h"

#include <algorithm>
#include <chrono>
#include <numeric>

#include <spdlog/fmt/fmt.h>

#include "storage/error.h"

namespace dexter {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostSingles = 256;
constexpr int kPasses = 3;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::string setting_of(const IndexOptions& built) {
  if (built.kind == "ivf") return fmt::format("{} lists, {} probes", built.lists, built.probes);
  if (built.kind == "hnsw") return fmt::format("{} links, ef {}", built.links, built.ef);
  return "exact";
}

// All answers in batches. [queries x k]
std::vector<std::int64_t> answers(const VectorIndex& index, EmbeddingView queries, int k,
                                  std::size_t batch) {
  std::vector<std::int64_t> ids;
  for (std::size_t first = 0; first < queries.rows(); first += batch) {
    const std::size_t count = std::min(batch, queries.rows() - first);
    const SearchResult found = index.search(queries.rows(first, count), k);
    ids.insert(ids.end(), found.ids.begin(), found.ids.end());
  }
  return ids;
}

double recall_of(const std::vector<std::int64_t>& found, const std::vector<std::int64_t>& exact,
                 std::size_t k) {
  std::size_t right = 0, all = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto row = exact.begin() + static_cast<std::ptrdiff_t>(i / k * k);
    if (exact[i] != kNoId) ++all;
    if (found[i] != kNoId)
      right +=
          static_cast<std::size_t>(std::count(row, row + static_cast<std::ptrdiff_t>(k), found[i]));
  }
  return all == 0 ? 1 : static_cast<double>(right) / static_cast<double>(all);
}

}  // namespace

void IndexBenchOptions::validate() const {
  ensure(k >= 1, ErrorKind::kInvalidInput,
         fmt::format("measuring indexes: k is {}; ask for at least 1", k));
  ensure(!kinds.empty() && !batches.empty(), ErrorKind::kInvalidInput,
         fmt::format("measuring indexes: {} kinds and {} batch sizes; give at least one of each",
                     kinds.size(), batches.size()));
  for (const int batch : batches)
    ensure(batch >= 1, ErrorKind::kInvalidInput,
           fmt::format("measuring indexes: a batch of {}; give at least 1", batch));
  for (const std::string& kind : kinds) {
    IndexOptions checked = index;
    checked.kind = kind;
    checked.validate();
  }
}

void measure_indexes(const IndexBenchOptions& options, EmbeddingView base, EmbeddingView queries,
                     const std::function<void(const IndexMeasurement&)>& report) {
  options.validate();
  ensure(base.rows() > 0 && queries.rows() > 0 && base.dim() == queries.dim(),
         ErrorKind::kInvalidInput,
         fmt::format("measuring indexes: {} vectors of {} dimensions and {} queries of {}; give at "
                     "least one of each, of the same dimensions",
                     base.rows(), base.dim(), queries.rows(), queries.dim()));
  std::vector<std::int64_t> ids(base.rows());
  std::iota(ids.begin(), ids.end(), std::int64_t{0});
  const std::size_t half = queries.rows() / 2;
  const EmbeddingView tuning = queries.rows(0, std::max<std::size_t>(half, 1));
  const EmbeddingView measured = queries.rows(half, queries.rows() - half);
  std::vector<std::int64_t> exact;
  {
    const auto flat = build_index({.kind = "flat"}, base, ids);
    exact = answers(*flat, measured, options.k, measured.rows());
  }
  for (const std::string& kind : options.kinds) {
    IndexOptions wanted = options.index;
    wanted.kind = kind;
    const Clock::time_point start = Clock::now();
    const auto index = build_index(wanted, base, ids, tuning);
    const double build_seconds = seconds_since(start);
    const IndexDescription built = index->describe();
    for (const int batch : options.batches) {
      const std::size_t count =
          batch == 1 ? std::min(kMostSingles, measured.rows()) : measured.rows();
      const EmbeddingView asked = measured.rows(0, count);
      double best = 0;
      std::vector<std::int64_t> found;
      for (int pass = 0; pass < kPasses; ++pass) {
        const Clock::time_point begin = Clock::now();
        found = answers(*index, asked, options.k, static_cast<std::size_t>(batch));
        best = std::max(best, static_cast<double>(count) / seconds_since(begin));
      }
      report(
          {.kind = built.kind,
           .setting = setting_of(built.options),
           .batch = batch,
           .queries_per_second = best,
           .recall = recall_of(found, exact, static_cast<std::size_t>(options.k)),
           .build_seconds = build_seconds,
           .bytes_per_vector = static_cast<double>(built.bytes) / static_cast<double>(built.size)});
    }
  }
}

}  // namespace dexter
