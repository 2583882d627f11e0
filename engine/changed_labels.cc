// Batches of changed labels, merged like the runs of a log-structured tree.
#include "engine/changed_labels.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include "storage/error.h"

namespace dexter {
namespace {

bool ascending(const std::shared_ptr<const ChangedLabel>& a,
               const std::shared_ptr<const ChangedLabel>& b) {
  return a->change.id < b->change.id;
}

}  // namespace

ChangedLabels::ChangedLabels(std::vector<ChangedLabel> changes, int dim) : dim_(dim) {
  // Last first, so that a stable sort leaves the change that counts before the others of its label.
  for (auto change = changes.rbegin(); change != changes.rend(); ++change) {
    ensure(change->change.removed || change->change.vector.size() == static_cast<std::size_t>(dim),
           ErrorKind::kIncompatible,
           fmt::format("opening the labels changed since the index was built: label {} has a "
                       "{}-d vector but the encoder gives {}-d; run `dexter index`",
                       value(change->change.id), change->change.vector.size(), dim));
    entries_.push_back(std::make_shared<const ChangedLabel>(std::move(*change)));
  }
  std::stable_sort(entries_.begin(), entries_.end(), ascending);
  const auto same = [](const auto& a, const auto& b) { return a->change.id == b->change.id; };
  entries_.erase(std::unique(entries_.begin(), entries_.end(), same), entries_.end());
  build_index();
}

ChangedLabels::ChangedLabels(const ChangedLabels& older, const ChangedLabels& newer)
    : dim_(newer.dim_) {
  entries_.reserve(older.size() + newer.size());
  // Of equals a union takes those of its first range.
  std::set_union(newer.entries_.begin(), newer.entries_.end(), older.entries_.begin(),
                 older.entries_.end(), std::back_inserter(entries_), ascending);
  build_index();
}

const ChangedLabel* ChangedLabels::find(LabelId id) const {
  const auto entry = std::lower_bound(
      entries_.begin(), entries_.end(), id,
      [](const auto& changed, LabelId wanted) { return changed->change.id < wanted; });
  return entry != entries_.end() && (*entry)->change.id == id ? entry->get() : nullptr;
}

void ChangedLabels::build_index() {
  const auto removed = [](const auto& entry) { return entry->change.removed; };
  present_ = entries_.size() -
             static_cast<std::size_t>(std::count_if(entries_.begin(), entries_.end(), removed));
  if (present_ == 0) return;
  EmbeddingMatrix vectors(present_, dim_);
  std::vector<std::int64_t> ids;
  ids.reserve(present_);
  for (const auto& entry : entries_) {
    if (entry->change.removed) continue;
    std::copy(entry->change.vector.begin(), entry->change.vector.end(),
              vectors.row(ids.size()).begin());
    ids.push_back(value(entry->change.id));
  }
  index_ = dexter::build_index({.kind = "flat"}, vectors, ids);
}

}  // namespace dexter
