// Metrics of one ranking against its true labels.
#include "engine/metrics.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <functional>

namespace dexter {
namespace {

bool is_true(LabelId label, std::span<const LabelId> truth) {
  return std::binary_search(truth.begin(), truth.end(), label);
}

// Calls `visit(j)` with the 0-based rank of every hit among the first k.
template <class Visit>
void for_each_hit(std::span<const LabelId> ranked, std::span<const LabelId> truth, int k,
                  const Visit& visit) {
  assert(k >= 1);
  const std::size_t places = std::min(ranked.size(), static_cast<std::size_t>(k));
  for (std::size_t j = 0; j < places; ++j)
    if (is_true(ranked[j], truth)) visit(j);
}

std::size_t hits_at_k(std::span<const LabelId> ranked, std::span<const LabelId> truth, int k) {
  std::size_t hits = 0;
  for_each_hit(ranked, truth, k, [&](std::size_t) { ++hits; });
  return hits;
}

// 1 / log2(j + 1) of the 1-based rank j.
double discount(std::size_t rank_from_zero) {
  return 1.0 / std::log2(static_cast<double>(rank_from_zero) + 2.0);
}

}  // namespace

double precision_at_k(std::span<const LabelId> ranked, std::span<const LabelId> truth, int k) {
  return static_cast<double>(hits_at_k(ranked, truth, k)) / k;
}

double recall_at_k(std::span<const LabelId> ranked, std::span<const LabelId> truth, int k) {
  const std::size_t positives = std::max<std::size_t>(truth.size(), 1);
  return static_cast<double>(hits_at_k(ranked, truth, k)) / static_cast<double>(positives);
}

double ndcg_at_k(std::span<const LabelId> ranked, std::span<const LabelId> truth, int k) {
  if (truth.empty()) return 0;
  double gained = 0;
  for_each_hit(ranked, truth, k, [&](std::size_t j) { gained += discount(j); });
  double ideal = 0;
  const std::size_t places = std::min(truth.size(), static_cast<std::size_t>(k));
  for (std::size_t j = 0; j < places; ++j) ideal += discount(j);
  return gained / ideal;
}

std::vector<double> inverse_propensities(std::span<const std::uint32_t> label_frequencies,
                                         std::uint64_t train_documents,
                                         PropensityConstants constants) {
  const double log_documents =
      std::log(std::max(static_cast<double>(train_documents), std::exp(1.0)));
  const double c = (log_documents - 1.0) * std::pow(constants.b + 1.0, constants.a);
  std::vector<double> result(label_frequencies.size());
  std::transform(
      label_frequencies.begin(), label_frequencies.end(), result.begin(),
      [&](std::uint32_t n) { return 1.0 + c * std::pow(n + constants.b, -constants.a); });
  return result;
}

PropensityGain propensity_gain_at_k(std::span<const LabelId> ranked, std::span<const LabelId> truth,
                                    int k, std::span<const double> inverse_propensities) {
  PropensityGain result;
  for_each_hit(ranked, truth, k,
               [&](std::size_t j) { result.gained += inverse_propensities[value(ranked[j])]; });
  std::vector<double> weights(truth.size());
  std::transform(truth.begin(), truth.end(), weights.begin(),
                 [&](LabelId label) { return inverse_propensities[value(label)]; });
  const std::size_t places = std::min(weights.size(), static_cast<std::size_t>(k));
  std::partial_sort(weights.begin(), weights.begin() + static_cast<std::ptrdiff_t>(places),
                    weights.end(), std::greater<>());
  for (std::size_t j = 0; j < places; ++j) result.attainable += weights[j];
  return result;
}

}  // namespace dexter
