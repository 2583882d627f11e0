// Precision on the validation part during training.
#include "encoders/validation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "encoders/matrix_product.h"

namespace dexter {
namespace {

constexpr std::size_t kDepth = 5;
constexpr std::size_t kMaximumScores = 16u << 20;

// Columns of the highest scores, best first; earlier columns win ties.
std::array<std::uint32_t, kDepth> top_columns(const std::vector<float>& scores) {
  std::array<float, kDepth> best;
  std::array<std::uint32_t, kDepth> columns{};
  best.fill(-std::numeric_limits<float>::infinity());
  for (std::size_t j = 0; j < scores.size(); ++j) {
    if (scores[j] <= best[kDepth - 1]) continue;
    std::size_t at = kDepth - 1;
    for (; at > 0 && scores[j] > best[at - 1]; --at) {
      best[at] = best[at - 1];
      columns[at] = columns[at - 1];
    }
    best[at] = scores[j];
    columns[at] = static_cast<std::uint32_t>(j);
  }
  return columns;
}

}  // namespace

ValidationScore validate(const float* documents, std::size_t n, const float* labels, std::size_t m,
                         int dim, const std::vector<std::vector<std::uint32_t>>& positives) {
  const auto width = static_cast<std::size_t>(dim);
  ProductMatrix rows(Precision::kFloat32), columns(Precision::kFloat32),
      scores(Precision::kFloat32);
  columns.store(labels, m, width);
  const std::size_t chunk = std::max<std::size_t>(1, kMaximumScores / std::max<std::size_t>(m, 1));
  std::size_t first_hits = 0, hits = 0;
  double ndcg = 0;
  for (std::size_t first = 0; first < n; first += chunk) {
    const std::size_t count = std::min(chunk, n - first);
    rows.store(documents + first * width, count, width);
    multiply(rows, Transpose::kNo, columns, Transpose::kYes, scores);
#pragma omp parallel reduction(+ : first_hits, hits, ndcg)
    {
      std::vector<float> row(m);
#pragma omp for schedule(static)
      for (std::size_t i = 0; i < count; ++i) {
        scores.load_row(i, row.data());
        const auto top = top_columns(row);
        const auto& truth = positives[first + i];
        double gain = 0, ideal = 0;
        for (std::size_t rank = 0; rank < std::min(kDepth, m); ++rank) {
          const double weight = 1 / std::log2(static_cast<double>(rank) + 2);
          if (rank < truth.size()) ideal += weight;
          if (!std::binary_search(truth.begin(), truth.end(), top[rank])) continue;
          ++hits;
          gain += weight;
          if (rank == 0) ++first_hits;
        }
        if (ideal > 0) ndcg += gain / ideal;
      }
    }
  }
  const double documents_scored = static_cast<double>(std::max<std::size_t>(n, 1));
  return {100 * static_cast<double>(first_hits) / documents_scored,
          100 * static_cast<double>(hits) / (kDepth * documents_scored),
          100 * ndcg / documents_scored};
}

}  // namespace dexter
