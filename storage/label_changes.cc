// Adding, replacing and removing labels of a store.
#include <spdlog/fmt/fmt.h>

#include <limits>
#include <set>
#include <utility>

#include "storage/catalog_impl.h"
#include "storage/crash_point.h"
#include "storage/error.h"

namespace dexter {
namespace {

void require_fitting(const CatalogState& store, std::span<const Label> labels,
                     EmbeddingView vectors) {
  const auto& generation = store.manifest.generation;
  const std::size_t wanted = generation ? labels.size() : 0;
  ensure(vectors.rows() == wanted, ErrorKind::kInvalidInput,
         fmt::format("adding {} labels to {}: {} vectors come with them, {} belong there",
                     labels.size(), store.path.string(), vectors.rows(), wanted));
  ensure(!generation || labels.empty() || vectors.dim() == generation->encoder.dim,
         ErrorKind::kIncompatible,
         fmt::format(
             "adding labels to {}: their vectors have {} dimensions, the generation's have {}; "
             "encode them with its encoder",
             store.path.string(), vectors.dim(), generation ? generation->encoder.dim : 0));
  std::set<std::string_view> keys;
  for (const Label& label : labels) {
    require_valid_key("label", label.key);
    ensure(keys.insert(label.key).second, ErrorKind::kInvalidInput,
           fmt::format("adding labels to {}: the key \"{}\" occurs twice; give each label once",
                       store.path.string(), label.key));
  }
}

std::optional<LabelId> label_id_of(const CatalogState& store, std::string_view key) {
  const std::string name_key = codec::label_name_key(store.corpus(), key);
  const auto value = store.records->get(Family::kLabelKeys, name_key);
  if (!value) return std::nullopt;
  return LabelId{
      static_cast<std::uint32_t>(codec::decode_id(Family::kLabelKeys, name_key, *value))};
}

void put_label(const CatalogState& store, RecordBatch& batch, const Label& label, LabelId id) {
  std::string value;
  const std::string key = codec::label_key(store.corpus(), id);
  codec::encode(value, key, label);
  batch.put(Family::kLabels, key, value);
  const std::string name_key = codec::label_name_key(store.corpus(), label.key);
  codec::encode_id(value, name_key, dexter::value(id));
  batch.put(Family::kLabelKeys, name_key, value);
}

}  // namespace

void CatalogState::put_change(RecordBatch& batch, const LabelChange& change) const {
  const std::string key = codec::label_key(corpus(), change.id);
  std::string value;
  codec::encode(value, key, change);
  batch.put(Family::kChanges, key, value);
}

std::vector<LabelId> Catalog::put_labels(std::span<const Label> labels, EmbeddingView vectors) {
  CatalogState& store = *impl_;
  store.require_writable("adding labels");
  require_fitting(store, labels, vectors);
  Manifest next = store.manifest;
  codec::Counts counts = store.counts;
  RecordBatch batch(*store.records);
  std::vector<LabelId> ids;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    auto id = label_id_of(store, labels[i].key);
    if (!id) {
      ensure(next.next_label < std::numeric_limits<std::uint32_t>::max(), ErrorKind::kInvalidInput,
             fmt::format("adding labels to {}: all {} ids are used", store.path.string(),
                         next.next_label));
      id = LabelId{next.next_label++};
      ++counts.labels;
    }
    put_label(store, batch, labels[i], *id);
    LabelChange change{.id = *id, .removed = false, .vector = {}};
    if (vectors.rows() > 0) change.vector.assign(vectors.row(i).begin(), vectors.row(i).end());
    store.put_change(batch, change);
    ids.push_back(*id);
  }
  crash_point("labels.before_write");
  store.commit(batch, next, counts);
  crash_point("labels.written");
  return ids;
}

bool Catalog::remove_label(std::string_view key) {
  const std::string keys[] = {std::string(key)};
  return !remove_labels(keys).empty();
}

std::vector<LabelId> Catalog::remove_labels(std::span<const std::string> keys) {
  CatalogState& store = *impl_;
  store.require_writable("removing labels");
  codec::Counts counts = store.counts;
  RecordBatch batch(*store.records);
  std::vector<LabelId> removed;
  for (const std::string& key : std::set<std::string>(keys.begin(), keys.end())) {
    const auto id = label_id_of(store, key);
    if (!id) continue;
    --counts.labels;
    batch.remove(Family::kLabels, codec::label_key(store.corpus(), *id));
    batch.remove(Family::kLabelKeys, codec::label_name_key(store.corpus(), key));
    store.put_change(batch, {.id = *id, .removed = true, .vector = {}});
    removed.push_back(*id);
  }
  if (removed.empty()) return removed;
  crash_point("labels.before_write");
  store.commit(batch, store.manifest, counts);
  crash_point("labels.written");
  return removed;
}

}  // namespace dexter
