// Triplet loss over the hardest negatives.
#include "encoders/triplet.h"

#include <functional>
#include <limits>
#include <vector>

#include "encoders/row_loss.h"

namespace dexter {
namespace {

constexpr double kSharpness = 10;  // 1 / T

struct Triplet {
  double temperature, margin, margin_most;
  std::size_t hardest;
  static LossNeeds needs() { return {}; }

  template <class Real>
  double backward(std::span<Real> scores, std::span<const std::uint32_t> positives) const {
    thread_local std::vector<double> own, others, pushes, shares;
    thread_local std::vector<std::uint32_t> columns;
    own.clear();
    others.clear();
    for (const std::uint32_t p : positives) {
      own.push_back(temperature * static_cast<double>(scores[p]));
      scores[p] = -std::numeric_limits<Real>::infinity();
    }
    choose(std::span<const Real>(scores), positives.size(), columns);
    for (const std::uint32_t n : columns)
      others.push_back(temperature * static_cast<double>(scores[n]));
    std::fill(scores.begin(), scores.end(), Real{0});
    if (columns.empty()) return 0;
    pushes.assign(columns.size(), 0);
    double loss = 0;
    const double share = 1 / static_cast<double>(positives.size());
    for (std::size_t i = 0; i < positives.size(); ++i) {
      const double sum = exponentials(own[i], others, shares);
      loss += share * std::log(sum / static_cast<double>(columns.size())) / kSharpness;
      double pull = 0;
      for (std::size_t j = 0; j < columns.size(); ++j) {
        const double push = share * temperature * shares[j] / sum * steepness(own[i] - others[j]);
        pushes[j] += push;
        pull += push;
      }
      scores[positives[i]] = static_cast<Real>(-pull);
    }
    for (std::size_t j = 0; j < columns.size(); ++j)
      scores[columns[j]] = static_cast<Real>(pushes[j]);
    return loss;
  }

 private:
  // Columns of the highest scores, in their order; positives have none.
  template <class Real>
  void choose(std::span<const Real> scores, std::size_t positives,
              std::vector<std::uint32_t>& columns) const {
    const std::size_t count = std::min(hardest, scores.size() - positives);
    columns.clear();
    if (count == 0) return;
    thread_local std::vector<Real> ordered;
    ordered.assign(scores.begin(), scores.end());
    const auto last = ordered.begin() + static_cast<std::ptrdiff_t>(count - 1);
    std::nth_element(ordered.begin(), last, ordered.end(), std::greater<Real>());
    const Real least = *last;
    auto alike = count - static_cast<std::size_t>(std::count_if(
                             ordered.begin(), last, [least](Real score) { return score > least; }));
    for (std::uint32_t j = 0; j < scores.size(); ++j)
      if (scores[j] > least || (scores[j] == least && alike > 0 && alike--)) columns.push_back(j);
  }

  double lack(double lead) const {
    return std::max(0.0, std::clamp(std::abs(lead), margin, margin_most) - lead);
  }

  // -h'(d)
  double steepness(double lead) const {
    if (lead >= margin) return 0;
    return lead < -margin && lead > -margin_most ? 2 : 1;
  }

  // e^{h / T} of each negative; returns their sum. Cosines differ by few units, so none overflows.
  double exponentials(double own, const std::vector<double>& others,
                      std::vector<double>& out) const {
    out.clear();
    double sum = 0;
    for (const double other : others) {
      out.push_back(std::exp(kSharpness * lack(own - other)));
      sum += out.back();
    }
    return sum;
  }
};

}  // namespace

std::unique_ptr<LossFunction> make_triplet(const LossOptions& options) {
  return make_row_loss(Triplet{options.temperature, options.margin, options.margin_most,
                               static_cast<std::size_t>(options.hardest)});
}

}  // namespace dexter
