#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "index/row_blocks.h"
#include "index/vector_index.h"
#include "storage/embedding_matrix.h"

// Vectors to search, and the answers by brute force.
namespace dexter::testing {

// Unit vectors around 40 centres, with ids that are neither dense nor sorted.
struct Vectors {
  Vectors(std::size_t rows, int dim, unsigned seed)
      : matrix(rows, dim), queries(60, dim), ids(rows) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0, 1);
    EmbeddingMatrix centres(40, dim);
    for (std::size_t i = 0; i < centres.rows(); ++i)
      for (float& v : centres.row(i)) v = normal(random);
    const auto fill = [&](std::span<float> row) {
      const auto centre = centres.row(random() % centres.rows());
      for (std::size_t j = 0; j < row.size(); ++j) row[j] = centre[j] + normal(random);
      const float norm = std::sqrt(std::inner_product(row.begin(), row.end(), row.begin(), 0.0F));
      for (float& v : row) v /= norm;
    };
    for (std::size_t i = 0; i < rows; ++i) fill(matrix.row(i));
    for (std::size_t i = 0; i < queries.rows(); ++i) fill(queries.row(i));
    for (std::size_t i = 0; i < rows; ++i) ids[i] = static_cast<std::int64_t>(7 * i + 3);
    std::shuffle(ids.begin(), ids.end(), random);
  }

  EmbeddingMatrix matrix;
  EmbeddingMatrix queries;
  std::vector<std::int64_t> ids;
};

// Values between -1 and 1.
inline EmbeddingMatrix random_matrix(std::size_t rows, int dim, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  EmbeddingMatrix matrix(rows, dim);
  for (std::size_t i = 0; i < rows; ++i)
    for (float& v : matrix.row(i)) v = uniform(random);
  return matrix;
}

inline RowBlocks blocks_of(EmbeddingView rows) {
  RowBlocks blocks(rows.rows(), rows.dim());
  for (std::size_t i = 0; i < rows.rows(); ++i) blocks.set_row(i, rows.row(i));
  return blocks;
}

inline double dot(std::span<const float> a, std::span<const float> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

struct Ranked {
  double score;
  std::int64_t id;
};

// All vectors, score descending, then id ascending.
inline std::vector<Ranked> brute_force(EmbeddingView vectors, std::span<const std::int64_t> ids,
                                       std::span<const float> query) {
  std::vector<Ranked> ranked;
  for (std::size_t i = 0; i < vectors.rows(); ++i)
    ranked.push_back({dot(vectors.row(i), query), ids[i]});
  std::sort(ranked.begin(), ranked.end(), [](const Ranked& a, const Ranked& b) {
    return a.score != b.score ? a.score > b.score : a.id < b.id;
  });
  return ranked;
}

inline std::vector<std::string> kind_names() {
  std::vector<std::string> names;
  for (const IndexKind& kind : index_kinds()) names.emplace_back(kind.name);
  return names;
}

// Small enough that every kind builds in a fraction of a second.
inline IndexOptions quick_options(const std::string& kind) {
  return {.kind = kind, .links = 16, .ef_construction = 64};
}

}  // namespace dexter::testing
