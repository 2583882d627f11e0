// Documents searched as labels are.
#include "engine/document_space.h"

#include <spdlog/fmt/fmt.h>

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

}  // namespace

DocumentSpace::DocumentSpace(const Catalog& catalog, const DocumentsInfo& info, int dim)
    : table_(catalog.path(), info.table), search_(checked_index(catalog, info, dim), {}, dim) {
  if (!info.words) return;
  words_ = Bm25Index::load(catalog.path(), *info.words);
  ensure(words_->size() == table_.size(), ErrorKind::kCorrupt,
         fmt::format("opening the documents of {}: {} have words but {} have labels; run `dexter "
                     "index --documents`",
                     catalog.path().string(), words_->size(), table_.size()));
}

DocumentRanking DocumentSpace::by_words(std::string_view text, std::size_t k) const {
  DocumentRanking result;
  if (!words_) return result;
  const std::vector<Bm25Index::Hit> hits = words_->search(text, k);
  for (const Bm25Index::Hit& hit : hits)
    result.push_back({table_.id(hit.row), hit.score / hits.front().score});
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

}  // namespace dexter
