#pragma once

#include "encoders/streamed_loss.h"

namespace dexter {

// Inner header. Softmax or decoupled softmax, as `options.name` says: the formulas of
// softmax_losses.cc.
std::unique_ptr<StreamedLoss> make_streamed_softmax(const LossOptions& options,
                                                    const StreamedLoss::Step& step);

}  // namespace dexter
