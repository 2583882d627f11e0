#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/bm25.h"
#include "engine/document_table.h"
#include "engine/label_search.h"
#include "index/vector_index.h"
#include "storage/catalog.h"
#include "storage/embedding_matrix.h"
#include "storage/types.h"

namespace dexter {

// The documents of a generation: the second space that a query, encoded once, searches. Immutable,
// safe from many threads.
class DocumentSpace {
 public:
  // kIncompatible where the vectors have another dimension than `dim`; else as load_index and
  // DocumentTable.
  DocumentSpace(const Catalog& catalog, const DocumentsInfo& info, int dim);

  // The k nearest of each query row [n x dim], scores are cosines. A zero row has none. k >= 1.
  std::vector<DocumentRanking> nearest(EmbeddingView queries, int k,
                                       const SearchOptions& search = {}) const;
  // The k that share most words with `text`, by BM25: scores over the best one's. None in a sparse
  // corpus.
  DocumentRanking by_words(std::string_view text, std::size_t k) const;
  // Those of a document when it was indexed, ascending, although some may have been removed since.
  std::span<const LabelId> labels(DocumentId id) const { return table_.labels(id); }
  std::size_t size() const { return table_.size(); }
  IndexDescription index() const { return search_.index(); }

 private:
  DocumentTable table_;
  std::optional<Bm25Index> words_;  // by row of the table
  LabelSearch search_;              // of documents, each by its number
};

}  // namespace dexter
