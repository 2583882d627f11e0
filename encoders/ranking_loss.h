#pragma once

#include <memory>

#include "encoders/loss.h"

namespace dexter {

// The loss of a retriever that learns a scorer's order (UDR: Li et al., ACL 2023). The "positives"
// of a row are its own candidates c_1, c_2, ..., the one that the scorer ranks first coming first;
// the other columns are those of the batch.
//   rank  = mean over i < j of (1/i - 1/j) log(1 + e^{s(c_j) - s(c_i)})
//   batch = log sum_all e^s - s(c_1)
//   loss  = rank_weight * rank + (1 - rank_weight) * batch
// With rank_weight 0 and a good and a bad candidate it is EPR's (Rubin et al., NAACL 2022).
// kInvalidInput for a weight outside of [0, 1].
std::unique_ptr<LossFunction> make_ranking_loss(double rank_weight);

}  // namespace dexter
