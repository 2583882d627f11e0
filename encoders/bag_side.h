#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "encoders/bag_model.h"
#include "encoders/table_optimizer.h"

namespace dexter {

// One side of a block's training step: texts to unit vectors, and back from the gradient of those
// vectors to the gradient of each text's bag. Buffers are kept between steps. One caller.
class BagSide {
 public:
  // `layer` is the block's layer of this side; both must outlive it.
  BagSide(const BagBlock& block, ResidualLayer& layer, Precision precision);

  // vectors() = unit( h + free ) [texts x width], where row i reads text `texts[i]` of `bags`, and
  // free is the sum of the block's free vectors that `free_rows` gives for it, or nothing.
  void forward(const BagBatch& bags, std::span<const std::uint32_t> texts,
               const BagBatch* free_rows = nullptr);
  const float* vectors() const { return vectors_.data(); }

  // Takes dL/dvectors [texts x width]; leaves dL/d(h + free) in `free_gradient()` and dL/dbag in
  // the result; takes one Adam step on the residual layer.
  BagGradient backward(const float* gradient, float network_rate, std::int64_t step);
  const float* free_gradient() const { return free_gradient_.data(); }

  ResidualLayerTrainer& layer_trainer() { return layer_trainer_; }

 private:
  const BagBlock& block_;
  int width_;
  ResidualLayerTrainer layer_trainer_;
  const BagBatch* bags_ = nullptr;
  std::vector<std::uint32_t> texts_;
  std::vector<float> unit_, state_, vectors_, unit_norm_, norm_, gradient_, free_gradient_;
};

}  // namespace dexter
