// Row kernels for AVX2, and the choice between them and those for AVX-512.
#include "encoders/row_kernels.h"

#include "encoders/row_kernels.inc"

namespace dexter {

const RowKernels& row_kernels_avx512();

void normalise_blocks(const float* x, float* y, float* norms, int dim, int blocks) {
  const int width = dim / blocks;
  for (int b = 0; b < blocks; ++b)
    norms[b] = row_kernels().normalise(x + b * width, y + b * width, width);
}

void normalise_blocks_backward(float* g, const float* y, const float* norms, int dim, int blocks) {
  const int width = dim / blocks;
  for (int b = 0; b < blocks; ++b)
    row_kernels().normalise_backward(g + b * width, y + b * width, norms[b], width);
}

const RowKernels& row_kernels() {
  static const RowKernels& chosen =
      __builtin_cpu_supports("x86-64-v4") ? row_kernels_avx512() : kKernels;
  return chosen;
}

}  // namespace dexter
