// The table of strategies, and the choices that look at more than a score.
#include "engine/demo_strategies.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include "engine/nearest_name.h"
#include "engine/vote_k.h"
#include "storage/error.h"

namespace dexter {
namespace {

using Places = std::vector<std::size_t>;

// In lanes, which the compiler keeps in registers: one sum would wait for itself.
double dot(std::span<const float> a, std::span<const float> b) {
  std::array<float, 16> sums{};
  const std::size_t whole = a.size() - a.size() % sums.size();
  for (std::size_t i = 0; i < whole; i += sums.size())
    for (std::size_t lane = 0; lane < sums.size(); ++lane) sums[lane] += a[i + lane] * b[i + lane];
  for (std::size_t i = whole; i < a.size(); ++i) sums[0] += a[i] * b[i];
  return std::accumulate(sums.begin(), sums.end(), 0.0F);
}

Places in_order(const CandidatePool& pool, std::size_t k, const StrategyOptions&) {
  Places places(std::min(k, pool.scores.size()));
  std::iota(places.begin(), places.end(), std::size_t{0});
  return places;
}

// Takes k times the place of the greatest gain that is not taken yet, the first of equal ones.
// `taken(place)` mends the gains after each.
template <class Gain, class Taken>
Places greedy(std::size_t n, std::size_t k, const Gain& gain, const Taken& taken) {
  Places places;
  std::vector<bool> used(n, false);
  while (places.size() < std::min(k, n)) {
    std::size_t best = n;
    double most = -std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < n; ++i) {
      if (used[i]) continue;
      const double found = gain(i);
      if (best < n && !(found > most)) continue;
      best = i;
      most = found;
    }
    used[best] = true;
    places.push_back(best);
    taken(best);
  }
  return places;
}

Places mmr(const CandidatePool& pool, std::size_t k, const StrategyOptions& options) {
  const std::size_t n = pool.scores.size();
  std::vector<double> nearest(n, 0);  // similarity to the nearest that was chosen
  bool first = true;
  return greedy(
      n, k,
      [&](std::size_t i) {
        return options.mmr_balance * static_cast<double>(pool.scores[i]) -
               (first ? 0 : (1 - options.mmr_balance) * nearest[i]);
      },
      [&](std::size_t chosen) {
        for (std::size_t i = 0; i < n; ++i) {
          const double similarity = dot(pool.vectors.row(i), pool.vectors.row(chosen));
          nearest[i] = first ? similarity : std::max(nearest[i], similarity);
        }
        first = false;
      });
}

Places dpp(const CandidatePool& pool, std::size_t k, const StrategyOptions& options) {
  const std::size_t n = pool.scores.size();
  if (n == 0) return {};
  const auto relevance = [](float score) { return (static_cast<double>(score) + 1) / 2; };
  std::vector<double> quality(n);
  for (std::size_t i = 0; i < n; ++i)
    quality[i] =
        std::exp((relevance(pool.scores[i]) - relevance(pool.scores[0])) / (2 * options.dpp_scale));
  const auto kernel = [&](std::size_t i, std::size_t j) {
    return quality[i] * quality[j] * (dot(pool.vectors.row(i), pool.vectors.row(j)) + 1) / 2;
  };
  std::vector<double> left(n);                  // squared distance from what is chosen
  std::vector<std::vector<double>> columns(n);  // Cholesky rows of each candidate
  for (std::size_t i = 0; i < n; ++i) left[i] = kernel(i, i);
  return greedy(
      n, k, [&](std::size_t i) { return left[i]; },
      [&](std::size_t chosen) {
        const double scale = std::sqrt(std::max(left[chosen], 1e-12));
        for (std::size_t i = 0; i < n; ++i) {
          const double shared = std::inner_product(columns[i].begin(), columns[i].end(),
                                                   columns[chosen].begin(), 0.0);
          const double entry = (kernel(chosen, i) - shared) / scale;
          if (i == chosen) continue;
          columns[i].push_back(entry);
          left[i] = std::max(0.0, left[i] - entry * entry);
        }
      });
}

// The `count` places nearest to `place`, without it.
Places neighbours(const CandidatePool& pool, std::size_t place, std::size_t count) {
  std::vector<std::pair<double, std::size_t>> all;
  for (std::size_t i = 0; i < pool.scores.size(); ++i)
    if (i != place) all.emplace_back(-dot(pool.vectors.row(i), pool.vectors.row(place)), i);
  const std::size_t kept = std::min(count, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(kept), all.end());
  Places places;
  for (std::size_t i = 0; i < kept; ++i) places.push_back(all[i].second);
  return places;
}

Places votek(const CandidatePool& pool, std::size_t k, const StrategyOptions&) {
  constexpr std::size_t kNeighbours = 3;
  std::vector<std::vector<std::uint32_t>> votes;
  for (std::size_t i = 0; i < pool.scores.size(); ++i) {
    const Places nearest = neighbours(pool, i, kNeighbours);
    votes.emplace_back(nearest.begin(), nearest.end());
  }
  return vote_k(votes, k);
}

// Spherical k-means from centres far apart, the first the pool's best.
std::vector<std::size_t> clusters_of(const CandidatePool& pool, const Places& centres) {
  constexpr int kRounds = 10;
  const std::size_t n = pool.scores.size(), k = centres.size();
  EmbeddingMatrix means(k, pool.vectors.dim());
  for (std::size_t c = 0; c < k; ++c)
    std::copy_n(pool.vectors.row(centres[c]).begin(), pool.vectors.dim(), means.row(c).begin());
  std::vector<std::size_t> cluster(n, 0);
  for (int round = 0; round < kRounds; ++round) {
    for (std::size_t i = 0; i < n; ++i) {
      double most = -2;
      for (std::size_t c = 0; c < k; ++c) {
        const double similarity = dot(pool.vectors.row(i), std::as_const(means).row(c));
        if (similarity > most) most = similarity, cluster[i] = c;
      }
    }
    std::fill_n(means.data(), k * static_cast<std::size_t>(means.dim()), 0.0F);
    for (std::size_t i = 0; i < n; ++i)
      std::transform(pool.vectors.row(i).begin(), pool.vectors.row(i).end(),
                     means.row(cluster[i]).begin(), means.row(cluster[i]).begin(), std::plus<>());
    for (std::size_t c = 0; c < k; ++c) {
      const auto mean = means.row(c);
      const double norm = std::sqrt(dot(mean, mean));
      for (float& each : mean) each = norm > 0 ? static_cast<float>(each / norm) : 0;
    }
  }
  return cluster;
}

Places kmeans(const CandidatePool& pool, std::size_t k, const StrategyOptions& options) {
  const std::size_t n = pool.scores.size();
  if (n <= k) return in_order(pool, k, options);
  const Places centres = mmr(pool, k, {.mmr_balance = 0.1});
  const std::vector<std::size_t> cluster = clusters_of(pool, centres);
  Places places;
  std::vector<bool> seen(k, false), used(n, false);
  for (std::size_t i = 0; i < n; ++i)
    if (!seen[cluster[i]]) places.push_back(i), seen[cluster[i]] = used[i] = true;
  // An empty cluster's place goes to the best that is left.
  for (std::size_t i = 0; i < n && places.size() < k; ++i)
    if (!used[i]) places.push_back(i);
  return places;
}

constexpr std::array<DemoStrategy, 8> kStrategies = {{
    {"dense", "nearest by the encoder", PoolSource::kVectors, &in_order},
    {"bm25", "nearest by shared words", PoolSource::kWords, &in_order},
    {"hybrid", "both, by reciprocal rank", PoolSource::kBoth, &in_order},
    {"mmr", "near the query and unlike each other", PoolSource::kVectors, &mmr},
    {"dpp", "the most probable set of a determinantal process", PoolSource::kVectors, &dpp},
    {"votek", "near the query, and each for many others", PoolSource::kVectors, &votek},
    {"kmeans", "one of each cluster near the query", PoolSource::kVectors, &kmeans},
    {"random", "any, as a floor to compare with", PoolSource::kAnywhere, &in_order},
}};

}  // namespace

std::span<const DemoStrategy> demo_strategies() { return kStrategies; }

const DemoStrategy& find_demo_strategy(std::string_view name) {
  std::vector<std::string> names;
  for (const DemoStrategy& row : kStrategies) {
    if (row.name == name) return row;
    names.emplace_back(row.name);
  }
  throw Error(ErrorKind::kInvalidInput,
              fmt::format("choosing demonstrations: there is no strategy '{}', the nearest is "
                          "'{}'; known are {}",
                          name, nearest_name(name, names), fmt::join(names, ", ")));
}

}  // namespace dexter
