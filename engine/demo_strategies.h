#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/embedding_matrix.h"

namespace dexter {

// What a strategy chooses from: the demonstrations nearest to a query, best first.
struct CandidatePool {
  std::vector<float> scores;        // relevance, descending; cosines where there are vectors
  EmbeddingView vectors;            // [n x dim] unit rows, or none
  std::vector<std::uint32_t> rows;  // of the bank
};

struct StrategyOptions {
  double mmr_balance = 0.5;  // weight of relevance beside that of novelty
  double dpp_scale = 0.1;    // small values favour relevance, large ones diversity
  std::uint64_t seed = 1;
};

enum class PoolSource { kVectors, kWords, kBoth, kAnywhere };

struct DemoStrategy {
  std::string_view name;
  std::string_view summary;
  PoolSource source;
  // At most k distinct places of the pool, the best choice first.
  std::vector<std::size_t> (*choose)(const CandidatePool& pool, std::size_t k,
                                     const StrategyOptions& options);
};

// dense, bm25, hybrid: the pool's own order.
// mmr: Carbonell and Goldstein, SIGIR 1998: argmax of a * relevance - (1 - a) * greatest similarity
// to what was chosen.
// dpp: Ye et al., "Compositional Exemplars for In-context Learning" (CEIL), ICML 2023: greedy MAP
// of a determinantal process with kernel r_i (1 + z_i . z_j) / 2 r_j, r_i = exp(rel_i / (2 scale)),
// in O(n k^2) (Chen et al., NeurIPS 2018).
// votek: vote_k.h over the pool, where each candidate votes for its 3 nearest.
// kmeans: the candidate nearest to the query of each of k clusters of the pool.
// random: of the whole bank, the same for the same seed and query.
std::span<const DemoStrategy> demo_strategies();
// kInvalidInput names the nearest one.
const DemoStrategy& find_demo_strategy(std::string_view name);

}  // namespace dexter
