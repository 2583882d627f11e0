// The table of kinds, the choice of `auto`, building and loading.
#include "index/vector_index.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include <spdlog/fmt/fmt.h>

#include "index/ranked_index.h"
#include "storage/error.h"

namespace dexter {
namespace {

struct KindRow {
  IndexKind kind;
  IndexBuilder* build;
  IndexLoader* load;
};

const std::vector<KindRow>& kind_rows() {
  static const std::vector<KindRow> rows = {
      {{"flat", "exact: every vector is read"}, &build_flat_index, &load_flat_index},
      {{"ivf", "inverted lists: reads the nearest of 4 * sqrt(rows) clusters"},
       &build_ivf_index,
       &load_ivf_index},
      {{"hnsw", "a graph of near neighbours: fastest single queries, slow to build"},
       &build_hnsw_index,
       &load_hnsw_index},
  };
  return rows;
}

const KindRow* find_kind(std::string_view name) {
  const auto& rows = kind_rows();
  const auto row = std::ranges::find(rows, name, [](const KindRow& r) { return r.kind.name; });
  return row == rows.end() ? nullptr : &*row;
}

// Up to this much, exact search reads all vectors for one query in about ten milliseconds on two
// cores and answers batches faster than the graph does; bench/index/search_bench.cc.
constexpr double kFlatBytes = 256e6;
// A graph of more rows takes hours to build.
constexpr std::size_t kGraphRows = 2'000'000;

// Linux's own estimate of memory that can be had without swapping.
double available_bytes() {
  std::ifstream meminfo("/proc/meminfo");
  std::string name;
  for (double kib = 0; meminfo >> name >> kib; meminfo.ignore(64, '\n'))
    if (name == "MemAvailable:") return kib * 1024;
  return static_cast<double>(sysconf(_SC_AVPHYS_PAGES)) *
         static_cast<double>(sysconf(_SC_PAGESIZE));
}

// Fills options.kind and reason.
void resolve_kind(IndexCore& core) {
  IndexOptions& options = core.options;
  if (options.kind != "auto") {
    core.reason = options.kind + " was asked for";
    return;
  }
  const auto rows = static_cast<double>(core.ids.size());
  const double vectors = rows * core.dim * sizeof(float);
  // Twice `links` on the lowest layer, where all rows are, and bookkeeping.
  const double graph = vectors + rows * (2.2 * options.links * 4 + 32);
  const double available = available_bytes();
  const std::string size = fmt::format("auto: {} vectors of {} dimensions are {:.1f} MB",
                                       core.ids.size(), core.dim, vectors / 1e6);
  if (vectors <= kFlatBytes) {
    options.kind = "flat";
    core.reason = fmt::format("{}, within the {:.0f} MB that exact search reads fast enough", size,
                              kFlatBytes / 1e6);
  } else if (core.ids.size() <= kGraphRows && graph <= available / 2) {
    options.kind = "hnsw";
    core.reason = fmt::format(
        "{}, too many to read for each query, and with a graph {:.1f} MB fit half of the {:.1f} MB "
        "of memory available",
        size, graph / 1e6, available / 1e6);
  } else {
    options.kind = "ivf";
    core.reason = fmt::format(
        "{}, too many to read for each query, and a graph ({:.1f} MB of {:.1f} MB available; at "
        "most {} rows) would be too large",
        size, graph / 1e6, available / 1e6, kGraphRows);
  }
}

void check_range(std::string_view name, int value, int lowest, int highest) {
  ensure(value >= lowest && value <= highest, ErrorKind::kInvalidInput,
         fmt::format("index option {} is {}; give {} to {}", name, value, lowest, highest));
}

}  // namespace

void IndexOptions::validate() const {
  ensure(kind == "auto" || find_kind(kind) != nullptr, ErrorKind::kInvalidInput,
         fmt::format("index option kind is '{}'; give auto, flat, ivf or hnsw", kind));
  check_range("lists", lists, 0, 1 << 24);
  check_range("probes", probes, 0, 1 << 24);
  check_range("links", links, 2, 512);
  check_range("ef_construction", ef_construction, 1, 1 << 16);
  check_range("ef", ef, 0, 1 << 16);
  ensure(recall > 0 && recall <= 1, ErrorKind::kInvalidInput,
         fmt::format("index option recall is {}; give more than 0 and at most 1", recall));
}

std::unique_ptr<VectorIndex> build_index(const IndexOptions& options, EmbeddingView vectors,
                                         std::span<const std::int64_t> ids,
                                         EmbeddingView tuning_queries) {
  options.validate();
  IndexCore core;
  core.options = options;
  const SortedRows rows(vectors, ids, core);
  check_queries(tuning_queries, core, "tuning an index");
  resolve_kind(core);
  return find_kind(core.options.kind)->build(std::move(core), rows, tuning_queries);
}

std::unique_ptr<VectorIndex> load_index(const std::filesystem::path& root, const FileRef& ref) {
  auto reader = std::make_shared<const SectionFileReader>(root, ref, RankedIndex::kFileType,
                                                          RankedIndex::kFileVersion);
  IndexCore core = load_core(*reader);
  const KindRow* row = find_kind(core.options.kind);
  ensure(row != nullptr, ErrorKind::kIncompatible,
         fmt::format(
             "loading {}: its kind is '{}', which this build does not know; use the version that "
             "built it or build the index again",
             ref.name, core.options.kind));
  return row->load(std::move(core), std::move(reader));
}

const std::vector<IndexKind>& index_kinds() {
  static const std::vector<IndexKind> kinds = [] {
    std::vector<IndexKind> all;
    for (const KindRow& row : kind_rows()) all.push_back(row.kind);
    return all;
  }();
  return kinds;
}

}  // namespace dexter
