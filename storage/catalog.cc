// Labels, documents, vectors and notes of a store.
#include "storage/catalog.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "storage/catalog_impl.h"
#include "storage/crash_point.h"
#include "storage/error.h"

namespace dexter {
namespace {

constexpr std::size_t kRowsPerChunk = 1024;

std::size_t index_of(Space space) { return static_cast<std::size_t>(space); }

// The index of documents that a manifest names; "" for none.
std::string documents_of(const Manifest& manifest) {
  const auto& generation = manifest.generation;
  return generation && generation->documents ? generation->documents->index.name : std::string();
}

[[noreturn]] void throw_hole(const std::string& what, const std::string& found) {
  throw Error(
      ErrorKind::kCorrupt,
      fmt::format("reading {}: {}; the store is damaged, `dexter verify` lists what; import "
                  "again or restore a copy",
                  what, found));
}

// Gathers rows into chunks of the size that the caller of scan_vectors asked for.
class Rechunker {
 public:
  using Visitor = std::function<void(std::span<const std::int64_t>, EmbeddingView)>;
  Rechunker(std::size_t rows, const Visitor& visit) : rows_(rows), visit_(visit) {}

  void add(const codec::VectorChunk& chunk) {
    for (std::size_t i = 0; i < chunk.ids.size(); ++i) {
      if (ids_.empty() && values_.empty()) dim_ = chunk.rows.dim();
      if (chunk.rows.dim() != dim_)
        throw_hole("vectors",
                   fmt::format("rows of {} and of {} dimensions", dim_, chunk.rows.dim()));
      ids_.push_back(chunk.ids[i]);
      const auto row = chunk.rows.row(i);
      values_.insert(values_.end(), row.begin(), row.end());
      if (ids_.size() == rows_) flush();
    }
  }

  void flush() {
    if (ids_.empty()) return;
    visit_(ids_, EmbeddingView(values_.data(), ids_.size(), dim_));
    ids_.clear();
    values_.clear();
  }

