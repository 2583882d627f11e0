#pragma once

#include <ATen/ATen.h>

#include "encoders/streamed_loss.h"

namespace dexter {

// Inner header. The log of each row's sum of exponentials, of columns that come in chunks and of
// all processes.
class StreamedLogSum {
 public:
  explicit StreamedLogSum(const at::Tensor& like);  // [n, float64]

  void add(const at::Tensor& exponents);  // [n x m] float32
  // [n], -infinity for a row whose exponents all are. Called once.
  at::Tensor finish(const StreamedLoss::Reduce& reduce);

 private:
  at::Tensor highest_, sums_;  // so far, [n]
};

// -infinity as 0: what is measured against it is -infinity itself.
at::Tensor finite(const at::Tensor& level);

}  // namespace dexter
