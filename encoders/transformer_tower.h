#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "encoders/matrix_product.h"
#include "encoders/safetensors.h"
#include "encoders/transformer_checkpoint.h"
#include "storage/embedding_matrix.h"

namespace dexter {

// A transformer that encodes. Immutable but for the size of a batch, safe from many threads.
class TransformerTower {
 public:
  // Parameters as parameters_of(shape) lists them. `device` is auto, cpu or cuda; kInvalidInput
  // where it is not here.
  TransformerTower(const TransformerShape& shape, Pooling pooling,
                   std::span<const FloatTensor> parameters, Precision precision,
                   const std::string& device);
  ~TransformerTower();

  // Unit vectors [texts x dim] of the first `dim` dimensions; a text of no token gives a zero row.
  // Texts are taken in batches of alike length, so their order does not matter to speed.
  // Where memory runs out, batches are halved from then on; kIo where one text does not fit.
  EmbeddingMatrix encode(std::span<const std::vector<std::int32_t>> texts, int dim) const;
  std::size_t batch_tokens() const;  // at present

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dexter
