// Binary cross-entropy, the variational positive-unlabelled loss, and COMIC's terms.
#include "encoders/sigmoid_losses.h"

#include <vector>

#include "encoders/row_loss.h"

namespace dexter {
namespace {

double shift_of(const LossOptions& options) { return options.threshold / options.temperature; }

// x_j in place of s_j; returns e^{-|x_j|}, which neither overflows nor loses what is small.
template <class Real>
std::vector<Real>& shifted(std::span<Real> scores, double shift) {
  thread_local std::vector<Real> powers;
  powers.resize(scores.size());
  for (std::size_t j = 0; j < scores.size(); ++j) {
    scores[j] -= static_cast<Real>(shift);
    powers[j] = -std::abs(scores[j]);
  }
  exp_sum(std::span<Real>(powers), Real{0});
  return powers;
}

// sigmoid(x), given e^{-|x|}
template <class Real>
Real sigmoid(Real x, Real power) {
  return (x > 0 ? Real{1} : power) / (1 + power);
}

struct BinaryCrossEntropy {
  double shift;
  static LossNeeds needs() { return {.by_chunks = true}; }

  template <class Real>
  double backward(std::span<Real> scores, std::span<const std::uint32_t> positives) const {
    const std::vector<Real>& powers = shifted(scores, shift);
    double loss = 0;
    for (const std::uint32_t p : positives) loss -= static_cast<double>(scores[p]);
    constexpr std::size_t kGroup = 512;  // factors in 1 to 2, whose product a double holds
    for (std::size_t first = 0; first < scores.size(); first += kGroup) {
      const std::size_t last = std::min(first + kGroup, scores.size());
      double product = 1, above = 0;
#pragma omp simd reduction(* : product) reduction(+ : above)
      for (std::size_t j = first; j < last; ++j) {
        product *= 1 + static_cast<double>(powers[j]);
        above += static_cast<double>(scores[j] > 0 ? scores[j] : 0);
        scores[j] = sigmoid(scores[j], powers[j]);
      }
      loss += std::log(product) + above;
    }
    for (const std::uint32_t p : positives) scores[p] -= 1;
    return loss;
  }
};

struct PositiveUnlabelled {
  double shift;
  static LossNeeds needs() { return {.by_chunks = true}; }

  template <class Real>
  double backward(std::span<Real> scores, std::span<const std::uint32_t> positives) const {
    const double share = 1 / static_cast<double>(positives.size());
    thread_local std::vector<double> pulls;
    pulls.clear();
    double loss = 0;
    for (const std::uint32_t p : positives) {
      const double x = static_cast<double>(scores[p]) - shift;
      loss += share * softplus(-x);
      pulls.push_back(share / (1 + std::exp(x)));
    }
    // Below -40 a sigmoid is an exponential: where all are, they are raised alike to be summed.
    const double highest = static_cast<double>(highest_of(std::span<const Real>(scores))) - shift;
    const double raised = std::min(0.0, highest + 40);
    const std::vector<Real>& powers = shifted(scores, shift + raised);
    double sum = 0;
    for (std::size_t j = 0; j < scores.size(); ++j) {
      const Real p = sigmoid(scores[j], powers[j]);
      sum += static_cast<double>(p);
      scores[j] = p * sigmoid(-scores[j], powers[j]);
    }
    scale(scores, static_cast<Real>(1 / sum));
    for (std::size_t i = 0; i < positives.size(); ++i)
      scores[positives[i]] -= static_cast<Real>(pulls[i]);
    return loss + raised + std::log(sum * share);
  }
};

struct Comic {
  double shift, focus, correction;
  static LossNeeds needs() { return {.by_chunks = true}; }

  template <class Real>
  double backward(std::span<Real> scores, std::span<const std::uint32_t> positives) const {
    thread_local std::vector<double> own;
    own.clear();
    for (const std::uint32_t p : positives) own.push_back(static_cast<double>(scores[p]) - shift);
    std::vector<Real>& powers = shifted(scores, shift);
    for (const std::uint32_t p : positives) {  // nothing in the sum over the others
      scores[p] = -1;
      powers[p] = 0;
    }
    double loss = 0;
    for (std::size_t j = 0; j < scores.size(); ++j) {
      const auto x = static_cast<double>(scores[j]), power = static_cast<double>(powers[j]);
      const double p = sigmoid(x, power), miss = std::max(x, 0.0) + std::log1p(power);
      if (p > correction) {
        loss += miss - x;  // -log p
        scores[j] = static_cast<Real>(p - 1);
        continue;
      }
      const double weight = std::exp(focus * (x - miss));  // p^focus
      loss += weight * miss;
      scores[j] = static_cast<Real>(weight * (focus * (1 - p) * miss + p));
    }
    for (std::size_t i = 0; i < positives.size(); ++i) {
      loss += softplus(-own[i]);
      scores[positives[i]] = static_cast<Real>(-1 / (1 + std::exp(own[i])));
    }
    return loss;
  }
};

}  // namespace

std::unique_ptr<LossFunction> make_binary_cross_entropy(const LossOptions& options) {
  return make_row_loss(BinaryCrossEntropy{shift_of(options)});
}

std::unique_ptr<LossFunction> make_pu(const LossOptions& options) {
  return make_row_loss(PositiveUnlabelled{shift_of(options)});
}

std::unique_ptr<LossFunction> make_comic(const LossOptions& options) {
  return make_row_loss(Comic{shift_of(options), options.focus, options.correction});
}

}  // namespace dexter
