#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace dexter {

// The labels one training step scores: the positives of its documents, and negatives. Column j of
// the step's scores is label `labels()[j]`.
class LabelPool {
 public:
  explicit LabelPool(std::uint32_t label_count) : column_(label_count, kAbsent) {}

  // Every label, or the positives and `sampled` draws from all labels, uniform with repeats
  // dropped.
  void fill(std::span<const std::span<const std::uint32_t>> positives, std::uint32_t sampled,
            std::mt19937_64& random);
  void fill_with_all();

  std::span<const std::uint32_t> labels() const { return labels_; }
  std::uint32_t column(std::uint32_t label) const { return column_[label]; }

 private:
  static constexpr std::uint32_t kAbsent = 0xffffffffu;
  void clear();
  void insert(std::uint32_t label);

  std::vector<std::uint32_t> labels_;
  std::vector<std::uint32_t> column_;
};

}  // namespace dexter
