#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "index/vector_index.h"
#include "storage/catalog.h"
#include "storage/types.h"

namespace dexter {

// A label put or removed since the generation was built. `label` is its record where the change was
// made after the store was opened; else its key is empty, and the record is the opened store's.
// Documents change in the same way (DocumentSpace): they are known by their number and have labels
// of their own.
struct ChangedLabel {
  LabelChange change;
  Label label;
  std::vector<LabelId> labels = {};  // of a document
};

// A batch of changed labels, those that still exist searchable exactly. Immutable, safe from many
// threads; entries are shared between a batch and those it was merged into.
class ChangedLabels {
 public:
  // Of several changes of one label the last counts. kIncompatible where a vector has another
  // dimension than `dim`.
  ChangedLabels(std::vector<ChangedLabel> changes, int dim);
  // Both as one; `newer` counts where both change a label.
  ChangedLabels(const ChangedLabels& older, const ChangedLabels& newer);

  const ChangedLabel* find(LabelId id) const;  // null for a label that is not changed here
  std::size_t size() const { return entries_.size(); }
  const VectorIndex* index() const { return index_.get(); }  // null where all are removed
  std::size_t present() const { return present_; }           // rows of the index
  using Entries = std::vector<std::shared_ptr<const ChangedLabel>>;
  const Entries& entries() const { return entries_; }  // ascending id

 private:
  void build_index();

  int dim_;
  Entries entries_;
  std::unique_ptr<VectorIndex> index_;
  std::size_t present_ = 0;
};

}  // namespace dexter
