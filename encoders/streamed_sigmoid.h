#pragma once

#include "encoders/streamed_loss.h"

namespace dexter {

// Inner header. The losses that know a threshold, as `options.name` says: binary_cross_entropy,
// comic, pu (formulas of sigmoid_losses.h) or mlcd (of cluster_discrimination.h).
std::unique_ptr<StreamedLoss> make_streamed_sigmoid(const LossOptions& options,
                                                    const StreamedLoss::Step& step);

}  // namespace dexter
