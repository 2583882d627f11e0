// The next generation from the last one's vectors and the changes since.
#include "engine/compaction.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "encoders/encoder.h"
#include "engine/offline.h"
#include "storage/catalog.h"

namespace dexter {
namespace {

constexpr std::size_t kRowsPerChunk = 4096;

struct Rows {
  int dim = 0;
  std::vector<std::int64_t> ids;
  std::vector<float> values;

  void add(std::int64_t id, std::span<const float> row) {
    ids.push_back(id);
    values.insert(values.end(), row.begin(), row.end());
  }
  EmbeddingView view() const { return EmbeddingView(values.data(), ids.size(), dim); }
};

// The labels of `base` as they are now.
Rows present_rows(const RetrievalEngine& base) {
  Rows rows{.dim = base.encoder().dim(), .ids = {}, .values = {}};
  std::map<LabelId, const ChangedLabel*> changes = base.last_changes();
  const auto add_changed = [&](const LabelChange& change) {
    if (!change.removed) rows.add(value(change.id), change.vector);
  };
  base.catalog().scan_vectors(
      Space::kLabels, kRowsPerChunk, [&](std::span<const std::int64_t> ids, EmbeddingView vectors) {
        for (std::size_t i = 0; i < ids.size(); ++i) {
          const auto changed = changes.find(LabelId{static_cast<std::uint32_t>(ids[i])});
          if (changed == changes.end()) {
            rows.add(ids[i], vectors.row(i));
          } else {
            add_changed(changed->second->change);
            changes.erase(changed);
          }
        }
      });
  for (const auto& [id, changed] : changes) add_changed(changed->change);
  return rows;
}

// Labels that no known feature describes have zero vectors and are no answers.
Rows answerable(const Rows& rows) {
  Rows kept{.dim = rows.dim, .ids = {}, .values = {}};
  const EmbeddingView view = rows.view();
  for (std::size_t i = 0; i < rows.ids.size(); ++i) {
    const std::span<const float> row = view.row(i);
    if (!is_zero(row)) kept.add(rows.ids[i], row);
  }
  return kept;
}

}  // namespace

GenerationInfo compacted_generation(
    const RetrievalEngine& base,
    const std::function<void(std::span<const std::int64_t>, EmbeddingView)>& put,
    const Progress& progress) {
  const Catalog& catalog = base.catalog();
  Config config;
  merge_json(config, catalog.manifest().config, "the store's configuration");
  Rows rows = present_rows(base);
  const std::span<const std::int64_t> ids = rows.ids;
  put({}, EmbeddingView(nullptr, 0, rows.dim));  // begins the set, which may stay empty
  for (std::size_t first = 0; first < ids.size(); first += kRowsPerChunk) {
    const std::size_t count = std::min(kRowsPerChunk, ids.size() - first);
    progress.check("compacting");
    put(ids.subspan(first, count), rows.view().rows(first, count));
    progress.update({"writing label vectors", first + count, ids.size(), "labels", {}});
  }
  const std::uint64_t labels = rows.ids.size();
  rows = answerable(rows);
  progress.check("compacting");
  progress.update({"building the index", 0, rows.ids.size(), "labels", {}});
  IndexReport report;
  report.generation.encoder = catalog.manifest().generation->encoder;
  report.generation.labels = labels;
  report.generation.documents = catalog.manifest().generation->documents;
  write_index(catalog, base.encoder(), config, rows.ids, rows.view(), report, progress);
  return report.generation;
}

}  // namespace dexter
