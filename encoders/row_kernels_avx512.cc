// Row kernels for processors with AVX-512 (x86-64-v4); compiled with -march=x86-64-v4.
#include "encoders/row_kernels.h"

#include "encoders/row_kernels.inc"

namespace dexter {

const RowKernels& row_kernels_avx512();
const RowKernels& row_kernels_avx512() { return kKernels; }

}  // namespace dexter
