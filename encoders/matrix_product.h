#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace dexter {

// How the large products of training are computed: bfloat16 operands with float32 sums where the
// processor has the instructions (four times the rate), float32 elsewhere.
enum class Precision { kFloat32, kBfloat16 };
Precision fastest_precision();
std::string_view name_of(Precision precision);

// A matrix [rows x columns] held in the precision of the products. Its storage only grows, so that
// a training step allocates nothing.
class ProductMatrix {
 public:
  explicit ProductMatrix(Precision precision) : precision_(precision) {}

  void resize(std::size_t rows, std::size_t columns);
  std::size_t rows() const { return rows_; }
  std::size_t columns() const { return columns_; }
  Precision precision() const { return precision_; }

  // Row i from or to float32 values [columns]; safe from many threads for different rows.
  void store_row(std::size_t i, const float* values, float scale = 1);
  void load_row(std::size_t i, float* values) const;
  // Resizes to [rows x columns] and stores rows that lie `stride` values apart.
  void store(const float* values, std::size_t rows, std::size_t columns, std::size_t stride,
             float scale = 1);
  void store(const float* values, std::size_t rows, std::size_t columns) {
    store(values, rows, columns, columns);
  }

  void* data() { return storage_.data(); }
  const void* data() const { return storage_.data(); }

 private:
  std::size_t bytes_of_value() const { return precision_ == Precision::kBfloat16 ? 2 : 4; }

  Precision precision_;
  std::size_t rows_ = 0, columns_ = 0;
  std::vector<std::byte> storage_;
};

enum class Transpose { kNo, kYes };

// c = op(a) op(b) by LibTorch; c is resized. The three matrices share one precision.
void multiply(const ProductMatrix& a, Transpose transpose_a, const ProductMatrix& b,
              Transpose transpose_b, ProductMatrix& c);

}  // namespace dexter
