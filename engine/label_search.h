#pragma once

#include <cstdint>
#include <memory>
#include <unordered_set>
#include <vector>

#include "index/vector_index.h"
#include "storage/catalog.h"
#include "storage/embedding_matrix.h"
#include "storage/types.h"

namespace dexter {

// One generation's index and the label changes since it was built, answering as one: changed labels
// are hidden in the index, and those that still exist are searched exactly beside it. Immutable,
// safe from many threads.
class LabelSearch {
 public:
  // kIncompatible where a change holds a vector of another dimension than `dim`.
  LabelSearch(std::unique_ptr<VectorIndex> index, const std::vector<LabelChange>& changes, int dim);

  // The k best of both for each query row [n x dim], by descending score, then ascending id; exact
  // where the index is. A zero row gets an empty ranking. k >= 1.
  std::vector<LabelRanking> rank(EmbeddingView queries, int k, const SearchOptions& search) const;

  IndexDescription index() const { return index_->describe(); }

 private:
  std::vector<LabelRanking> search_index(EmbeddingView queries, std::size_t k,
                                         const SearchOptions& search) const;

  std::unique_ptr<VectorIndex> index_;
  std::unique_ptr<VectorIndex> delta_;  // null without changed labels
  std::size_t index_size_ = 0, delta_size_ = 0;
  std::unordered_set<std::int64_t> hidden_;
};

}  // namespace dexter
