// SoftTop-k: the threshold by Newton steps inside a bracket, the gradient in closed form.
#include "encoders/soft_top_k.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

namespace dexter {
namespace {

// Far beyond what one score can matter to another, and within range of exp.
constexpr double kHighestExponent = 300;

// The k best columns are kept apart from the others: sum p_j = k says that what the k best lack is
// what the others have, and both of these stay exact where every p_j is nearly 0 or 1.
class TopSums {
 public:
  // `odds` are e^{a (s_j - c)}, the k highest of them first.
  TopSums(const std::vector<double>& odds, std::size_t k) : odds_(odds), k_(k) {}

  // The t (a times it, from c) at which both sums are equal.
  double threshold() const {
    double low = -1, high = 1;
    while (balance(low).value > 0) low *= 2;
    while (balance(high).value < 0) high *= 2;
    double at = (low + high) / 2;
    for (int i = 0; i < 100; ++i) {  // each halves the bracket at least
      const Balance here = balance(at);
      (here.value > 0 ? high : low) = at;
      double next = at - here.value / here.slope;
      if (!(next > low && next < high)) next = (low + high) / 2;
      const bool settled = std::abs(next - at) <= 1e-13 * std::max(1.0, std::abs(at));
      at = next;
      if (settled) break;
    }
    return at;
  }

 private:
  struct Balance {
    double value, slope;
  };

  // log(what the others have) - log(what the k best lack): rises with t, almost linearly.
  Balance balance(double t) const {
    const double factor = std::exp(t);
    double lack = 0, lack_slope = 0, have = 0, have_slope = 0;
    for (std::size_t j = 0; j < k_; ++j) {
      const double miss = 1 / (1 + odds_[j] * factor);
      lack += miss;
      lack_slope += miss * (1 - miss);
    }
#pragma omp simd reduction(+ : have, have_slope)
    for (std::size_t j = k_; j < odds_.size(); ++j) {
      const double miss = 1 / (1 + odds_[j] * factor), p = odds_[j] * factor * miss;
      have += p;
      have_slope += p * miss;
    }
    return {std::log(have) - std::log(lack), have_slope / have + lack_slope / lack};
  }

  const std::vector<double>& odds_;
  const std::size_t k_;
};

class SoftTopK final : public LossFunction {
 public:
  explicit SoftTopK(const LossOptions& options)
      : k_(static_cast<std::size_t>(options.top_k)), slope_(options.top_k_slope) {}

  LossNeeds needs() const override { return {.by_chunks = true}; }

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
  double odds_of(Real score, double centre) const {
    return std::exp(std::clamp(slope_ * (static_cast<double>(score) - centre), -kHighestExponent,
                               kHighestExponent));
  }

  // Half-way between the k-th best score and the next, as an exponent's zero.
  template <class Real>
  static double order(std::vector<Real>& scores, std::size_t k) {
    const auto next = scores.begin() + static_cast<std::ptrdiff_t>(k);
    std::nth_element(scores.begin(), next, scores.end(), std::greater<Real>());
    return (static_cast<double>(*next) +
            static_cast<double>(*std::min_element(scores.begin(), next))) /
           2;
  }

  template <class Real>
  double run(std::span<Real> scores, std::span<const std::uint32_t> positives) const {
    const std::size_t k = k_ == 0 ? positives.size() : k_;
    if (positives.empty() || k >= scores.size()) {
      std::fill(scores.begin(), scores.end(), Real{0});
      return 0;
    }
    thread_local std::vector<Real> ordered;
    thread_local std::vector<double> odds;
    ordered.assign(scores.begin(), scores.end());
    const double centre = order(ordered, k);
    odds.clear();
    for (const Real score : ordered) odds.push_back(odds_of(score, centre));
    const double factor = std::exp(TopSums(odds, k).threshold());
    const double share = 1 / static_cast<double>(positives.size());
    double loss = 0, pull = 0, total = 0;
    thread_local std::vector<double> pulls;
    pulls.clear();
    for (const std::uint32_t p : positives) {
      const double own = odds_of(scores[p], centre) * factor;
      loss += share * (own > 1 ? std::log1p(1 / own) : std::log1p(own) - std::log(own));
      pulls.push_back(share * slope_ / (1 + own));
      pull += pulls.back();
    }
    for (std::size_t j = 0; j < scores.size(); ++j) {
      odds[j] = odds_of(scores[j], centre) * factor;
      odds[j] = odds[j] / (1 + odds[j]) / (1 + odds[j]);
      total += odds[j];
    }
    for (std::size_t j = 0; j < scores.size(); ++j)
      scores[j] = static_cast<Real>(odds[j] * (pull / total));
    for (std::size_t i = 0; i < positives.size(); ++i)
      scores[positives[i]] = static_cast<Real>(odds[positives[i]] * (pull / total) - pulls[i]);
    return loss;
  }

  const std::size_t k_;
  const double slope_;
};

}  // namespace

std::unique_ptr<LossFunction> make_soft_top_k(const LossOptions& options) {
  return std::make_unique<SoftTopK>(options);
}

}  // namespace dexter