 private:
  const std::size_t rows_;
  const Visitor& visit_;
  int dim_ = 0;
  std::vector<std::int64_t> ids_;
  std::vector<float> values_;
};

}  // namespace

Catalog::Catalog(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Catalog::~Catalog() = default;
Catalog::Catalog(Catalog&&) noexcept = default;
Catalog& Catalog::operator=(Catalog&&) noexcept = default;

Catalog Catalog::open(const std::filesystem::path& store, OpenMode mode) {
  return Catalog(std::make_unique<Impl>(store, mode));
}

const std::filesystem::path& Catalog::path() const { return impl_->path; }
const Manifest& Catalog::manifest() const { return impl_->manifest; }

void Catalog::commit(const Manifest& manifest, bool clear_changes,
                     std::span<const LabelChange> kept) {
  CatalogState& store = *impl_;
  store.require_writable("committing");
  ensure(manifest.format == kStoreFormat && manifest.corpus == store.manifest.corpus &&
             manifest.next_label >= store.manifest.next_label,
         ErrorKind::kInternal,
         fmt::format(
             "committing to {}: the manifest does not follow the store's (format {}, next label {} "
             "after {}); start from Catalog::manifest()",
             store.path.string(), manifest.format, manifest.next_label, store.manifest.next_label));
  codec::Counts counts = store.counts;
  RecordBatch batch(*store.records);
  if (clear_changes) batch.remove(Family::kChanges, codec::corpus_range(store.corpus()));
  for (const LabelChange& change : kept) store.put_change(batch, change);
  if (clear_changes && documents_of(manifest) != documents_of(store.manifest))
    batch.remove(Family::kVectors, codec::added_vector_range(store.corpus()));
  if (manifest.generation != store.manifest.generation) {
    for (const Space space : {Space::kLabels, Space::kDocuments}) {
      codec::VectorSet& current = counts.vectors[index_of(space)];
      const codec::VectorSet& staged = store.staged[index_of(space)].set;
      if (staged.number == 0) continue;
      batch.remove(Family::kVectors, codec::vector_range(store.corpus(), space, current.number));
      current = staged;
    }
    store.staged = {};
    store.records->flush();  // the staged rows, which were not logged
  }
  crash_point("catalog.before_commit");
  store.commit(batch, manifest, counts);
  crash_point("catalog.after_commit");
  store.remove_unnamed_files(/*temporaries=*/false);
  crash_point("catalog.files_removed");
}

std::optional<Label> Catalog::find_label(LabelId id) const {
  const std::string key = codec::label_key(impl_->corpus(), id);
  const auto value = impl_->records->get(Family::kLabels, key);
  if (!value) return std::nullopt;
  return codec::decode_label(key, *value);
}

std::optional<Label> Catalog::find_label(std::string_view key) const {
  const std::string name_key = codec::label_name_key(impl_->corpus(), key);
  const auto value = impl_->records->get(Family::kLabelKeys, name_key);
  if (!value) return std::nullopt;
  const auto id = codec::decode_id(Family::kLabelKeys, name_key, *value);
  auto label = find_label(LabelId{static_cast<std::uint32_t>(id)});
  if (!label || label->key != key)
    throw_hole(fmt::format("label \"{}\"", key), fmt::format("its record {} is not there", id));
  return label;
}

std::vector<Label> Catalog::labels(std::span<const LabelId> ids) const {
  std::vector<std::string> keys;
  keys.reserve(ids.size());
  for (const LabelId id : ids) keys.push_back(codec::label_key(impl_->corpus(), id));
  const auto values = impl_->records->get(Family::kLabels, keys);
  std::vector<Label> labels;
  labels.reserve(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (!values[i]) throw_hole(fmt::format("label {}", value(ids[i])), "its record is not there");
    labels.push_back(codec::decode_label(keys[i], *values[i]));
  }
  return labels;
}

void Catalog::scan_labels(const std::function<void(Label&&)>& visit) const {
  std::uint64_t found = 0;
  impl_->records->scan(Family::kLabels, codec::corpus_range(impl_->corpus()),
                       [&](std::string_view key, std::string_view value) {
                         ++found;
                         visit(codec::decode_label(key, value));
                         return true;
                       });
  if (found != label_count())
    throw_hole("the labels", fmt::format("{} are there, {} were written", found, label_count()));
}

std::uint64_t Catalog::label_count() const { return impl_->counts.labels; }

std::vector<LabelChange> Catalog::label_changes() const {
  std::vector<LabelChange> changes;
  impl_->records->scan(Family::kChanges, codec::corpus_range(impl_->corpus()),
                       [&](std::string_view key, std::string_view value) {
                         changes.push_back(codec::decode_change(key, value));
                         return true;
                       });
  return changes;
}

void Catalog::scan_examples(Split split, const std::function<void(Example&&)>& visit) const {
  if (!impl_->manifest.corpus) return;
  const CorpusInfo& corpus = *impl_->manifest.corpus;
  std::uint64_t found = 0;
  impl_->records->scan(Family::kDocuments, codec::document_range(corpus.number, split),
                       [&](std::string_view key, std::string_view value) {
                         ++found;
                         visit(codec::decode_example(key, value));
                         return true;
                       });
  const std::uint64_t written =
      split == Split::kTrain ? corpus.train_documents : corpus.test_documents;
  if (found != written)
    throw_hole("the documents", fmt::format("{} are there, {} were written", found, written));
}

std::optional<Example> Catalog::find_example(Split split, std::string_view key) const {
  const std::string name_key = codec::document_name_key(impl_->corpus(), split, key);
  const auto id_value = impl_->records->get(Family::kDocumentKeys, name_key);
  if (!id_value) return std::nullopt;
  const DocumentId id{codec::decode_id(Family::kDocumentKeys, name_key, *id_value)};
  const std::string id_key = codec::document_key(impl_->corpus(), split, id);
  const auto value = impl_->records->get(Family::kDocuments, id_key);
  if (!value) throw_hole(fmt::format("document \"{}\"", key), "its record is not there");
  return codec::decode_example(id_key, *value);
}

std::vector<std::uint32_t> Catalog::label_frequencies() const {
  std::vector<std::uint32_t> frequencies;
  impl_->records->scan(Family::kMeta, codec::frequencies_range(),
                       [&](std::string_view key, std::string_view value) {
                         const auto chunk = codec::decode_numbers(key, value);
                         frequencies.insert(frequencies.end(), chunk.begin(), chunk.end());
                         return true;
                       });
  const std::size_t labels = impl_->manifest.corpus ? impl_->manifest.corpus->labels : 0;
  if (frequencies.size() != labels)
    throw_hole("the label frequencies",
               fmt::format("{} are there, {} were written", frequencies.size(), labels));
  return frequencies;
}

void Catalog::put_vectors(Space space, std::span<const std::int64_t> ids, EmbeddingView vectors,
                          bool first_chunk) {
  CatalogState& store = *impl_;
  store.require_writable("writing vectors");
  auto& staged = store.staged[index_of(space)];
  if (first_chunk) {
    staged = {};
    staged.set.number = store.counts.vectors[index_of(space)].number + 1;
    staged.dim = vectors.dim();
    RecordBatch batch(*store.records);
    batch.remove(Family::kVectors, codec::vector_range(store.corpus(), space, staged.set.number));
    store.records->write_unlogged(batch);
  }
  ensure(ids.size() == vectors.rows() && staged.set.number != 0 && vectors.dim() == staged.dim,
         ErrorKind::kInternal,
         fmt::format(
             "writing vectors to {}: {} ids for {} rows of {} dimensions after rows of {}; begin "
             "with a first chunk and keep the shape",
             store.path.string(), ids.size(), vectors.rows(), vectors.dim(), staged.dim));
  store.require_free_space();
  std::string value;
  for (std::size_t first = 0; first < ids.size(); first += kRowsPerChunk) {
    const std::size_t rows = std::min(kRowsPerChunk, ids.size() - first);
    const auto key = codec::vector_key(store.corpus(), space, staged.set.number, staged.chunks++);
    codec::encode_vectors(value, key, ids.subspan(first, rows), vectors.rows(first, rows));
    RecordBatch batch(*store.records);
    batch.put(Family::kVectors, key, value);
    store.records->write_unlogged(batch);
    staged.set.rows += rows;
  }
  crash_point("catalog.vectors_written");
}

void Catalog::scan_vectors(
    Space space, std::size_t rows_per_chunk,
    const std::function<void(std::span<const std::int64_t>, EmbeddingView)>& visit) const {
  ensure(rows_per_chunk > 0, ErrorKind::kInternal, "reading vectors in chunks of 0 rows");
  const codec::VectorSet set = impl_->counts.vectors[index_of(space)];
  if (set.number == 0) return;
  Rechunker chunks(rows_per_chunk, visit);
  std::uint64_t found = 0;
  impl_->records->scan(Family::kVectors, codec::vector_range(impl_->corpus(), space, set.number),
                       [&](std::string_view key, std::string_view value) {
                         const auto chunk = codec::decode_vectors(key, value);
                         found += chunk.ids.size();
                         chunks.add(chunk);
                         return true;
                       });
  chunks.flush();
  if (found != set.rows)
    throw_hole("vectors", fmt::format("{} rows are there, {} were written", found, set.rows));
}

void CatalogState::put_note(RecordBatch& batch, std::string_view name, std::string_view json) {
  const std::string key = codec::note_key(name);
  std::string value;
  codec::encode_text(value, key, json);
  batch.put(Family::kMeta, key, value);
}

void Catalog::put_note(std::string_view name, std::string_view json) {
  impl_->require_writable("writing a note");
  RecordBatch batch(*impl_->records);
  CatalogState::put_note(batch, name, json);
  crash_point("catalog.before_note");
  impl_->records->write(batch);
  crash_point("catalog.note_written");
}

std::optional<std::string> Catalog::note(std::string_view name) const {
  const std::string key = codec::note_key(name);
  const auto value = impl_->records->get(Family::kMeta, key);
  if (!value) return std::nullopt;
  return codec::decode_text(key, *value);
}

}  // namespace dexter
