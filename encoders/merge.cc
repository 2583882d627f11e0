// Several encoders' parameters to one's: the arithmetic of tensors, and the search for the shares.
#include "encoders/merge.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "encoders/merge_kinds.h"
#include "encoders/options_text.h"

namespace dexter {
namespace {

double product_of(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
#pragma omp parallel for simd reduction(+ : sum) schedule(static)
  for (std::size_t i = 0; i < a.size(); ++i)
    sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

// Share i set to `share`, the others keeping their proportions. Sums to 1.
std::vector<double> with_share(std::vector<double> weights, std::size_t i, double share) {
  const double others = 1 - weights[i];
  for (std::size_t j = 0; j < weights.size(); ++j)
    weights[j] = j == i       ? share
                 : others > 0 ? weights[j] / others * (1 - share)
                              : (1 - share) / static_cast<double>(weights.size() - 1);
  return weights;
}

// The search for shares.
class Search {
 public:
  Search(EncoderMerge& merge, const Progress& progress) : merge_(merge), progress_(progress) {}

  std::vector<double> run() {
    best_.assign(merge_.count(), 1 / static_cast<double>(merge_.count()));
    highest_ = -1;
    take(best_);
    constexpr int kRounds = 4;  // of each step width, at most
    for (const double step : {0.1, 0.02})
      for (int round = 0; round < kRounds && improve(step); ++round) {
      }
    return best_;
  }

 private:
  // Whether a share found a better value: any of 11 at the first step width, near ones afterwards.
  bool improve(double step) {
    const double before = highest_;
    // Of two, the second share follows from the first.
    const std::size_t shares = merge_.count() == 2 ? 1 : merge_.count();
    for (std::size_t i = 0; i < shares; ++i) {
      const std::vector<double> from = best_;
      const bool coarse = step >= 0.1;
      for (int k = coarse ? 0 : -4; k <= (coarse ? 10 : 4); ++k) {
        const double share = coarse ? k * step : from[i] + k * step;
        if (share >= 0 && share <= 1) take(with_share(from, i, share));
      }
    }
    return highest_ > before;
  }

  void take(const std::vector<double>& weights) {
    if (!tried_.insert(weights).second) return;
    progress_.check("merging");
    const double ndcg = merge_.score(weights).ndcg_at_5;
    progress_.update({.stage = "learning the weights",
                      .done = tried_.size(),
                      .total = 0,
                      .unit = "mixtures",
                      .note = fmt::format("nDCG@5 {:.2f}", std::max(ndcg, highest_))});
    if (ndcg <= highest_) return;
    highest_ = ndcg;
    best_ = weights;
  }

  EncoderMerge& merge_;
  const Progress& progress_;
  std::vector<double> best_;
  double highest_ = -1;
  std::set<std::vector<double>> tried_;
};

}  // namespace

void ensure_alike(bool same, std::string_view what, std::string_view then) {
  ensure(same, ErrorKind::kIncompatible,
         fmt::format("merging encoders: their {} differ; {}", what, then));
}

std::vector<double> inner_products(const MergedTensors& tensors) {
  const std::size_t n = tensors.size();
  std::vector<double> products(n * n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j <= i; ++j)
      products[i * n + j] = products[j * n + i] = product_of(tensors[i], tensors[j]);
  return products;
}

std::vector<double> merge_factors(std::span<const double> weights, std::span<const double> products,
                                  const std::string& method) {
  const std::size_t n = weights.size();
  std::vector<double> factors(n);
  factors[0] = 1;
  double shares = weights[0];
  for (std::size_t i = 1; i < n; ++i) {
    shares += weights[i];
    if (weights[i] == 0) continue;
    const double t = weights[i] / shares;
    double first = 1 - t, second = t;
    double dot = 0, squares = 0;  // of the result so far with tensor i, and with itself
    for (std::size_t a = 0; a < i; ++a) {
      dot += factors[a] * products[a * n + i];
      for (std::size_t b = 0; b < i; ++b) squares += factors[a] * factors[b] * products[a * n + b];
    }
    const double norms = std::sqrt(squares * products[i * n + i]);
    const double angle =
        method == "slerp" && norms > 0 ? std::acos(std::clamp(dot / norms, -1.0, 1.0)) : 0;
    if (std::sin(angle) > 1e-4) {  // else a line is as good, and nothing is divided by 0
      first = std::sin(first * angle) / std::sin(angle);
      second = std::sin(second * angle) / std::sin(angle);
    }
    for (std::size_t a = 0; a < i; ++a) factors[a] *= first;
    factors[i] = second;
  }
  return factors;
}

std::vector<float> combined(const MergedTensors& tensors, std::span<const double> factors) {
  std::vector<float> sum;
  for (std::size_t t = 0; t < tensors.size(); ++t) {
    if (factors[t] == 0) continue;
    if (sum.empty() && factors[t] == 1) {
      sum.assign(tensors[t].begin(), tensors[t].end());
      continue;
    }
    sum.resize(tensors[t].size());
    const auto factor = static_cast<float>(factors[t]);
#pragma omp parallel for simd schedule(static)
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += factor * tensors[t][i];
  }
  return sum;
}

EncoderInfo EncoderMerge::save(std::span<const double> weights, const std::filesystem::path& root,
                               const std::string& name) {
  ensure(weights.size() == count(), ErrorKind::kInvalidInput,
         fmt::format("merging {} encoders: {} weights were given; give one for each", count(),
                     weights.size()));
  for (const double weight : weights)
    ensure(weight >= 0 && std::isfinite(weight), ErrorKind::kInvalidInput,
           fmt::format("merging: a weight is {}, but must be 0 or more", weight));
  ensure(std::ranges::any_of(weights, [](double w) { return w > 0; }), ErrorKind::kInvalidInput,
         "merging: all weights are 0; give at least one encoder a share");
  return write(weights, root, name);
}

std::unique_ptr<EncoderMerge> make_merge(std::span<const SectionFileReader> encoders,
                                         const std::string& method) {
  ensure(method == "lerp" || method == "slerp", ErrorKind::kInvalidInput,
         fmt::format("merging: the method is \"{}\", but must be lerp or slerp", method));
  ensure(encoders.size() >= 2, ErrorKind::kInvalidInput,
         fmt::format("merging: {} encoders were given; name two or more", encoders.size()));
  const auto kind_of = [](const SectionFileReader& file) {
    return OptionsReader(file.text("options")).value("kind");
  };
  const std::string kind = kind_of(encoders[0]);
  for (const SectionFileReader& other : encoders)
    ensure_alike(kind_of(other) == kind, fmt::format("kinds ({} and {})", kind, kind_of(other)),
                 "merge those of one kind");
  return kind == "bag" ? make_bag_merge(encoders, method)
                       : make_transformer_merge(encoders, method);
}

std::vector<double> learn_merge_weights(EncoderMerge& merge, const Progress& progress) {
  return Search(merge, progress).run();
}

}  // namespace dexter
