#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "index/contenders.h"
#include "storage/embedding_matrix.h"

namespace dexter {

// Whether gathering `some` of `all` rows is cheaper than a look at the bytes of all: a gathered row
// costs as much as twelve in their place (590,764 x 256, `dexter bench index --filter`).
inline bool worth_gathering(std::size_t some, std::size_t all) { return some < all / 12; }

// Exact search over a few rows, each read where it stands: `places` in `vectors` of the rows that
// answers call `numbers`, which ascend. Scores are RowScan's, bit for bit. Answers of each query,
// in order. Uses OpenMP threads.
std::vector<std::vector<Hit>> gather_scan(EmbeddingView queries, const Wanted& wanted,
                                          const RowSource& vectors,
                                          std::span<const std::uint32_t> places,
                                          std::span<const std::uint32_t> numbers);

}  // namespace dexter
