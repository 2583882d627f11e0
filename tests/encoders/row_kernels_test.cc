// Every kernel, of the processor's fastest set and of the AVX2 set, against a plain loop.
#include "encoders/row_kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "encoders/row_kernels.inc"  // the AVX2 set, as this file is compiled for AVX2

namespace dexter {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> normal_values(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

double plain_dot(const std::vector<float>& x, const std::vector<float>& y) {
  return std::inner_product(x.begin(), x.end(), y.begin(), 0.0);
}

// IEEE half to double by its definition.
double half_value(std::uint16_t h) {
  const double sign = h & 0x8000 ? -1 : 1;
  const int exponent = (h >> 10) & 31, fraction = h & 1023;
  if (exponent == 31) return fraction ? std::nan("") : sign * HUGE_VAL;
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}

class Kernels : public ::testing::TestWithParam<const RowKernels*> {
 protected:
  const RowKernels& k_ = *GetParam();
};

INSTANTIATE_TEST_SUITE_P(Sets, Kernels, ::testing::Values(&row_kernels(), &kKernels),
                         [](const auto& param) { return param.index == 0 ? "fastest" : "avx2"; });

TEST_P(Kernels, BagSumsTheRowsOfBothTables) {
  constexpr std::uint32_t kRows = 50;
  for (const int dim : {16, 48, 256}) {
    const auto width = static_cast<std::size_t>(dim);
    const std::vector<float> table = normal_values(kRows * width, 1);
    std::vector<std::uint16_t> halves(table.size());
    k_.to_half(table.data(), halves.data(), table.size());
    for (const std::size_t count : {0u, 1u, 5u, 6u, 7u, 40u}) {
      std::vector<BagFeature> features;
      for (std::uint32_t f = 0; f < count; ++f)
        features.push_back({(f * 13 + 2) % kRows, 0.1F * static_cast<float>(f) - 1});
      std::vector<float> out(width, 9), out_half(width, 9);
      k_.bag(features.data(), count, table.data(), dim, out.data());
      k_.bag_half(features.data(), count, halves.data(), dim, out_half.data());
      for (std::size_t c = 0; c < width; ++c) {
        double sum = 0, sum_half = 0;
        for (const BagFeature& f : features) {
          sum += static_cast<double>(f.value) * table[f.row * width + c];
          sum_half += static_cast<double>(f.value) * half_value(halves[f.row * width + c]);
        }
        ASSERT_NEAR(out[c], sum, 1e-4);
        ASSERT_NEAR(out_half[c], sum_half, 1e-4);
      }
    }
  }
}

TEST_P(Kernels, DotAddScaledAndScaleOfAnyLength) {
  for (const std::size_t count : {1u, 7u, 16u, 31u, 48u, 256u, 1001u}) {
    const std::vector<float> x = normal_values(count, 2), y = normal_values(count, 3);
    const int dim = static_cast<int>(count);
    EXPECT_NEAR(k_.dot(x.data(), y.data(), dim), plain_dot(x, y), 1e-3);
    std::vector<float> sum = y, scaled = x;
    k_.add_scaled(-1.5F, x.data(), sum.data(), dim);
    k_.scale(0.25F, scaled.data(), count);
    for (std::size_t c = 0; c < count; ++c) {
      ASSERT_NEAR(sum[c], y[c] - 1.5F * x[c], 1e-5);
      ASSERT_EQ(scaled[c], 0.25F * x[c]);
    }
  }
}

TEST_P(Kernels, NormaliseAndItsGradient) {
  for (const int dim : {16, 48, 256}) {
    const auto width = static_cast<std::size_t>(dim);
    const std::vector<float> x = normal_values(width, 4), g = normal_values(width, 5);
    std::vector<float> y(width), back = g;
    const float norm = k_.normalise(x.data(), y.data(), dim);
    EXPECT_NEAR(norm, std::sqrt(plain_dot(x, x)), 1e-4);
    EXPECT_NEAR(plain_dot(y, y), 1, 1e-5);
    k_.normalise_backward(back.data(), y.data(), norm, dim);
    // d (g . x / |x|) / d x_c = g_c / |x| - (g . x) x_c / |x|^3
    const double length = std::sqrt(plain_dot(x, x)), along = plain_dot(g, x);
    for (std::size_t c = 0; c < width; ++c) {
      ASSERT_NEAR(y[c], x[c] / length, 1e-5);
      ASSERT_NEAR(back[c], g[c] / length - along * x[c] / (length * length * length), 1e-5);
    }
  }
}

TEST_P(Kernels, AZeroRowStaysZeroAndPassesNoGradient) {
  const std::vector<float> zero(48, 0);
  std::vector<float> y(48, 3), g = normal_values(48, 6);
  EXPECT_EQ(k_.normalise(zero.data(), y.data(), 48), 0);
  EXPECT_EQ(y, zero);
  k_.normalise_backward(g.data(), y.data(), 0, 48);
  for (const float value : g) EXPECT_EQ(value, 0);
}

TEST_P(Kernels, MaximumIsFoundAnywhere) {
  for (const std::size_t count : {1u, 5u, 16u, 33u, 100u})
    for (std::size_t at = 0; at < count; ++at) {
      std::vector<float> x(count, -7);
      x[at] = -6.5F;
      ASSERT_EQ(k_.maximum(x.data(), count), -6.5F);
    }
  const std::vector<float> none(20, -kInfinity);
  EXPECT_EQ(k_.maximum(none.data(), none.size()), -kInfinity);
}

// From e^0 to e^-87, the least that the kernel gives.
TEST_P(Kernels, ExpSumIsExactToAMillionth) {
  for (const std::size_t count : {1u, 15u, 16u, 2000u}) {
    std::vector<float> scores(count);
    for (std::size_t j = 0; j < count; ++j)
      scores[j] = 3 - 87.0F * static_cast<float>(j) / static_cast<float>(count);
    std::vector<float> out = scores;
    const float sum = k_.exp_sum(out.data(), count, 3);
    double expected = 0;
    for (std::size_t j = 0; j < count; ++j) {
      const double x = scores[j] - 3, one = std::exp(x);
      ASSERT_NEAR(out[j], one, 1e-6 * one) << x;
      expected += one;
    }
    EXPECT_NEAR(sum, expected, 2e-6 * expected);
    EXPECT_EQ(out[0], 1);
  }
}

TEST_P(Kernels, ExpSumOfFarLowerScoresIsNextToNothing) {
  std::vector<float> scores{-kInfinity, -1e30F, -200, 0};
  EXPECT_EQ(k_.exp_sum(scores.data(), 4, 0), 1);
  for (std::size_t j = 0; j < 3; ++j) {
    EXPECT_GE(scores[j], 0);
    EXPECT_LT(scores[j], 1e-37F);
  }
}

// By this a training sees that it has gone astray.
TEST_P(Kernels, ExpSumOfNotANumberIsNotANumber) {
  for (std::size_t at = 0; at < 37; at += 4) {
    std::vector<float> scores(37, 0);
    scores[at] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_TRUE(std::isnan(k_.exp_sum(scores.data(), scores.size(), 0))) << at;
  }
}

TEST_P(Kernels, Bfloat16RoundsToNearestEven) {
  const std::vector<std::pair<std::uint32_t, std::uint16_t>> cases{
      {0x3f800000, 0x3f80}, {0x3f807fff, 0x3f80}, {0x3f808000, 0x3f80},  // a tie, to even
      {0x3f808001, 0x3f81}, {0x3f818000, 0x3f82},                        // a tie, to even
      {0xbf818000, 0xbf82}, {0x00000000, 0x0000}, {0x80000000, 0x8000},
      {0x7f800000, 0x7f80}, {0x7f7fffff, 0x7f80}, {0x3fffffff, 0x4000}};
  std::vector<float> x;
  for (const auto& [bits, rounded] : cases) x.push_back(std::bit_cast<float>(bits));
  std::vector<std::uint16_t> out(x.size());
  k_.to_bf16(x.data(), 1, out.data(), x.size());
  for (std::size_t j = 0; j < x.size(); ++j) EXPECT_EQ(out[j], cases[j].second) << j;
}

TEST_P(Kernels, Bfloat16OfAnyLengthIsScaledAndRoundTrips) {
  for (const std::size_t count : {1u, 17u, 48u, 1001u}) {
    const std::vector<float> x = normal_values(count, 7);
    std::vector<std::uint16_t> stored(count), again(count);
    std::vector<float> read(count);
    k_.to_bf16(x.data(), 20, stored.data(), count);
    k_.from_bf16(stored.data(), read.data(), count);
    for (std::size_t j = 0; j < count; ++j)
      ASSERT_NEAR(read[j], 20 * x[j], std::abs(20 * x[j]) / 256);
    k_.to_bf16(read.data(), 1, again.data(), count);
    EXPECT_EQ(again, stored);
  }
}

TEST_P(Kernels, HalvesConvertByTheirDefinition) {
  std::vector<std::uint16_t> halves(65'536), back(65'536);
  std::iota(halves.begin(), halves.end(), std::uint16_t{0});
  std::vector<float> read(halves.size());
  k_.from_half(halves.data(), read.data(), halves.size());
  k_.to_half(read.data(), back.data(), read.size());
  for (std::size_t h = 0; h < halves.size(); ++h) {
    const double expected = half_value(halves[h]);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(read[h]));
      continue;
    }
    ASSERT_EQ(read[h], expected) << h;
    ASSERT_EQ(back[h], halves[h]);
  }
}

