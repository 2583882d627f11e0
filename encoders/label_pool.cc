// Choice of the labels a step is trained against.
#include "encoders/label_pool.h"

namespace dexter {

void LabelPool::clear() {
  for (const std::uint32_t label : labels_) column_[label] = kAbsent;
  labels_.clear();
}

void LabelPool::insert(std::uint32_t label) {
  if (column_[label] != kAbsent) return;
  column_[label] = static_cast<std::uint32_t>(labels_.size());
  labels_.push_back(label);
}

void LabelPool::fill(std::span<const std::span<const std::uint32_t>> positives,
                     std::uint32_t sampled, std::mt19937_64& random) {
  clear();
  for (const auto& row : positives)
    for (const std::uint32_t label : row) insert(label);
  const std::uint64_t count = column_.size();
  for (std::uint32_t i = 0; i < sampled; ++i)
    insert(static_cast<std::uint32_t>(((random() >> 32) * count) >> 32));
}

void LabelPool::fill_with_all() {
  if (labels_.size() == column_.size()) return;
  clear();
  for (std::uint32_t label = 0; label < column_.size(); ++label) insert(label);
}

}  // namespace dexter
