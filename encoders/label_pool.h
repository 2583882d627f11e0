#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace dexter {

// The labels one training step scores: the positives of its documents, labels that the model
// confuses with them (hard negatives), and a uniform sample. Column j of the step's scores is label
// `labels()[j]`.
//
// A sampled pool holds frequent labels more often than rare ones. `offsets()` corrects for it:
// added to the scores of negatives it weighs each by 1 / (probability of being in the pool), so
// that the sum over the pool estimates the sum over all labels (Bengio and Senecal, 2008).
class LabelPool {
 public:
  // `positives[d]` are the labels of training document d.
  LabelPool(std::uint32_t label_count, std::span<const std::vector<std::uint32_t>> positives);

  // The documents of the steps to come are those `count` from `first`, before the first call all of
  // them.
  void expect(std::size_t first, std::size_t count);

  // Row l of `neighbours` [labels x width] are the labels most alike to label l; kNone pads.
  static constexpr std::uint32_t kNone = 0xffffffffu;
  void set_neighbours(std::vector<std::uint32_t> neighbours, std::size_t width);

  // The positives of `documents` with their neighbours, and at least `sampled` uniform draws.
  void fill(std::span<const std::uint32_t> documents, std::uint32_t sampled,
            std::mt19937_64& random);
  // All labels: first those of `documents` with their neighbours.
  void fill_with_all(std::span<const std::uint32_t> documents = {});
  void fill_with_own(std::span<const std::uint32_t> documents);  // their positives alone

  std::span<const std::uint32_t> labels() const { return labels_; }
  // So many labels, the first, are of the documents or neighbours of theirs.
  std::size_t own() const { return own_; }
  std::span<const float> offsets() const { return offsets_; }  // empty when every label is there
  std::uint32_t column(std::uint32_t label) const { return column_[label]; }

 private:
  void clear();
  void add_rates_of_neighbours();
  void insert(std::uint32_t label);
  void insert_own(std::span<const std::uint32_t> documents);

  std::span<const std::vector<std::uint32_t>> positives_;
  std::vector<double> rate_;  // by label: expected insertions by one random document
  std::vector<double> positive_rate_;
  std::vector<std::uint32_t> neighbours_;
  std::size_t width_ = 0;
  std::vector<std::uint32_t> labels_;
  std::size_t own_ = 0;
  std::vector<float> offsets_;
  std::vector<std::uint32_t> column_;
};

}  // namespace dexter
