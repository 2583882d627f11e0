// A sum of exponentials that never overflows, chunk by chunk.
#include "encoders/streamed_log_sum.h"

#include <limits>

namespace dexter {

at::Tensor finite(const at::Tensor& level) { return at::where(level.isneginf(), 0.0, level); }

StreamedLogSum::StreamedLogSum(const at::Tensor& like)
    : highest_(at::full_like(like, -std::numeric_limits<double>::infinity())),
      sums_(at::zeros_like(like)) {}

void StreamedLogSum::add(const at::Tensor& exponents) {
  const at::Tensor highest = at::maximum(highest_, exponents.amax(1).to(at::kDouble));
  const at::Tensor shift = finite(highest);
  sums_ = sums_ * (highest_ - shift).exp() +
          (exponents - shift.to(at::kFloat).unsqueeze(1)).exp_().sum(1, false, at::kDouble);
  highest_ = highest;
}

at::Tensor StreamedLogSum::finish(const StreamedLoss::Reduce& reduce) {
  const at::Tensor own = highest_.clone();
  reduce(highest_, StreamedLoss::Reduction::kMaximum);
  const at::Tensor shift = finite(highest_);
  sums_ *= (own - shift).exp();
  reduce(sums_, StreamedLoss::Reduction::kSum);
  return shift + sums_.log();
}

}  // namespace dexter
