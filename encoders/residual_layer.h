#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "encoders/matrix_product.h"
#include "storage/section_file.h"

namespace dexter {

// h = x + relu(x W1) W2 with W1 [dim x hidden], W2 [hidden x dim], row-major. W2 starts at zero, so
// that an untrained layer is the identity.
struct ResidualLayer {
  int dim = 0, hidden = 0;
  std::vector<float> w1, w2;

  bool empty() const { return hidden == 0; }
  void initialise(int dim, int hidden, std::uint64_t seed);
  // out = h for one row; `out` may not alias `x`. `scratch` holds `hidden` values.
  void apply(const float* x, float* scratch, float* out) const;
};

// Trains a layer: products of whole batches, and Adam on its weights. One caller.
class ResidualLayerTrainer {
 public:
  ResidualLayerTrainer(ResidualLayer& layer, Precision precision);

  // h [rows x dim] from x [rows x dim]; keeps what `backward` needs.
  void forward(const float* x, std::size_t rows, float* h);
  // From dL/dh in place to dL/dx, then one Adam step of `rate` (bias-corrected) on the weights.
  void backward(float* gradient, std::size_t rows, float rate, std::int64_t step);

  std::vector<std::vector<float>*> state();  // moments, for checkpoints

 private:
  void update(const ProductMatrix& gradient, std::vector<float>& weights, std::vector<float>& first,
              std::vector<float>& second, float rate, std::int64_t step);

  ResidualLayer& layer_;
  std::vector<float> first1_, second1_, first2_, second2_;
  ProductMatrix x_, w1_, w2_, active_, out_, gradient_, back_, weight_gradient_;
};

}  // namespace dexter
