// Sums over evaluated documents, and the intervals of their means.
#include "engine/metric_accumulator.h"

#include <algorithm>
#include <cmath>

#include <spdlog/fmt/fmt.h>

#include "encoders/band_mixture.h"
#include "storage/error.h"

namespace dexter {
namespace {

constexpr double kNormalQuantile = 1.959964;  // of 97.5 %
constexpr int kHistogramBins = 40;            // over [-1, 1]
constexpr std::size_t kHistogramAnswers = 5;
constexpr int kRecallAt = 10;

// The bands that training may mix.
constexpr const auto& kBandMost = BandMixture::kMost;
constexpr const char* kBandNames[] = {"none", "1-5", "6-50", ">50"};
static_assert(kBandMost == std::array<std::uint32_t, 2>{5, 50});

std::size_t band_of(std::uint32_t frequency) {
  if (frequency == 0) return 0;
  return 1 + static_cast<std::size_t>(std::ranges::lower_bound(kBandMost, frequency) -
                                      kBandMost.begin());
}

std::size_t bin_of(float score) {
  const int bin = static_cast<int>(std::floor((score + 1.0) * kHistogramBins / 2));
  return static_cast<std::size_t>(std::clamp(bin, 0, kHistogramBins - 1));
}

double percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

std::vector<MetricAtK> in_percent(const std::vector<int>& at,
                                  const std::vector<MeanEstimate>& means) {
  std::vector<MetricAtK> result;
  for (std::size_t i = 0; i < at.size(); ++i)
    result.push_back({at[i], 100 * means[i].mean(), 100 * means[i].half_width()});
  return result;
}

}  // namespace

void MeanEstimate::add(double x) {
  n_ += 1;
  sum_ += x;
  sum_of_squares_ += x * x;
}

double MeanEstimate::mean() const { return n_ == 0 ? 0 : sum_ / n_; }

double MeanEstimate::half_width() const {
  if (n_ < 2) return 0;
  const double variance = std::max(0.0, (sum_of_squares_ - sum_ * sum_ / n_) / (n_ - 1));
  return kNormalQuantile * std::sqrt(variance / n_);
}

void RatioEstimate::add(double x, double y) {
  n_ += 1;
  x_ += x;
  y_ += y;
  xx_ += x * x;
  xy_ += x * y;
  yy_ += y * y;
}

double RatioEstimate::ratio() const { return y_ == 0 ? 0 : x_ / y_; }

double RatioEstimate::half_width() const {
  if (n_ < 2 || y_ == 0) return 0;
  const double r = ratio();
  const double variance = std::max(0.0, (xx_ - 2 * r * xy_ + r * r * yy_) / (n_ - 1));
  return kNormalQuantile * std::sqrt(variance / n_) / (y_ / n_);
}

MetricAccumulator::MetricAccumulator(std::vector<int> at,
                                     std::vector<std::uint32_t> label_frequencies,
                                     std::uint64_t train_documents, PropensityConstants constants)
    : at_(std::move(at)),
      recall_at_(at_),
      frequencies_(std::move(label_frequencies)),
      inverse_propensities_(inverse_propensities(frequencies_, train_documents, constants)),
      in_truth_(frequencies_.size()),
      found_(frequencies_.size()),
      precision_(at_.size()),
      ndcg_(at_.size()),
      psp_(at_.size()),
      hits_(kHistogramBins),
      misses_(kHistogramBins) {
  const auto place = std::lower_bound(recall_at_.begin(), recall_at_.end(), kRecallAt);
  if (place == recall_at_.end() || *place != kRecallAt) recall_at_.insert(place, kRecallAt);
  recall_.resize(recall_at_.size());
}

void MetricAccumulator::add(const LabelRanking& answers, std::span<const LabelId> truth) {
  ensure(truth.empty() || value(truth.back()) < frequencies_.size(), ErrorKind::kInvalidInput,
         truth.empty() ? std::string()
                       : fmt::format("evaluating: a document has the label {}, but the store has "
                                     "{} labels; evaluate with the labels of this store",
                                     value(truth.back()), frequencies_.size()));
  std::vector<LabelId> ranked(answers.size());
  std::transform(answers.begin(), answers.end(), ranked.begin(),
                 [](const ScoredLabel& answer) { return answer.id; });
  ++documents_;
  if (truth.empty()) ++documents_without_labels_;
  for (std::size_t i = 0; i < at_.size(); ++i) {
    precision_[i].add(precision_at_k(ranked, truth, at_[i]));
    ndcg_[i].add(ndcg_at_k(ranked, truth, at_[i]));
    const PropensityGain gain = propensity_gain_at_k(ranked, truth, at_[i], inverse_propensities_);
    psp_[i].add(gain.gained, gain.attainable);
  }
  for (std::size_t i = 0; i < recall_at_.size(); ++i)
    recall_[i].add(recall_at_k(ranked, truth, recall_at_[i]));
  add_to_bands(ranked, truth);
  add_to_histograms(answers, truth);
}

void MetricAccumulator::add_to_bands(std::span<const LabelId> ranked,
                                     std::span<const LabelId> truth) {
  for (const LabelId label : truth) {
    const std::uint32_t id = value(label);
    Band& band = bands_[band_of(frequencies_[id])];
    if (!in_truth_[id]) ++band.labels;
    in_truth_[id] = 1;
    ++band.positives;
    const auto rank = std::find(ranked.begin(), ranked.end(), label) - ranked.begin();
    if (rank == static_cast<std::ptrdiff_t>(ranked.size())) continue;
    if (rank < 5) {
      ++band.found_at_5;
      found_[id] = 1;
    }
    if (rank < 10) ++band.found_at_10;
  }
}

void MetricAccumulator::add_to_histograms(const LabelRanking& answers,
                                          std::span<const LabelId> truth) {
  const std::size_t counted = std::min(answers.size(), kHistogramAnswers);
  for (std::size_t j = 0; j < counted; ++j) {
    const bool hit = std::binary_search(truth.begin(), truth.end(), answers[j].id);
    ++(hit ? hits_ : misses_)[bin_of(answers[j].score)];
  }
}

Report MetricAccumulator::report() const {
  Report report;
  report.documents = documents_;
  report.documents_without_labels = documents_without_labels_;
  report.precision = in_percent(at_, precision_);
  report.ndcg = in_percent(at_, ndcg_);
  report.recall = in_percent(recall_at_, recall_);
  for (std::size_t i = 0; i < at_.size(); ++i)
    report.psp.push_back({at_[i], 100 * psp_[i].ratio(), 100 * psp_[i].half_width()});
  const auto true_labels = std::count(in_truth_.begin(), in_truth_.end(), 1);
  const auto found_labels = std::count(found_.begin(), found_.end(), 1);
  report.coverage_at_5 =
      percent(static_cast<std::uint64_t>(found_labels), static_cast<std::uint64_t>(true_labels));
  for (std::size_t i = 0; i < bands_.size(); ++i) {
    const Band& band = bands_[i];
    report.bands.push_back({kBandNames[i], band.labels, band.positives,
                            percent(band.found_at_5, band.positives),
                            percent(band.found_at_10, band.positives)});
  }
  report.score_histogram_hits = hits_;
  report.score_histogram_misses = misses_;
  return report;
}

}  // namespace dexter
