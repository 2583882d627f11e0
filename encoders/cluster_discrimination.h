#pragma once

#include <memory>

#include "encoders/loss.h"

namespace dexter {

// MLCD (An et al., Multi-Label Cluster Discrimination for Visual Representation Learning, ECCV
// 2024): positives and negatives are parted by a threshold instead of compared, so that neither a
// hard positive nor many negatives outweigh the other side. With x_j = s_j - threshold /
// temperature,
//   L = log(1 + sum_{n not in P} e^{x_n}) + log(1 + sum_{p in P} e^{-x_p});
//   dL/ds_n = e^{x_n} / (1 + sum e^{x_n}),  dL/ds_p = -e^{-x_p} / (1 + sum e^{-x_p}).
std::unique_ptr<LossFunction> make_mlcd(const LossOptions& options);

}  // namespace dexter
