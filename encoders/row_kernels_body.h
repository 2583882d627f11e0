// The loops of row_kernels.h, in plain C++ that GCC vectorises. Included by one source per
// instruction set, inside a namespace of its own.
#include <immintrin.h>

#include <bit>
#include <cmath>
#include <cstring>

#include "encoders/row_kernels.h"

namespace {

using dexter::AdamStep;
using dexter::BagFeature;

constexpr std::size_t kAhead = 6;  // rows fetched ahead of the sum

float half_to_float(std::uint16_t h) { return _cvtsh_ss(h); }

void bag(const BagFeature* features, std::size_t count, const float* table, int dim, float* out) {
  std::memset(out, 0, static_cast<std::size_t>(dim) * sizeof(float));
  for (std::size_t f = 0; f < count; ++f) {
    if (f + kAhead < count) {
      const float* next = table + static_cast<std::size_t>(features[f + kAhead].row) *
                                      static_cast<std::size_t>(dim);
      for (int c = 0; c < dim; c += 16) __builtin_prefetch(next + c);
    }
    const float* row =
        table + static_cast<std::size_t>(features[f].row) * static_cast<std::size_t>(dim);
    const float value = features[f].value;
#pragma omp simd
    for (int c = 0; c < dim; ++c) out[c] += value * row[c];
  }
}

void bag_half(const BagFeature* features, std::size_t count, const std::uint16_t* table, int dim,
              float* out) {
  std::memset(out, 0, static_cast<std::size_t>(dim) * sizeof(float));
  for (std::size_t f = 0; f < count; ++f) {
    if (f + kAhead < count) {
      const std::uint16_t* next = table + static_cast<std::size_t>(features[f + kAhead].row) *
                                              static_cast<std::size_t>(dim);
      for (int c = 0; c < dim; c += 32) __builtin_prefetch(next + c);
    }
    const std::uint16_t* row =
        table + static_cast<std::size_t>(features[f].row) * static_cast<std::size_t>(dim);
    const __m256 value = _mm256_set1_ps(features[f].value);
    for (int c = 0; c < dim; c += 8) {
      const __m256 x = _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(row + c)));
      _mm256_storeu_ps(out + c, _mm256_fmadd_ps(value, x, _mm256_loadu_ps(out + c)));
    }
  }
}

float dot(const float* x, const float* y, int dim) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int c = 0; c < dim; ++c) sum += x[c] * y[c];
  return sum;
}

void add_scaled(float a, const float* x, float* y, int dim) {
#pragma omp simd
  for (int c = 0; c < dim; ++c) y[c] += a * x[c];
}

float normalise(const float* x, float* y, int dim) {
  const float norm = std::sqrt(dot(x, x, dim));
  const float inverse = norm > 0 ? 1 / norm : 0;
#pragma omp simd
  for (int c = 0; c < dim; ++c) y[c] = x[c] * inverse;
  return norm;
}

void normalise_backward(float* g, const float* y, float norm, int dim) {
  const float along = dot(g, y, dim);
  const float inverse = norm > 0 ? 1 / norm : 0;
#pragma omp simd
  for (int c = 0; c < dim; ++c) g[c] = (g[c] - along * y[c]) * inverse;
}

// exp by 2^(x log2 e) = 2^i * 2^f, a degree-6 polynomial for 2^f on [-0.5, 0.5]. log2 e comes in
// two parts, and fused products keep f exact where i is large: relative error 3e-7 from -87 to 0.
inline float exp_approx(float x) {
  constexpr float kLog2E = 1.44269502f, kLog2ERest = 1.92596299e-8f;
  const float bounded = std::max(x, -87.0f);
  const float whole = std::nearbyint(bounded * kLog2E);
  const float f = std::fma(bounded, kLog2ERest, std::fma(bounded, kLog2E, -whole));
  float p = 1.5403530e-4f;
  p = p * f + 1.3333558e-3f;
  p = p * f + 9.6181291e-3f;
  p = p * f + 5.5504109e-2f;
  p = p * f + 2.4022651e-1f;
  p = p * f + 6.9314718e-1f;
  p = p * f + 1.0f;
  const std::int32_t exponent = (static_cast<std::int32_t>(whole) + 127) << 23;
  return p * std::bit_cast<float>(exponent);
}

float maximum(const float* x, std::size_t count) {
  float most = x[0];
#pragma omp simd reduction(max : most)
  for (std::size_t j = 0; j < count; ++j) most = x[j] > most ? x[j] : most;
  return most;
}

float exp_sum(float* scores, std::size_t count, float shift) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::size_t j = 0; j < count; ++j) {
    scores[j] = exp_approx(scores[j] - shift);
    sum += scores[j];
  }
  return sum;
}

void scale(float a, float* x, std::size_t count) {
#pragma omp simd
  for (std::size_t j = 0; j < count; ++j) x[j] *= a;
}

void to_bf16(const float* x, float factor, std::uint16_t* out, std::size_t count) {
#pragma omp simd
  for (std::size_t j = 0; j < count; ++j) {
    const auto bits = std::bit_cast<std::uint32_t>(x[j] * factor);
    out[j] = static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
  }
}

void from_bf16(const std::uint16_t* x, float* out, std::size_t count) {
#pragma omp simd
  for (std::size_t j = 0; j < count; ++j)
    out[j] = std::bit_cast<float>(static_cast<std::uint32_t>(x[j]) << 16);
}

void to_half(const float* x, std::uint16_t* out, std::size_t count) {
  std::size_t j = 0;
  for (; j + 8 <= count; j += 8)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + j),
                     _mm256_cvtps_ph(_mm256_loadu_ps(x + j), _MM_FROUND_TO_NEAREST_INT));
  for (; j < count; ++j) out[j] = _cvtss_sh(x[j], _MM_FROUND_TO_NEAREST_INT);
}

void from_half(const std::uint16_t* x, float* out, std::size_t count) {
  std::size_t j = 0;
  for (; j + 8 <= count; j += 8)
    _mm256_storeu_ps(out + j,
                     _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + j))));
  for (; j < count; ++j) out[j] = half_to_float(x[j]);
}

void adam(const AdamStep& step, const float* gradient, float* parameter, float* first,
          float* second, int dim) {
  const AdamStep s = step;
  const float inverse_bias2 = 1 / s.bias2;
#pragma omp simd
  for (int c = 0; c < dim; ++c) {
    first[c] = s.beta1 * first[c] + (1 - s.beta1) * gradient[c];
    second[c] = s.beta2 * second[c] + (1 - s.beta2) * gradient[c] * gradient[c];
    parameter[c] -= s.rate * first[c] / (std::sqrt(second[c] * inverse_bias2) + s.epsilon);
  }
}

constexpr dexter::RowKernels kKernels{
    .bag = bag,
    .bag_half = bag_half,
    .dot = dot,
    .add_scaled = add_scaled,
    .normalise = normalise,
    .normalise_backward = normalise_backward,
    .maximum = maximum,
    .exp_sum = exp_sum,
    .scale = scale,
    .to_bf16 = to_bf16,
    .from_bf16 = from_bf16,
    .to_half = to_half,
    .from_half = from_half,
    .adam = adam,
};

}  // namespace
