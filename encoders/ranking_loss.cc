// The pairs of a scorer's order, and the first of it against the batch.
#include "encoders/ranking_loss.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "storage/error.h"

namespace dexter {
namespace {

double log_one_plus_exp(double x) {
  return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
}

class RankingLoss final : public LossFunction {
 public:
  explicit RankingLoss(double rank_weight) : rank_weight_(rank_weight) {}

  double backward(std::span<float> scores,
                  std::span<const std::uint32_t> positives) const override {
    return run(scores, positives);
  }
  double backward(std::span<double> scores,
                  std::span<const std::uint32_t> positives) const override {
    return run(scores, positives);
  }

 private:
  template <class Real>
  double run(std::span<Real> scores, std::span<const std::uint32_t> candidates) const {
    if (candidates.empty()) {
      std::fill(scores.begin(), scores.end(), Real{0});
      return 0;
    }
    thread_local std::vector<double> gradients;  // of the candidates
    const double ranked = rank(scores, candidates, gradients);
    const double first = static_cast<double>(scores[candidates[0]]);
    const double contrasted = contrast(scores) - first;
    gradients[0] -= 1 - rank_weight_;
    for (std::size_t i = 0; i < candidates.size(); ++i)
      scores[candidates[i]] += static_cast<Real>(gradients[i]);
    return rank_weight_ * ranked + (1 - rank_weight_) * contrasted;
  }

  // The mean over the pairs; `gradients` becomes that of its part of the loss.
  template <class Real>
  double rank(std::span<Real> scores, std::span<const std::uint32_t> candidates,
              std::vector<double>& gradients) const {
    const std::size_t n = candidates.size();
    gradients.assign(n, 0);
    if (n < 2 || rank_weight_ == 0) return 0;
    const double share = 2 / static_cast<double>(n * (n - 1));
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = i + 1; j < n; ++j) {
        const double weight =
            share * (1 / static_cast<double>(i + 1) - 1 / static_cast<double>(j + 1));
        const double margin =
            static_cast<double>(scores[candidates[j]]) - static_cast<double>(scores[candidates[i]]);
        sum += weight * log_one_plus_exp(margin);
        const double pull = rank_weight_ * weight / (1 + std::exp(-margin));
        gradients[i] -= pull;
        gradients[j] += pull;
      }
    return sum;
  }
  // log sum e^s; the scores become its gradient's part of the loss.
  template <class Real>
  double contrast(std::span<Real> scores) const {
    const Real highest = *std::max_element(scores.begin(), scores.end());
    double sum = 0;
    for (Real& score : scores) sum += static_cast<double>(score = std::exp(score - highest));
    const auto share = static_cast<Real>((1 - rank_weight_) / sum);
    for (Real& score : scores) score *= share;
    return static_cast<double>(highest) + std::log(sum);
  }

  const double rank_weight_;
};

}  // namespace

std::unique_ptr<LossFunction> make_ranking_loss(double rank_weight) {
  ensure(rank_weight >= 0 && rank_weight <= 1, ErrorKind::kInvalidInput,
         fmt::format("making a ranking loss: the weight of ranks is {}, but must lie in 0 to 1",
                     rank_weight));
  return std::make_unique<RankingLoss>(rank_weight);
}

}  // namespace dexter
