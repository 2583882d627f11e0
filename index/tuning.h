#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "index/ranked_index.h"

namespace dexter {

// Queries with their exact answers, against which a setting is measured.
class Tuning {
 public:
  // At most 1,024 of `queries`, evenly spaced; an empty view takes a sample of the rows. Exact
  // answers are found in pieces, so no second copy of the rows is made.
  Tuning(const SortedRows& rows, EmbeddingView queries, int seed);

  // Part of the exact 10 best that a search finds.
  struct Recall {
    double mean = 0;    // of the queries measured
    double surely = 0;  // of all queries like them at least, in 99 cases of 100
  };
  using Search = std::function<std::vector<Hit>(EmbeddingView queries, int k)>;
  // Of fewer than 10 where there are fewer rows; a row that ties with the last of them counts as
  // one of them.
  Recall recall(const Search& search) const;
  // By the spread of the recalls of single queries, and not less than the binomial one; where
  // nothing was missed nothing is known to be.
  static Recall estimate(std::span<const double> of_queries, int k);

  struct Setting {
    int value = 0;
    Recall recall;
  };
  // The smallest setting in [first, last] that surely reaches `target`, by doubling and then
  // halving the gap; `last` where none does.
  Setting smallest(int first, int last, double target,
                   const std::function<Recall(int)>& recall_at) const;

  // "on 256 given queries"
  std::string described() const;

 private:
  EmbeddingMatrix queries_;
  bool given_;
  int k_;
  std::vector<Hit> exact_;  // [queries x k]
};

}  // namespace dexter
