#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <vector>

#include "engine/changed_labels.h"
#include "index/vector_index.h"
#include "storage/catalog.h"
#include "storage/embedding_matrix.h"
#include "storage/types.h"

namespace dexter {

// One generation's index and the label changes since it was built, answering as one: each label is
// searched where it changed last, exactly beside the index, and hidden everywhere before.
// Immutable, safe from many threads.
class LabelSearch {
 public:
  // kIncompatible where a change holds a vector of another dimension than `dim`.
  LabelSearch(std::shared_ptr<const VectorIndex> index, const std::vector<LabelChange>& changes,
              int dim);
  // The same after further changes, made in this order. Shares the index and all that did not
  // change; costs O(changes * log(all changes)) on average.
  LabelSearch with(std::vector<ChangedLabel> changes) const;

  // The k best of both for each query row [n x dim], by descending score, then ascending id; exact
  // where the index is. A zero row gets an empty ranking. k >= 1.
  std::vector<LabelRanking> rank(EmbeddingView queries, int k, const SearchOptions& search) const;

  // The last change of a label, null where it is as it was in the index.
  const ChangedLabel* find_change(LabelId id) const;
  // Of every label that changed its last change, by ascending id.
  std::map<LabelId, const ChangedLabel*> last_changes() const;
  IndexDescription index() const { return index_->describe(); }

 private:
  using Batch = std::shared_ptr<const ChangedLabels>;

  std::vector<LabelRanking> search_part(const VectorIndex& index, std::size_t size,
                                        std::size_t newer, EmbeddingView queries, std::size_t k,
                                        const SearchOptions& search) const;
  LabelRanking visible(const SearchResult& found, std::size_t row, std::size_t newer,
                       bool& exhausted) const;
  void append(Batch batch);

  std::shared_ptr<const VectorIndex> index_;
  std::size_t index_size_ = 0;
  int dim_ = 0;
  std::vector<Batch> batches_;  // oldest first, each at least twice as large as the next
};

}  // namespace dexter
