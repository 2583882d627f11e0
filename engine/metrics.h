#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "storage/types.h"

namespace dexter {

// Metrics of extreme classification. `ranked` is best first, without repeats, and may be shorter
// than k (missing places count as misses); `truth` is ascending and distinct. k >= 1. Pure
// functions, safe from many threads.

// (1/k) sum_{j<=k} y_{r_j}; 0 for a row without positives.
double precision_at_k(std::span<const LabelId> ranked, std::span<const LabelId> truth, int k);
// Hits among the first k over max(|truth|, 1).
double recall_at_k(std::span<const LabelId> ranked, std::span<const LabelId> truth, int k);
// [sum_{j<=k} y_{r_j}/log2(j+1)] / [sum_{j<=min(k,|truth|)} 1/log2(j+1)]; 0 without positives.
double ndcg_at_k(std::span<const LabelId> ranked, std::span<const LabelId> truth, int k);

// Jain, Prabhu and Varma, "Extreme Multi-label Loss Functions", KDD 2016:
// q_l = 1/p_l = 1 + C (N_l + B)^-A with C = (ln N - 1)(B + 1)^A; N training documents, N_l those of
// l. C is taken as 0 (every q_l is 1) where N < e, for which the model says nothing.
struct PropensityConstants {
  double a = 0.55;
  double b = 1.5;
};
std::vector<double> inverse_propensities(std::span<const std::uint32_t> label_frequencies,
                                         std::uint64_t train_documents,
                                         PropensityConstants constants);

// One row's share of PSP@k = [sum of gained] / [sum of attainable] over rows: the ratio of the
// means, with the best ranking of the row's own labels in the denominator.
struct PropensityGain {
  double gained = 0;      // sum_{j<=k} q_{r_j} y_{r_j}
  double attainable = 0;  // sum of the min(k, |truth|) largest q_l of the truth
};
// `inverse_propensities` is indexed by label id and must cover `truth`.
PropensityGain propensity_gain_at_k(std::span<const LabelId> ranked, std::span<const LabelId> truth,
                                    int k, std::span<const double> inverse_propensities);

}  // namespace dexter
