#pragma once

#include <memory>

#include "encoders/loss.h"

namespace dexter {

std::unique_ptr<LossFunction> make_softmax(const LossOptions& options);
std::unique_ptr<LossFunction> make_decoupled_softmax(const LossOptions& options);
// Decoupled softmax of a batch alone, in both directions (all pairs; Radford et al., Learning
// Transferable Visual Models From Natural Language Supervision, ICML 2021, for several positives):
//   L = (1/2) ( mean over documents d of D(s_d, labels of d)
//             + mean over labels l of D(s_l, documents that carry l) ),
// D as decoupled softmax: the labels of other documents, and documents of other labels, are the
// negatives. The row's part is D; ScoreStep takes it in both directions.
std::unique_ptr<LossFunction> make_in_batch(const LossOptions& options);

}  // namespace dexter
