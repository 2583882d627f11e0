#pragma once

#include <memory>

#include "encoders/loss.h"

namespace dexter {

// SoftTop-k (Gupta et al., Dual-Encoders for Extreme Multi-Label Classification, ICLR 2024): each
// column gets p_j = sigmoid(a (s_j + t)), with t such that the p_j of a row sum up to k, and
//   L = -(1/|P|) sum_{p in P} log p_p.
// a is `top_k_slope`; k is `top_k`, or |P| where that is 0. As t depends on the scores, with
// v_j = a p_j (1 - p_j) and u_j = -(a/|P|) (1 - p_j) on positives, 0 elsewhere:
//   dL/ds_j = u_j - v_j sum(u) / sum(v).
// A row of at most k columns has every p_j = 1: its loss and gradient are 0. Over a sampled pool
// the k best are those of the pool.
std::unique_ptr<LossFunction> make_soft_top_k(const LossOptions& options);

}  // namespace dexter
