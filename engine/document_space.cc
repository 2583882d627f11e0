// Documents searched as labels are.
#include "engine/document_space.h"

#include <algorithm>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include "engine/vote_fusion.h"
#include "index/in_threads.h"
#include "storage/error.h"

namespace dexter {
namespace {

std::shared_ptr<const VectorIndex> checked_index(const Catalog& catalog, const DocumentsInfo& info,
                                                 int dim) {
  std::shared_ptr<const VectorIndex> index = load_index(catalog.path(), info.index);
  const IndexDescription description = index->describe();
  ensure(description.size == 0 || description.dim == dim, ErrorKind::kIncompatible,
         fmt::format("opening the documents of {}: the index holds {}-d vectors but the encoder "
                     "gives {}-d; run `dexter index --documents` with this encoder",
                     catalog.path().string(), description.dim, dim));
  return index;
}

// Changes on disk, with the labels of the documents added.
std::vector<ChangedLabel> changes_of(const Catalog& catalog) {
  std::vector<ChangedLabel> changes;
  std::vector<DocumentId> added;
  for (DocumentChange& change : catalog.document_changes()) {
    if (!change.removed) added.push_back(change.id);
    const LabelId number{static_cast<std::uint32_t>(value(change.id))};
    changes.push_back({{number, change.removed, std::move(change.vector)}, {}});
  }
  std::vector<Example> documents = catalog.documents(added);
  auto next = documents.begin();
  for (ChangedLabel& changed : changes)
    if (!changed.change.removed) changed.labels = std::move((next++)->labels);
  return changes;
}

}  // namespace

DocumentSpace::Parts::Parts(const Catalog& catalog, const DocumentsInfo& info)
    : table(catalog.path(), info.table) {
  if (!info.words) return;
  words = Bm25Index::load(catalog.path(), *info.words);
  ensure(words->size() == table.size(), ErrorKind::kCorrupt,
         fmt::format("opening the documents of {}: {} have words but {} have labels; run `dexter "
                     "index --documents`",
                     catalog.path().string(), words->size(), table.size()));
}

DocumentSpace::DocumentSpace(const Catalog& catalog, const DocumentsInfo& info, int dim)
    : parts_(std::make_shared<const Parts>(catalog, info)),
      search_(LabelSearch(checked_index(catalog, info, dim), {}, dim).with(changes_of(catalog))) {}

DocumentSpace DocumentSpace::with(std::vector<ChangedLabel> changes) const {
  DocumentSpace result = *this;
  result.search_ = search_.with(std::move(changes));
  return result;
}

std::vector<DocumentRanking> DocumentSpace::nearest(EmbeddingView queries, int k,
                                                    const SearchOptions& search) const {
  std::vector<DocumentRanking> result(queries.rows());
  const std::vector<LabelRanking> found = search_.rank(queries, k, search);
  for (std::size_t i = 0; i < found.size(); ++i) {
    result[i].reserve(found[i].size());
    for (const ScoredLabel& hit : found[i])
      result[i].push_back({DocumentId{value(hit.id)}, hit.score});
  }
  return result;
}

DocumentRanking DocumentSpace::by_words(std::string_view text, std::size_t k) const {
  DocumentRanking result;
  if (!parts_->words) return result;
  for (const Bm25Index::Hit& hit : parts_->words->search(text, k)) {
    const DocumentId id = parts_->table.id(hit.row);
    if (find_change(id) == nullptr) result.push_back({id, hit.score});
  }
  return relative(std::move(result));
}

std::vector<DocumentRanking> DocumentSpace::by_words(std::span<const std::string> texts,
                                                     std::size_t k) const {
  std::vector<DocumentRanking> result(texts.size());
  in_threads(texts.size(), [&](std::size_t i) { result[i] = by_words(texts[i], k); });
  return result;
}

std::span<const LabelId> DocumentSpace::labels(DocumentId id) const {
  if (const ChangedLabel* changed = find_change(id)) return changed->labels;
  return parts_->table.labels(id);
}

const ChangedLabel* DocumentSpace::find_added(DocumentId id) const {
  const ChangedLabel* changed = find_change(id);
  return changed != nullptr && !changed->label.key.empty() ? changed : nullptr;
}

}  // namespace dexter
