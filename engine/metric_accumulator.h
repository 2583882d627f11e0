#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/evaluator.h"

namespace dexter {

// A mean over rows and its 95 % interval (normal approximation).
class MeanEstimate {
 public:
  void add(double x);
  double mean() const;
  double half_width() const;  // 1.96 s / sqrt(n); 0 below two rows

 private:
  double n_ = 0, sum_ = 0, sum_of_squares_ = 0;
};

// sum(x) / sum(y) over rows and its 95 % interval by the delta method: the residuals x - R y play
// the part of the deviations, over the mean of y.
class RatioEstimate {
 public:
  void add(double x, double y);
  double ratio() const;  // 0 where the denominator is
  double half_width() const;

 private:
  double n_ = 0, x_ = 0, y_ = 0, xx_ = 0, xy_ = 0, yy_ = 0;
};

// Adds up the figures of a Report, one ranked document at a time. One caller.
class MetricAccumulator {
 public:
  // `at` ascending and distinct. `label_frequencies` is indexed by label id and covers every label
  // that will come; `train_documents` is N of the propensity model.
  MetricAccumulator(std::vector<int> at, std::vector<std::uint32_t> label_frequencies,
                    std::uint64_t train_documents, PropensityConstants constants);

  // `answers` best first, exclusions already dropped; `truth` ascending and distinct. kInvalidInput
  // for a true label without a frequency.
  void add(const LabelRanking& answers, std::span<const LabelId> truth);

  // Everything but `labels`, `samples`, `seconds` and `queries_per_second`.
  Report report() const;

 private:
  struct Band {
    std::uint64_t labels = 0, positives = 0, found_at_5 = 0, found_at_10 = 0;
  };
  void add_to_bands(std::span<const LabelId> ranked, std::span<const LabelId> truth);
  void add_to_histograms(const LabelRanking& answers, std::span<const LabelId> truth);

  std::vector<int> at_, recall_at_;
  std::vector<std::uint32_t> frequencies_;      // [labels]
  std::vector<double> inverse_propensities_;    // [labels]
  std::vector<char> in_truth_, found_;          // [labels]: seen as positive; among the first 5
  std::vector<MeanEstimate> precision_, ndcg_;  // [at]
  std::vector<RatioEstimate> psp_;              // [at]
  std::vector<MeanEstimate> recall_;            // [recall_at]
  std::array<Band, 4> bands_;
  std::vector<std::uint64_t> hits_, misses_;  // [bins]
  std::uint64_t documents_ = 0, documents_without_labels_ = 0;
};

}  // namespace dexter
