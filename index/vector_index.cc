// The table of kinds, the choice of `auto`, building and loading.
#include "index/vector_index.h"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include "index/kind_choice.h"
#include "index/ranked_index.h"
#include "index/row_source.h"
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

bool is_storage(std::string_view name) {
  return name == "float32" || name == "float16" || name == "byte";
}

void check_range(std::string_view name, int value, int lowest, int highest) {
  ensure(value >= lowest && value <= highest, ErrorKind::kInvalidInput,
         fmt::format("index option {} is {}; give {} to {}", name, value, lowest, highest));
}

}  // namespace

void IndexOptions::validate() const {
  ensure(kind == "auto" || find_kind(kind) != nullptr, ErrorKind::kInvalidInput,
         fmt::format("index option kind is '{}'; give auto, flat, ivf or hnsw", kind));
  ensure(is_storage(storage), ErrorKind::kInvalidInput,
         fmt::format("index option storage is '{}'; give float32, float16 or byte", storage));
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
                                         EmbeddingView tuning_queries, const Progress& progress) {
  options.validate();
  IndexCore core;
  core.options = options;
  EmbeddingMatrix rounded;
  if (options.storage != "float32") {
    rounded = rounded_to(options.storage, vectors);
    vectors = rounded;
  }
  const SortedRows rows(vectors, ids, core);
  check_queries(tuning_queries, core, "tuning an index");
  KindChoice choice{options.kind, options.kind + " was asked for"};
  if (options.kind == "auto")
    choice = choose_kind(rows.size(), rows.dim(), options.links, available_memory());
  core.options.kind = choice.kind;
  core.reason = choice.reason;
  return find_kind(core.options.kind)->build(std::move(core), rows, tuning_queries, progress);
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
  ensure(is_storage(core.options.storage), ErrorKind::kIncompatible,
         fmt::format("loading {}: its storage is '{}', which this build does not know; use the "
                     "version that built it or build the index again",
                     ref.name, core.options.storage));
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