TEST_P(Kernels, HalvesRoundToNearestEvenAtAnyLength) {
  const float step = std::ldexp(1.0F, -10);  // between halves from 1 on
  const std::vector<float> x{1 + step / 2,
                             1 + 3 * step / 2,
                             1 + step / 2 + step / 8,
                             -1 - 3 * step / 2,
                             70'000,
                             std::ldexp(1.0F, -25),
                             std::ldexp(1.5F, -24),
                             0.1F,
                             65'504,
                             2,
                             0};
  const std::vector<std::uint16_t> expected{0x3c00, 0x3c02, 0x3c01, 0xbc02, 0x7c00, 0x0000,
                                            0x0002, 0x2e66, 0x7bff, 0x4000, 0x0000};
  for (std::size_t count = 1; count <= x.size(); ++count) {
    std::vector<std::uint16_t> out(x.size() + 1, 0xabcd);
    k_.to_half(x.data(), out.data(), count);
    for (std::size_t j = 0; j < count; ++j) EXPECT_EQ(out[j], expected[j]) << x[j];
    EXPECT_EQ(out[count], 0xabcd);  // nothing beyond
    std::vector<float> read(x.size() + 1, 9);
    k_.from_half(out.data(), read.data(), count);
    for (std::size_t j = 0; j < count; ++j)
      EXPECT_EQ(static_cast<double>(read[j]), half_value(out[j]));
    EXPECT_EQ(read[count], 9);
  }
}

