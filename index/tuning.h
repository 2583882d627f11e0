#pragma once

#include <functional>
#include <string>
#include <vector>

#include "index/ranked_index.h"

namespace dexter {

// Queries with their exact answers, against which a setting is measured.
class Tuning {
 public:
  // At most 256 of `queries`, evenly spaced; an empty view takes a sample of the rows. Exact
  // answers are found in pieces, so no second copy of the rows is made.
  Tuning(const SortedRows& rows, EmbeddingView queries, int seed);

  using Search = std::function<std::vector<Hit>(EmbeddingView queries, int k)>;
  // Part of the exact 10 best (fewer where there are fewer rows) that `search` finds; a row that
  // ties with the last of them counts as one of them.
  double recall(const Search& search) const;

  struct Setting {
    int value = 0;
    double recall = 0;
  };
  // The smallest setting in [first, last] that reaches `target`, by doubling and then halving the
  // gap; `last` where none does.
  Setting smallest(int first, int last, double target,
                   const std::function<double(int)>& recall_at) const;

  // "on 256 given queries"
  std::string described() const;

 private:
  EmbeddingMatrix queries_;
  bool given_;
  int k_;
  std::vector<Hit> exact_;  // [queries x k]
};

}  // namespace dexter
