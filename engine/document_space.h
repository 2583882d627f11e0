#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
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
  // The same after further changes, made in this order: ChangedLabel::label is the record of an
  // added document, whose labels count. Shares what did not change.
  DocumentSpace with(std::vector<ChangedLabel> changes) const;

  // The k nearest of each query row [n x dim], scores are cosines. A zero row has none. k >= 1.
  std::vector<DocumentRanking> nearest(EmbeddingView queries, int k,
                                       const SearchOptions& search = {}) const;
  // The k that share most words with `text`, by BM25: scores over the best one's. None in a sparse
  // corpus; documents added since the index was built are not among them.
  DocumentRanking by_words(std::string_view text, std::size_t k) const;
  // Each of several texts, side by side in threads; the same for any number of them.
  std::vector<DocumentRanking> by_words(std::span<const std::string> texts, std::size_t k) const;
  // Those of a document when it was indexed or added, ascending, although some may have been
  // removed since.
  std::span<const LabelId> labels(DocumentId id) const;
  // A document added since it was opened; null for others.
  const ChangedLabel* find_added(DocumentId id) const;
  std::size_t size() const { return parts_->table.size(); }  // when it was indexed
  IndexDescription index() const { return search_.index(); }

 private:
  struct Parts {
    Parts(const Catalog& catalog, const DocumentsInfo& info);
    DocumentTable table;
    std::optional<Bm25Index> words;  // by row of the table
  };
  const ChangedLabel* find_change(DocumentId id) const {
    return search_.find_change(LabelId{static_cast<std::uint32_t>(value(id))});
  }

  std::shared_ptr<const Parts> parts_;
  LabelSearch search_;  // of documents, each by its number
};

}  // namespace dexter
