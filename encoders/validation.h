#pragma once

#include <cstdint>
#include <vector>

namespace dexter {

struct ValidationScore {
  double precision_at_1 = 0;  // percent
  double precision_at_5 = 0;
  double ndcg_at_5 = 0;
};

// Exact ranking of documents [n x dim] against labels [m x dim], both unit vectors; `positives[i]`
// are ascending label rows. Ties by ascending row.
ValidationScore validate(const float* documents, std::size_t n, const float* labels, std::size_t m,
                         int dim, const std::vector<std::vector<std::uint32_t>>& positives);

}  // namespace dexter
