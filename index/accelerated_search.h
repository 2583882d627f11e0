#pragma once

#include <functional>
#include <span>
#include <vector>

#include "index/accelerated_index.h"

namespace dexter {

// Whose vectors an accelerator searches.
struct AcceleratedRows {
  RowSource vectors;
  std::size_t size = 0;
  std::span<const std::uint32_t> places;  // of each row in `vectors`; empty: row i at i
};

// The search that gives the same answers without the accelerator: of the queries that are given by
// number. Answers in order, k a query.
using ByProcessors = std::function<std::vector<Hit>(std::span<const std::size_t> queries)>;

// The k best of each query [queries x k], in order, padded with Hit{}. `lists`: as
// RowAccelerator::Ask.
std::vector<Hit> accelerated_hits(const RowAccelerator& accelerator, const AcceleratedRows& rows,
                                  EmbeddingView queries, std::size_t k, std::span<const Hit> lists,
                                  const ByProcessors& by_processors);

// Some of the queries.
EmbeddingMatrix rows_of(EmbeddingView queries, std::span<const std::size_t> some);

}  // namespace dexter
