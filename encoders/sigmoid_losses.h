#pragma once

#include <memory>

#include "encoders/loss.h"

namespace dexter {

// Losses that ask of each label whether it is there: p_j = sigmoid(x_j), x_j = s_j - threshold /
// temperature. Zhai et al. (Sigmoid Loss for Language Image Pre-Training, ICCV 2023) learn such a
// shift: without it all labels begin as likely as not, and their number outweighs the positives.

// L = -sum_{p in P} log p_p - sum_{n not in P} log(1 - p_n);  dL/ds_j = p_j - [j in P].
std::unique_ptr<LossFunction> make_binary_cross_entropy(const LossOptions& options);

// The variational loss from positives and unlabelled alone (Chen et al., A Variational Approach for
// Learning from Positive and Unlabeled Data, NeurIPS 2020; Yuan et al., Positive Label Is All You
// Need for Multi-Label Classification, 2023), over the labels of a document:
//   L = log( (1/|P|) sum_j p_j ) - (1/|P|) sum_{p in P} log p_p >= 0, j over the whole pool;
//   dL/ds_j = p_j (1 - p_j) / sum(p) - [j in P] (1 - p_j) / |P|.
std::unique_ptr<LossFunction> make_pu(const LossOptions& options);

// Of COMIC (Zhang et al., Learning in Imperfect Environment, ICCV 2023) the focal and the
// correction term, with c = `correction` and f = `focus`:
//   L = -sum_{j in P or p_j > c} log p_j - sum_{other n} p_n^f log(1 - p_n);
//   dL/ds_n = f p_n^f (1 - p_n) (-log(1 - p_n)) + p_n^{f+1}, and p_j - 1 for the first.
std::unique_ptr<LossFunction> make_comic(const LossOptions& options);

}  // namespace dexter
