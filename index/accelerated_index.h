#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "index/row_scan.h"
#include "index/vector_index.h"
#include "storage/embedding_matrix.h"

namespace dexter {

// Other hardware that holds a copy of an index's vectors. Calls may come from many threads.
class RowAccelerator {
 public:
  virtual ~RowAccelerator() = default;
  struct Ask {
    EmbeddingView queries;
    std::size_t count = 1;  // 1 <= count <= rows, most()
    // Of an ivf index: the lists to read, and their centroids' scores, [queries x lists of each];
    // at most most() a query.
    std::span<const Hit> lists = {};
  };
  struct Found {
    std::vector<std::int64_t> rows;  // [queries x count], best first; -1 where there are fewer
    std::vector<float> scores;
  };
  // The `count` rows of largest score for each query.
  virtual Found best(const Ask& ask) const = 0;
  virtual std::size_t most() const = 0;
  // No score of `best` is further from the float32 inner product than this; infinity where that is
  // not known: then the best of kRescored times as many as are wanted are answers.
  virtual float slack(std::span<const float> query) const = 0;
  static constexpr std::size_t kRescored = 10;
};

// The vectors of an ivf index, list by list.
struct ListedRows {
  EmbeddingView centroids;  // [lists x dim]
  RowSource vectors;
  std::vector<std::vector<Place>> lists;  // where each row of a list stands in `vectors`
};

// Copies the vectors of an index, at least one, to other hardware. Either may be empty: that kind
// of index is not searched there.
struct Accelerate {
  std::function<std::unique_ptr<const RowAccelerator>(EmbeddingView rows)> flat = {};
  std::function<std::unique_ptr<const RowAccelerator>(const ListedRows& rows)> ivf = {};
};

// Lets a flat or ivf index, built or loaded, search its vectors on other hardware, in place of
// where it did before. Unless slack is unknown the answers stay the same bit for bit: an ivf index
// reads the same lists, what is found is scored again in float32, and where slack leaves a doubt
// more is asked for, in the end of the processors. Filtered and range searches stay on the
// processors. Needs that nobody searches meanwhile. kInvalidInput for an index of another kind;
// after any error it is searched on the processors.
void accelerate(VectorIndex& index, const Accelerate& by);

}  // namespace dexter
