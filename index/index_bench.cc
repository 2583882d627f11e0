// Speed and recall of kinds of index on given vectors.
#include "index/index_bench.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <random>

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
  std::string setting = "exact";
  if (built.kind == "ivf") setting = fmt::format("{} lists, {} probes", built.lists, built.probes);
  if (built.kind == "hnsw") setting = fmt::format("{} links, ef {}", built.links, built.ef);
  return built.storage == "float32" ? setting : setting + ", " + built.storage;
}

// All answers in batches. [queries x k]
std::vector<std::int64_t> answers(const VectorIndex& index, EmbeddingView queries, int k,
                                  std::size_t batch, const SearchOptions& options) {
  std::vector<std::int64_t> ids;
  for (std::size_t first = 0; first < queries.rows(); first += batch) {
    const std::size_t count = std::min(batch, queries.rows() - first);
    const SearchResult found = index.search(queries.rows(first, count), k, options);
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

// What is asked: everything, or a part of the vectors, and the exact answers.
struct Subject {
  double filter = 1;
  SearchOptions options;
  std::vector<std::int64_t> exact;  // [queries x k]
};

// A part of the rows drawn at random, at least one, and the answers of an exact index of these.
Subject filtered(double share, EmbeddingView base, EmbeddingView queries, int k, int seed) {
  std::vector<std::int64_t> all(base.rows()), ids;
  std::iota(all.begin(), all.end(), std::int64_t{0});
  const double wanted = std::max(1.0, std::round(share * static_cast<double>(all.size())));
  std::mt19937 random(static_cast<std::mt19937::result_type>(seed));
  std::ranges::sample(all, std::back_inserter(ids), static_cast<std::ptrdiff_t>(wanted), random);
  EmbeddingMatrix rows(ids.size(), base.dim());
  for (std::size_t i = 0; i < ids.size(); ++i)
    std::ranges::copy(base.row(static_cast<std::size_t>(ids[i])), rows.row(i).begin());
  Subject subject{.filter = share, .options = {}, .exact = {}};
  subject.exact =
      answers(*build_index({.kind = "flat"}, rows, ids), queries, k, queries.rows(), {});
  subject.options.only = std::make_shared<IdSet>(std::move(ids));
  return subject;
}

// Those that take the kind, or one without a name, the processors.
std::vector<IndexBenchOptions::Device> devices_for(
    const std::string& kind, const std::vector<IndexBenchOptions::Device>& devices) {
  std::vector<IndexBenchOptions::Device> able;
  for (const auto& device : devices)
    if ((kind == "flat" && device.accelerate.flat) || (kind == "ivf" && device.accelerate.ivf))
      able.push_back(device);
  if (able.empty()) able.emplace_back();
  return able;
}

// Best of some passes over the queries.
void measure_search(const VectorIndex& index, EmbeddingView queries, int k, int batch,
                    const Subject& subject, IndexMeasurement& measurement) {
  std::vector<std::int64_t> found;
  for (int pass = 0; pass < kPasses; ++pass) {
    const Clock::time_point begin = Clock::now();
    found = answers(index, queries, k, static_cast<std::size_t>(batch), subject.options);
    measurement.queries_per_second = std::max(
        measurement.queries_per_second, static_cast<double>(queries.rows()) / seconds_since(begin));
  }
  measurement.recall = recall_of(found, subject.exact, static_cast<std::size_t>(k));
}

}  // namespace

void IndexBenchOptions::validate() const {
  ensure(k >= 1, ErrorKind::kInvalidInput,
         fmt::format("measuring indexes: k is {}; ask for at least 1", k));
  ensure(!kinds.empty() && !batches.empty(), ErrorKind::kInvalidInput,
         fmt::format("measuring indexes: {} kinds and {} batch sizes; give at least one of each",
                     kinds.size(), batches.size()));
  ensure(
      filter > 0 && filter <= 1, ErrorKind::kInvalidInput,
      fmt::format("measuring indexes: a filter of {}; give a share above 0 and at most 1", filter));
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
                     const std::function<void(const IndexMeasurement&)>& report,
                     const Progress& progress) {
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
  std::vector<Subject> subjects(1);
  subjects[0].exact =
      answers(*build_index({.kind = "flat"}, base, ids), measured, options.k, measured.rows(), {});
  if (options.filter < 1)
    subjects.push_back(filtered(options.filter, base, measured, options.k, options.index.seed));
  for (const std::string& kind : options.kinds) {
    IndexOptions wanted = options.index;
    wanted.kind = kind;
    Clock::time_point start = Clock::now();
    const auto index = build_index(wanted, base, ids, tuning, progress);
    const double own_seconds = seconds_since(start);
    const IndexDescription built = index->describe();
    for (const IndexBenchOptions::Device& device : devices_for(built.kind, options.devices)) {
      start = Clock::now();
      if (!device.name.empty()) accelerate(*index, device.accelerate);
      const double build_seconds = own_seconds + seconds_since(start);
      for (const Subject& subject : subjects)
        for (const int batch : options.batches) {
          const std::size_t count =
              batch == 1 ? std::min(kMostSingles, measured.rows()) : measured.rows();
          IndexMeasurement measurement{
              .kind = built.kind,
              .setting =
                  setting_of(built.options) + (device.name.empty() ? "" : ", on " + device.name),
              .batch = batch,
              .filter = subject.filter,
              .build_seconds = build_seconds,
              .bytes_per_vector =
                  static_cast<double>(built.bytes) / static_cast<double>(built.size)};
          measure_search(*index, measured.rows(0, count), options.k, batch, subject, measurement);
          report(measurement);
        }
    }
  }
}

}  // namespace dexter
