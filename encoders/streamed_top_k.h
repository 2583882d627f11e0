#pragma once

#include "encoders/streamed_loss.h"

namespace dexter {

// Inner header. SoftTop-k: the formulas of soft_top_k.h. The threshold of a document needs all its
// scores at once, so the first pass sorts them into bins, and keeps of each bin the number of
// scores and the first three moments about its middle. Bins are so narrow that a sum of sigmoids by
// their Taylor series is exact to about 1e-6 of itself. Memory is [n x bins], whatever the labels;
// over processes the bins are added up once.
std::unique_ptr<StreamedLoss> make_streamed_top_k(const LossOptions& options,
                                                  const StreamedLoss::Step& step);

}  // namespace dexter
