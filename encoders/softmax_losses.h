#pragma once

#include <memory>

#include "encoders/loss.h"

namespace dexter {

std::unique_ptr<LossFunction> make_softmax(const LossOptions& options);
std::unique_ptr<LossFunction> make_decoupled_softmax(const LossOptions& options);

}  // namespace dexter
