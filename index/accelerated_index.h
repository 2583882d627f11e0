#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "index/vector_index.h"
#include "storage/embedding_matrix.h"

namespace dexter {

// Other hardware that holds a copy of an index's vectors. Calls may come from many threads.
class RowAccelerator {
 public:
  virtual ~RowAccelerator() = default;
  struct Found {
    std::vector<std::int64_t> rows;  // [queries x count], best first
    std::vector<float> scores;
  };
  // The `count` rows of largest score for each query; 1 <= count <= rows.
  virtual Found best(EmbeddingView queries, std::size_t count) const = 0;
  // No score of `best` is further from the float32 inner product than this.
  virtual float slack(std::span<const float> query) const = 0;
};

// Copies the vectors of an index [rows x dim], at least one, to other hardware.
using Accelerate = std::function<std::unique_ptr<const RowAccelerator>(EmbeddingView rows)>;

// A flat index, built or loaded, that searches all its vectors on other hardware. The answers stay
// the same bit for bit: what is found there is scored again in float32, and where slack leaves a
// doubt more is asked for. Filtered and range searches stay on the processors. kInvalidInput for an
// index of another kind.
std::unique_ptr<VectorIndex> accelerated(std::unique_ptr<VectorIndex> index,
                                         const Accelerate& accelerate);

}  // namespace dexter
