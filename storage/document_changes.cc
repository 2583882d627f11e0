// Adding, replacing and hiding documents of a store.
#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include "storage/catalog_impl.h"
#include "storage/crash_point.h"
#include "storage/error.h"

namespace dexter {
namespace {

std::uint64_t imported_documents(const CatalogState& store) {
  const auto& corpus = store.manifest.corpus;
  return corpus ? corpus->train_documents + corpus->test_documents : 0;
}

bool is_hidden(const CatalogState& store, DocumentId id) {
  return store.records->get(Family::kVectors, codec::hidden_key(store.corpus(), id)).has_value();
}

// The id of the document that has the key now.
std::optional<DocumentId> document_id_of(const CatalogState& store, std::string_view key) {
  for (const Split split : {codec::kAdded, Split::kTrain}) {
    const std::string name = codec::document_name_key(store.corpus(), split, key);
    const auto value = store.records->get(Family::kDocumentKeys, name);
    if (!value) continue;
    const DocumentId id{codec::decode_id(Family::kDocumentKeys, name, *value)};
    if (!is_hidden(store, id)) return id;
  }
  return std::nullopt;
}

Split split_of(const CatalogState& store, DocumentId id) {
  return value(id) < imported_documents(store) ? Split::kTrain : codec::kAdded;
}

// One more than any id given so far: an added document that is gone has left its mark.
std::uint64_t next_id(const CatalogState& store) {
  std::uint64_t next = imported_documents(store);
  const auto see = [&](DocumentId id) { next = std::max(next, value(id) + 1); };
  store.records->scan(Family::kDocuments, codec::document_range(store.corpus(), codec::kAdded),
                      [&](std::string_view key, std::string_view value) {
                        see(codec::decode_example(key, value).id);
                        return true;
                      });
  store.records->scan(Family::kVectors, codec::hidden_range(store.corpus()),
                      [&](std::string_view key, std::string_view) {
                        see(codec::document_in(key));
                        return true;
                      });
  return next;
}

// Hides a document, and drops what there is of an added one.
DocumentChange hide(const CatalogState& store, RecordBatch& batch, DocumentId id,
                    std::string_view key) {
  std::string value;
  const std::string hidden = codec::hidden_key(store.corpus(), id);
  codec::encode_vectors(value, hidden, {}, EmbeddingView());
  batch.put(Family::kVectors, hidden, value);
  if (split_of(store, id) == codec::kAdded) {
    batch.remove(Family::kDocuments, codec::document_key(store.corpus(), codec::kAdded, id));
    batch.remove(Family::kDocumentKeys,
                 codec::document_name_key(store.corpus(), codec::kAdded, key));
    batch.remove(Family::kVectors, codec::added_vector_key(store.corpus(), id));
  }
  return {id, true, {}};
}

DocumentChange put_document(const CatalogState& store, RecordBatch& batch, const Example& document,
                            DocumentId id, std::span<const float> vector) {
  std::string value;
  const std::string key = codec::document_key(store.corpus(), codec::kAdded, id);
  codec::encode(value, key, document);
  batch.put(Family::kDocuments, key, value);
  const std::string name = codec::document_name_key(store.corpus(), codec::kAdded, document.key);
  codec::encode_id(value, name, dexter::value(id));
  batch.put(Family::kDocumentKeys, name, value);
  const std::string change = codec::added_vector_key(store.corpus(), id);
  const std::int64_t ids[] = {static_cast<std::int64_t>(dexter::value(id))};
  codec::encode_vectors(value, change, ids,
                        EmbeddingView(vector.data(), 1, static_cast<int>(vector.size())));
  batch.put(Family::kVectors, change, value);
  return {id, false, {vector.begin(), vector.end()}};
}

void require_fitting(const CatalogState& store, std::span<const Example> documents,
                     EmbeddingView vectors) {
  const auto& generation = store.manifest.generation;
  ensure(generation && generation->documents, ErrorKind::kInvalidInput,
         fmt::format("adding documents to {}: its generation holds labels alone; run `dexter index "
                     "--documents`",
                     store.path.string()));
  ensure(vectors.rows() == documents.size() &&
             (documents.empty() || vectors.dim() == generation->encoder.dim),
         ErrorKind::kIncompatible,
         fmt::format("adding {} documents to {}: {} vectors of {} dimensions come with them, the "
                     "generation's have {}; encode them with its encoder",
                     documents.size(), store.path.string(), vectors.rows(), vectors.dim(),
                     generation->encoder.dim));
  std::set<std::string_view> keys;
  for (const Example& document : documents) {
    require_valid_key("document", document.key);
    ensure(keys.insert(document.key).second, ErrorKind::kInvalidInput,
           fmt::format("adding documents to {}: the key \"{}\" occurs twice; give each document "
                       "once",
                       store.path.string(), document.key));
  }
}

}  // namespace

std::vector<DocumentChange> Catalog::put_documents(std::span<const Example> documents,
                                                   EmbeddingView vectors) {
  CatalogState& store = *impl_;
  store.require_writable("adding documents");
  require_fitting(store, documents, vectors);
  if (!store.next_document) store.next_document = next_id(store);
  std::uint64_t next = *store.next_document;
  ensure(
      next + documents.size() <= std::numeric_limits<std::uint32_t>::max(),
      ErrorKind::kInvalidInput,
      fmt::format("adding documents to {}: {} ids are used, there are {}; import the corpus anew",
                  store.path.string(), next, std::numeric_limits<std::uint32_t>::max()));
  std::vector<DocumentChange> changes;
  RecordBatch batch(*store.records);
  for (std::size_t i = 0; i < documents.size(); ++i) {
    if (const auto former = document_id_of(store, documents[i].key))
      changes.push_back(hide(store, batch, *former, documents[i].key));
    changes.push_back(put_document(store, batch, documents[i], DocumentId{next++}, vectors.row(i)));
  }
  crash_point("documents.before_write");
  store.records->write(batch);
  crash_point("documents.written");
  store.next_document = next;
  return changes;
}

std::vector<DocumentChange> Catalog::remove_documents(std::span<const std::string> keys) {
  CatalogState& store = *impl_;
  store.require_writable("removing documents");
  std::vector<DocumentChange> changes;
  RecordBatch batch(*store.records);
  for (const std::string& key : std::set<std::string>(keys.begin(), keys.end()))
    if (const auto id = document_id_of(store, key)) changes.push_back(hide(store, batch, *id, key));
  if (changes.empty()) return changes;
  crash_point("documents.before_write");
  store.records->write(batch);
  crash_point("documents.written");
  return changes;
}

std::vector<DocumentChange> Catalog::document_changes() const {
  std::vector<DocumentChange> changes;
  impl_->records->scan(Family::kVectors, codec::hidden_range(impl_->corpus()),
                       [&](std::string_view key, std::string_view) {
                         changes.push_back({codec::document_in(key), true, {}});
                         return true;
                       });
  impl_->records->scan(
      Family::kVectors, codec::added_vector_range(impl_->corpus()),
      [&](std::string_view key, std::string_view value) {
        const codec::VectorChunk chunk = codec::decode_vectors(key, value);
        ensure(chunk.ids.size() == 1, ErrorKind::kCorrupt,
               fmt::format("reading {}: it holds {} vectors instead of one; "
                           "import again or restore a copy",
                           codec::describe(Family::kVectors, key), chunk.ids.size()));
        const std::span<const float> row = std::as_const(chunk).rows.row(0);
        changes.push_back({codec::document_in(key), false, {row.begin(), row.end()}});
        return true;
      });
  return changes;
}

void Catalog::scan_documents(const std::function<void(Example&&)>& visit) const {
  std::set<DocumentId> hidden;
  for (const DocumentChange& change : document_changes())
    if (change.removed) hidden.insert(change.id);
  scan_examples(Split::kTrain, [&](Example&& example) {
    if (!hidden.contains(example.id)) visit(std::move(example));
  });
  impl_->records->scan(Family::kDocuments, codec::document_range(impl_->corpus(), codec::kAdded),
                       [&](std::string_view key, std::string_view value) {
                         visit(codec::decode_example(key, value));
                         return true;
                       });
}

std::optional<Example> Catalog::find_document(std::string_view key) const {
  const std::optional<DocumentId> id = document_id_of(*impl_, key);
  if (!id) return std::nullopt;
  return documents(std::span(&*id, 1)).front();
}

std::vector<Example> Catalog::documents(std::span<const DocumentId> ids) const {
  std::vector<std::string> keys;
  keys.reserve(ids.size());
  for (const DocumentId id : ids)
    keys.push_back(codec::document_key(impl_->corpus(), split_of(*impl_, id), id));
  const auto values = impl_->records->get(Family::kDocuments, keys);
  std::vector<Example> documents;
  documents.reserve(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    ensure(values[i].has_value(), ErrorKind::kCorrupt,
           fmt::format("reading {}: its record is not there; the store is damaged, `dexter verify` "
                       "lists what; import again or restore a copy",
                       codec::describe(Family::kDocuments, keys[i])));
    documents.push_back(codec::decode_example(keys[i], *values[i]));
  }
  return documents;
}

}  // namespace dexter