TEST_P(Kernels, AdamFollowsItsFormula) {
  for (const int dim : {16, 48, 256}) {
    const auto width = static_cast<std::size_t>(dim);
    std::vector<float> parameter = normal_values(width, 8), first(width), second(width);
    std::vector<double> p(parameter.begin(), parameter.end()), m(width), v(width);
    for (int step = 1; step <= 10; ++step) {
      const std::vector<float> g = normal_values(width, static_cast<std::uint64_t>(step + 20));
      AdamStep adam;
      adam.rate = 0.01F;
      adam.bias2 = 1 - std::pow(adam.beta2, static_cast<float>(step));
      k_.adam(adam, g.data(), parameter.data(), first.data(), second.data(), dim);
      for (std::size_t c = 0; c < width; ++c) {
        const double gradient = g[c];
        m[c] = 0.9 * m[c] + 0.1 * gradient;
        v[c] = 0.999 * v[c] + 0.001 * gradient * gradient;
        p[c] -= 0.01 * m[c] / (std::sqrt(v[c] / (1 - std::pow(0.999, step))) + 1e-8);
      }
    }
    for (std::size_t c = 0; c < width; ++c) ASSERT_NEAR(parameter[c], p[c], 1e-5);
  }
}

}  // namespace
}  // namespace dexter
