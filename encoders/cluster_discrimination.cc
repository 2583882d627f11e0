// The loss of multi-label cluster discrimination.
#include "encoders/cluster_discrimination.h"

#include <limits>
#include <vector>

#include "encoders/row_loss.h"

namespace dexter {
namespace {

struct ClusterDiscrimination {
  double shift;
  static LossNeeds needs() { return {.sampling_offsets = true, .by_chunks = true}; }

  template <class Real>
  double backward(std::span<Real> scores, std::span<const std::uint32_t> positives) const {
    thread_local std::vector<double> own;
    own.clear();
    double lowest = 0;
    for (const std::uint32_t p : positives) {
      own.push_back(static_cast<double>(scores[p]) - shift);
      lowest = std::min(lowest, own.back());
      scores[p] = -std::numeric_limits<Real>::infinity();
    }
    const auto highest = std::max(highest_of(std::span<const Real>(scores)),
                                  static_cast<Real>(shift));  // that of the 1 beside the sum
    const double lead = static_cast<double>(highest) - shift;
    const double negatives = exp_sum(scores, highest) + std::exp(-lead);
    scale(scores, static_cast<Real>(1 / negatives));
    double behind = std::exp(lowest);
    for (const double x : own) behind += std::exp(lowest - x);
    for (std::size_t i = 0; i < positives.size(); ++i)
      scores[positives[i]] = static_cast<Real>(-std::exp(lowest - own[i]) / behind);
    return lead + std::log(negatives) - lowest + std::log(behind);
  }
};

}  // namespace

std::unique_ptr<LossFunction> make_mlcd(const LossOptions& options) {
  return make_row_loss(ClusterDiscrimination{options.threshold / options.temperature});
}

}  // namespace dexter
