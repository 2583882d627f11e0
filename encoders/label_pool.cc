// Choice of the labels a step is trained against.
#include "encoders/label_pool.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace dexter {
namespace {

// Pools are filled up to a multiple of this, so that the matrix library meets few shapes.
constexpr std::size_t kPoolStep = 512;

}  // namespace

LabelPool::LabelPool(std::uint32_t label_count,
                     std::span<const std::vector<std::uint32_t>> positives)
    : positives_(positives), positive_rate_(label_count), column_(label_count, kNone) {
  expect(0, positives.size());
}

void LabelPool::expect(std::size_t first, std::size_t count) {
  std::fill(positive_rate_.begin(), positive_rate_.end(), 0);
  for (const auto& labels : positives_.subspan(first, count))
    for (const std::uint32_t label : labels) positive_rate_[label] += 1;
  for (double& rate : positive_rate_) rate /= static_cast<double>(std::max<std::size_t>(count, 1));
  add_rates_of_neighbours();
}

void LabelPool::set_neighbours(std::vector<std::uint32_t> neighbours, std::size_t width) {
  neighbours_ = std::move(neighbours);
  width_ = width;
  add_rates_of_neighbours();
}

void LabelPool::add_rates_of_neighbours() {
  rate_ = positive_rate_;
  for (std::size_t i = 0; i < neighbours_.size(); ++i)
    if (neighbours_[i] != kNone) rate_[neighbours_[i]] += positive_rate_[i / width_];
}

void LabelPool::clear() {
  for (const std::uint32_t label : labels_) column_[label] = kNone;
  labels_.clear();
  offsets_.clear();
}

void LabelPool::insert(std::uint32_t label) {
  if (column_[label] != kNone) return;
  column_[label] = static_cast<std::uint32_t>(labels_.size());
  labels_.push_back(label);
}

void LabelPool::insert_own(std::span<const std::uint32_t> documents) {
  for (const std::uint32_t document : documents)
    for (const std::uint32_t label : positives_[document]) {
      insert(label);
      for (std::size_t i = label * width_; i < (label + 1) * width_; ++i)
        if (neighbours_[i] != kNone) insert(neighbours_[i]);
    }
  own_ = labels_.size();
}

void LabelPool::fill(std::span<const std::uint32_t> documents, std::uint32_t sampled,
                     std::mt19937_64& random) {
  clear();
  insert_own(documents);
  const std::uint64_t count = column_.size();
  std::uint64_t draws = 0;
  while (draws < sampled || (labels_.size() % kPoolStep != 0 && labels_.size() < count)) {
    insert(static_cast<std::uint32_t>(((random() >> 32) * count) >> 32));
    ++draws;
  }
  const double uniform = static_cast<double>(draws) / static_cast<double>(count);
  const auto batch = static_cast<double>(documents.size());
  for (const std::uint32_t label : labels_)
    offsets_.push_back(
        static_cast<float>(-std::log(-std::expm1(-(uniform + batch * rate_[label])))));
}

void LabelPool::fill_with_own(std::span<const std::uint32_t> documents) {
  clear();
  for (const std::uint32_t document : documents)
    for (const std::uint32_t label : positives_[document]) insert(label);
  own_ = labels_.size();
}

void LabelPool::fill_with_all(std::span<const std::uint32_t> documents) {
  clear();
  insert_own(documents);
  for (std::uint32_t label = 0; label < column_.size(); ++label) insert(label);
}

}  // namespace dexter
