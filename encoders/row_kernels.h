#pragma once

#include <cstddef>
#include <cstdint>

#include "encoders/bag_features.h"

namespace dexter {

// The arithmetic of the bag encoder over rows of `dim` float32 values (`dim` a multiple of 16),
// compiled for AVX2 and for AVX-512. Pointers need no alignment. None of these starts a thread.

// Adam of one step: p -= rate * m / (sqrt(v / bias2) + epsilon) with m, v the moving means of the
// gradient and of its square (Kingma and Ba, 2015); `rate` already holds the bias correction of m.
struct AdamStep {
  float rate = 0;
  float beta1 = 0.9f;
  float beta2 = 0.999f;
  float bias2 = 1;
  float epsilon = 1e-8f;
};

struct RowKernels {
  // out = sum_f value_f * table[row_f], float32 or IEEE half table.
  void (*bag)(const BagFeature* features, std::size_t count, const float* table, int dim,
              float* out);
  void (*bag_half)(const BagFeature* features, std::size_t count, const std::uint16_t* table,
                   int dim, float* out);
  float (*dot)(const float* x, const float* y, int dim);
  void (*add_scaled)(float a, const float* x, float* y, int dim);  // y += a * x
  // y = x / |x|; returns |x|. A zero row stays zero and gives 0.
  float (*normalise)(const float* x, float* y, int dim);
  // Gradient through y = x / |x|: g = (g - y (g . y)) / norm; zero where norm is 0.
  void (*normalise_backward)(float* g, const float* y, float norm, int dim);
  float (*maximum)(const float* x, std::size_t count);  // count >= 1
  // s_j = exp(s_j - shift); returns the sum.
  float (*exp_sum)(float* scores, std::size_t count, float shift);
  void (*scale)(float a, float* x, std::size_t count);
  // bfloat16, round to nearest even.
  void (*to_bf16)(const float* x, float scale, std::uint16_t* out, std::size_t count);
  void (*from_bf16)(const std::uint16_t* x, float* out, std::size_t count);
  void (*to_half)(const float* x, std::uint16_t* out, std::size_t count);
  void (*from_half)(const std::uint16_t* x, float* out, std::size_t count);
  // Adam with a second moment per value.
  void (*adam)(const AdamStep& step, const float* gradient, float* parameter, float* first,
               float* second, int dim);
};

// The fastest set this processor runs.
const RowKernels& row_kernels();

}  // namespace dexter
