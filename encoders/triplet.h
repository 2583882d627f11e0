#pragma once

#include <memory>

#include "encoders/loss.h"

namespace dexter {

// Triplet loss with the dynamic margin of PRIME (after Dahiya et al., NGAME, WSDM 2023). In cosines
// c = s * temperature, a positive p that leads a negative n by d = c_p - c_n lacks
//   h(d) = max(0, m - d),  m = |d| held within `margin` and `margin_most`,
// so that a negative far ahead must be outdone by more. Of the `hardest` negatives H of the row,
//   L = (1/|P|) sum_{p in P} T log( (1/|H|) sum_{n in H} e^{h(c_p - c_n) / T} ), T = 0.1:
// the mean over H where all are alike, and near their maximum where one is hard. PRIME weighs them
// by softmax(c_n / T) held constant; the gradient here, with w = softmax(h / T), is
//   dL/dc_n = (1/|P|) sum_p w_pn (-h'(d_pn)),  dL/dc_p = (1/|P|) sum_n w_pn h'(d_pn).
std::unique_ptr<LossFunction> make_triplet(const LossOptions& options);

}  // namespace dexter
