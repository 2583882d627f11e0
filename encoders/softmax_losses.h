#pragma once

#include <memory>

#include "encoders/loss.h"

namespace dexter {

std::unique_ptr<LossFunction> make_softmax();
std::unique_ptr<LossFunction> make_decoupled_softmax();

}  // namespace dexter
