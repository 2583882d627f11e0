// Documents that a live store remembers.
#include <algorithm>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include "encoders/encoder.h"
#include "engine/document_space.h"
#include "engine/live_change.h"
#include "storage/error.h"
#include "storage/line_reader.h"

namespace dexter {
namespace {

void require_text(const LiveStore::Document& document) {
  for (const std::string* text : {&document.key, &document.text})
    ensure(find_invalid_utf8(*text) == std::string_view::npos, ErrorKind::kInvalidInput,
           "adding documents: a key or text is not UTF-8; convert it, for instance with iconv");
}

EmbeddingMatrix encoded(const Encoder& encoder, std::span<const LiveStore::Document> documents) {
  std::vector<std::string> texts;
  for (const LiveStore::Document& document : documents) texts.push_back(document.text);
  EmbeddingMatrix vectors = encoder.encode(texts);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    ensure(!is_zero(vectors.row(i)), ErrorKind::kInvalidInput,
           fmt::format("adding documents: the text of '{}', '{}', has no word that the encoder "
                       "knows, so that it would be near no query; leave it out",
                       documents[i].key, texts[i]));
  }
  return vectors;
}

// By the catalog of now, so that a label that is there stays there until the write.
Example example_of(const Catalog& catalog, const LiveStore::Document& document) {
  Example example{{}, document.key, document.text, {}, {}};
  for (const std::string& key : document.labels) {
    const std::optional<Label> label = catalog.find_label(key);
    ensure(label.has_value(), ErrorKind::kInvalidInput,
           fmt::format("adding documents: '{}' has the label '{}', but the store has {} labels and "
                       "none of this key; add the label first",
                       document.key, key, catalog.label_count()));
    example.labels.push_back(label->id);
  }
  std::sort(example.labels.begin(), example.labels.end());
  example.labels.erase(std::unique(example.labels.begin(), example.labels.end()),
                       example.labels.end());
  return example;
}

// `added` are the documents of the changes that add one, in order.
std::vector<ChangedLabel> changed(std::vector<DocumentChange>&& changes,
                                  std::span<const Example> added) {
  std::vector<ChangedLabel> result;
  auto next = added.begin();
  for (DocumentChange& change : changes) {
    const LabelId number{static_cast<std::uint32_t>(value(change.id))};
    result.push_back({{number, change.removed, std::move(change.vector)}, {}, {}});
    if (change.removed) continue;
    result.back().label = {number, next->key, {}, next->text};
    result.back().labels = next->labels;
    ++next;
  }
  return result;
}

}  // namespace

LiveStore::Written LiveStore::put_documents(std::span<const Document> documents) {
  if (documents.empty()) return {};
  for (const Document& document : documents) require_text(document);
  const EmbeddingMatrix vectors = encoded(engine()->encoder(), documents);
  const std::lock_guard lock(writing_);
  std::uint64_t bytes = vectors.rows() * static_cast<std::uint64_t>(vectors.dim()) * sizeof(float);
  for (const Document& document : documents) bytes += document.key.size() + document.text.size();
  require_room(bytes);
  require_open();
  std::vector<Example> examples;
  for (const Document& document : documents) examples.push_back(example_of(*catalog_, document));
  std::vector<DocumentChange> changes =
      change([&](Catalog& catalog) { return catalog.put_documents(examples, vectors); });
  Written written;
  written.replaced = changes.size() - examples.size();
  written.created = examples.size() - written.replaced;
  show_documents(changed(std::move(changes), examples));
  return written;
}

std::uint64_t LiveStore::remove_documents(std::span<const std::string> keys) {
  const std::lock_guard lock(writing_);
  require_room(0);
  require_open();
  std::vector<DocumentChange> changes =
      change([&](Catalog& catalog) { return catalog.remove_documents(keys); });
  const std::uint64_t removed = changes.size();
  if (removed > 0 && engine()->document_space() != nullptr)
    show_documents(changed(std::move(changes), {}));
  return removed;
}

std::optional<LiveStore::Document> LiveStore::find_document(std::string_view key) {
  const std::lock_guard lock(writing_);
  require_open();
  return find_document(*catalog_, key);
}

std::optional<LiveStore::Document> LiveStore::find_document(const Catalog& catalog,
                                                            std::string_view key) {
  std::optional<Example> example = catalog.find_document(key);
  if (!example) return std::nullopt;
  Document document{std::move(example->key), std::move(example->text), {}};
  for (const LabelId id : example->labels)
    if (std::optional<Label> label = catalog.find_label(id))
      document.labels.push_back(std::move(label->key));
  return document;
}

// Needs `writing_`.
void LiveStore::show_documents(std::vector<ChangedLabel> changes) {
  if (meanwhile_)
    documents_meanwhile_.insert(documents_meanwhile_.end(), changes.begin(), changes.end());
  auto next = std::make_shared<const RetrievalEngine>(engine()->with_documents(std::move(changes)));
  const std::lock_guard lock(showing_);
  engine_.swap(next);
}

}  // namespace dexter
