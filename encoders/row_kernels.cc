// Row kernels for AVX2, and the choice between them and those for AVX-512.
#include "encoders/row_kernels.h"

#include "encoders/row_kernels.inc"

namespace dexter {

const RowKernels& row_kernels_avx512();

const RowKernels& row_kernels() {
  static const RowKernels& chosen =
      __builtin_cpu_supports("x86-64-v4") ? row_kernels_avx512() : kKernels;
  return chosen;
}

}  // namespace dexter
