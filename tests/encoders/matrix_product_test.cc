// Products and storage of the two precisions, by hand.
#include "encoders/matrix_product.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <array>
#include <random>

namespace dexter {
namespace {

// Small whole numbers are exact in both precisions.
const std::vector<float> kA{1, 2, 3, 4, 5, 6};  // [2 x 3]
const std::vector<float> kATransposed{1, 4, 2, 5, 3, 6};
const std::vector<float> kB{1, 0, -1, 2, 3, 1};  // [3 x 2]
const std::vector<float> kBTransposed{1, -1, 3, 0, 2, 1};
const std::vector<float> kProduct{8, 7, 17, 16};  // [2 x 2]

std::vector<float> values(const ProductMatrix& matrix) {
  std::vector<float> all(matrix.rows() * matrix.columns());
  for (std::size_t i = 0; i < matrix.rows(); ++i)
    matrix.load_row(i, all.data() + i * matrix.columns());
  return all;
}

class Product : public ::testing::TestWithParam<Precision> {
 protected:
  ProductMatrix matrix(const std::vector<float>& all, std::size_t rows, float scale = 1) const {
    ProductMatrix result(GetParam());
    result.store(all.data(), rows, all.size() / rows, all.size() / rows, scale);
    return result;
  }
};

INSTANTIATE_TEST_SUITE_P(Precisions, Product,
                         ::testing::Values(Precision::kFloat32, Precision::kBfloat16),
                         [](const auto& param) { return std::string(name_of(param.param)); });

TEST_P(Product, IsTheSameForEveryTranspose) {
  const ProductMatrix a = matrix(kA, 2), at = matrix(kATransposed, 3);
  const ProductMatrix b = matrix(kB, 3), bt = matrix(kBTransposed, 2);
  ProductMatrix c(GetParam());
  multiply(a, Transpose::kNo, b, Transpose::kNo, c);
  EXPECT_EQ(c.rows(), 2u);
  EXPECT_EQ(c.columns(), 2u);
  EXPECT_EQ(values(c), kProduct);
  multiply(at, Transpose::kYes, b, Transpose::kNo, c);
  EXPECT_EQ(values(c), kProduct);
  multiply(a, Transpose::kNo, bt, Transpose::kYes, c);
  EXPECT_EQ(values(c), kProduct);
  multiply(at, Transpose::kYes, bt, Transpose::kYes, c);
  EXPECT_EQ(values(c), kProduct);
}

// Sums of at most 60 products of -2..2 stay within 240: bfloat16 holds each whole number to 256.
TEST_P(Product, OfAnyShapeIsThatOfAPlainLoop) {
  std::mt19937 random(1);
  const auto whole_numbers = [&](std::size_t count) {
    std::vector<float> all(count);
    for (float& value : all) value = static_cast<float>(random() % 5) - 2;
    return all;
  };
  ProductMatrix c(GetParam());
  for (const auto& [n, k, m] : std::vector<std::array<std::size_t, 3>>{{1, 1, 1},
                                                                       {1, 16, 1},
                                                                       {3, 5, 7},
                                                                       {7, 1, 3},
                                                                       {33, 60, 17},
                                                                       {64, 48, 100},
                                                                       {2, 31, 129}}) {
    const std::vector<float> a = whole_numbers(n * k), b = whole_numbers(k * m);
    std::vector<float> expected(n * m);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < m; ++j)
        for (std::size_t x = 0; x < k; ++x) expected[i * m + j] += a[i * k + x] * b[x * m + j];
    multiply(matrix(a, n), Transpose::kNo, matrix(b, k), Transpose::kNo, c);
    EXPECT_EQ(values(c), expected) << n << " x " << k << " x " << m;
  }
}

TEST_P(Product, ResizesItsResultToLargerAndSmaller) {
  ProductMatrix c(GetParam());
  const ProductMatrix ones = matrix(std::vector<float>(40 * 30, 1), 40);
  multiply(ones, Transpose::kNo, ones, Transpose::kYes, c);
  EXPECT_EQ(values(c), std::vector<float>(40 * 40, 30));
  multiply(matrix(kA, 2), Transpose::kNo, matrix(kB, 3), Transpose::kNo, c);
  EXPECT_EQ(values(c), kProduct);
  multiply(ones, Transpose::kYes, ones, Transpose::kNo, c);
  EXPECT_EQ(values(c), std::vector<float>(30 * 30, 40));
}

TEST_P(Product, StoresRowsScaled) {
  ProductMatrix stored = matrix(kA, 2, 4);
  EXPECT_EQ(values(stored), (std::vector<float>{4, 8, 12, 16, 20, 24}));
  const float row[] = {7, 8, 9};
  stored.store_row(1, row, 0.5F);
  EXPECT_EQ(values(stored), (std::vector<float>{4, 8, 12, 3.5F, 4, 4.5F}));
  EXPECT_EQ(stored.precision(), GetParam());
}

TEST(Precision, FloatKeepsWhatBfloat16Rounds) {
  const float value[] = {1.0009765625F};  // 1 + 2^-10
  for (const auto& [precision, expected] :
       {std::pair{Precision::kFloat32, value[0]}, {Precision::kBfloat16, 1.0F}}) {
    ProductMatrix matrix(precision);
    matrix.store(value, 1, 1);
    EXPECT_EQ(values(matrix), std::vector<float>{expected});
  }
  EXPECT_EQ(name_of(Precision::kFloat32), "float32");
  EXPECT_EQ(name_of(Precision::kBfloat16), "bfloat16");
}

// The reference BLAS that LAPACK brings is thirty times slower; it must not stand before
// LibTorch's.
TEST(MatrixLibrary, IsLibTorchsOwn) {
  void* product = dlsym(RTLD_DEFAULT, "sgemm_");
  ASSERT_NE(product, nullptr);
  Dl_info found{};
  ASSERT_NE(dladdr(product, &found), 0);
  EXPECT_NE(std::string(found.dli_fname).find("libtorch_cpu"), std::string::npos)
      << found.dli_fname;
}

}  // namespace
}  // namespace dexter
