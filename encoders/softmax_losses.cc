// Softmax and decoupled softmax of dual-encoder training (Gupta et al., ICLR 2024).
#include "encoders/softmax_losses.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "encoders/row_loss.h"

namespace dexter {
namespace {

// L = -sum_{p in P} ( s_p - log sum_m e^{s_m} );  dL/ds_m = |P| softmax_m - [m in P].
struct Softmax {
  static LossNeeds needs() { return {.sampling_offsets = true, .by_chunks = true}; }

  template <class Real>
  static double backward(std::span<Real> scores, std::span<const std::uint32_t> positives) {
    const Real highest = highest_of(std::span<const Real>(scores));
    double loss = 0;
    for (const std::uint32_t p : positives) loss -= static_cast<double>(scores[p] - highest);
    const double sum = exp_sum(scores, highest);
    const auto count = static_cast<double>(positives.size());
    loss += count * std::log(sum);
    scale(scores, static_cast<Real>(count / sum));
    for (const std::uint32_t p : positives) scores[p] -= Real{1};
    return loss;
  }
};

// L = -(1/|P|) sum_{p in P} ( s_p - log( e^{s_p} + Z ) ), Z = sum over the negatives n of e^{s_n}:
// the other positives are absent from the denominator, so they do not compete. With the miss m_p =
// Z / (e^{s_p} + Z):  dL/ds_p = -m_p / |P|;  dL/ds_n = (e^{s_n} / Z) (1/|P|) sum_p m_p.
// With `most`, P in these is that of the positives with the `most` highest scores; the others have
// no gradient.
struct DecoupledSoftmax {
  std::size_t most = 0;  // 0: all
  bool in_batch = false;
  LossNeeds needs() const {
    return {.sampling_offsets = !in_batch, .batch_alone = in_batch, .by_chunks = !in_batch};
  }

  // The lowest score that is taken.
  template <class Real>
  Real least_of(std::span<const Real> own) const {
    constexpr Real kInfinity = std::numeric_limits<Real>::infinity();
    Real least = most == 0 ? -kInfinity : kInfinity;
    for (std::size_t i = 0; i < most && least > -kInfinity; ++i) {
      Real next = -kInfinity;
      for (const Real score : own)
        if (score < least) next = std::max(next, score);
      least = next;
    }
    return least;
  }

  template <class Real>
  double backward(std::span<Real> scores, std::span<const std::uint32_t> positives) const {
    thread_local std::vector<Real> own;
    own.clear();
    for (const std::uint32_t p : positives) {
      own.push_back(scores[p]);
      scores[p] = -std::numeric_limits<Real>::infinity();
    }
    // The shift is that of the negatives: under a much higher positive all of them would vanish,
    // and with them what the other positives are measured against.
    const Real highest = highest_of(std::span<const Real>(scores));
    if (highest == -std::numeric_limits<Real>::infinity()) {  // every column is positive
      std::fill(scores.begin(), scores.end(), Real{0});
      return 0;
    }
    const double negatives = exp_sum(scores, highest);
    const double level = static_cast<double>(highest) + std::log(negatives);  // log Z
    const Real least = least_of(std::span<const Real>(own));
    const auto left =
        std::count_if(own.begin(), own.end(), [least](Real score) { return score < least; });
    const double share = 1 / (static_cast<double>(own.size()) - static_cast<double>(left));
    double loss = 0, misses = 0;
    for (Real& score : own) {
      if (score < least) {
        score = 0;
        continue;
      }
      const double lead = static_cast<double>(score) - level;
      const double miss = 1 / (1 + std::exp(lead));
      loss += share * (std::log1p(std::exp(-std::abs(lead))) + std::max(-lead, 0.0));
      misses += share * miss;
      score = static_cast<Real>(-share * miss);
    }
    scale(scores, static_cast<Real>(misses / negatives));
    for (std::size_t i = 0; i < positives.size(); ++i) scores[positives[i]] = own[i];
    return loss;
  }
};

}  // namespace

std::unique_ptr<LossFunction> make_softmax(const LossOptions&) { return make_row_loss(Softmax()); }

std::unique_ptr<LossFunction> make_decoupled_softmax(const LossOptions& options) {
  return make_row_loss(DecoupledSoftmax{.most = static_cast<std::size_t>(options.positives)});
}

std::unique_ptr<LossFunction> make_in_batch(const LossOptions& options) {
  return make_row_loss(
      DecoupledSoftmax{.most = static_cast<std::size_t>(options.positives), .in_batch = true});
}

}  // namespace dexter
