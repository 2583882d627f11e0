// SoftTop-k over labels that come in chunks.
#include "encoders/streamed_top_k.h"

#include <algorithm>
#include <cmath>

namespace dexter {
namespace {

constexpr double kWidest = 0.08;  // of a bin, in exponents of the sigmoid
constexpr std::int64_t kMostBins = 1 << 16;
constexpr double kFarthest = 300;  // an exponent beyond matters no more, and exp holds it

// Scores of each document as exponents, a s, in bins.
class ScoreBins {
 public:
  ScoreBins(double lowest, double highest, const at::Tensor& documents)
      : lowest_(lowest),
        bins_(std::clamp<std::int64_t>(
            static_cast<std::int64_t>(std::ceil((highest - lowest) / kWidest)), 16, kMostBins)),
        width_((highest - lowest) / static_cast<double>(bins_)) {
    for (at::Tensor& moment : moments_)
      moment = at::zeros({documents.size(0), bins_}, documents.options());
  }

  // [n x m]
  void add(const at::Tensor& exponents) {
    const at::Tensor places = (exponents - lowest_) / width_;
    const at::Tensor bins = places.floor().clamp_(0, bins_ - 1);
    const at::Tensor offsets = places.sub_(bins).sub_(0.5);
    const at::Tensor index = bins.to(at::kLong);
    at::Tensor power = at::ones_like(offsets);
    for (at::Tensor& moment : moments_) {
      moment.scatter_add_(1, index, power);
      power.mul_(offsets);
    }
  }

  void reduce(const StreamedLoss::Reduce& over_processes) {
    for (at::Tensor& moment : moments_) {
      over_processes(moment, StreamedLoss::Reduction::kSum);
      moment = moment.to(at::kDouble);
    }
    const at::Tensor middles =
        at::arange(bins_, moments_[0].options()).add_(0.5).mul_(width_).add_(lowest_);
    middles_ = middles.unsqueeze(0);
  }

  // The t of each document at which sum p_j = k, p_j = sigmoid(a s_j + t); `k` [n] is more than 0
  // and less than the number of labels.
  at::Tensor threshold(const at::Tensor& k) {
    const at::Tensor above = moments_[0].flip(1).cumsum(1).flip(1) - moments_[0];
    const at::Tensor best = at::minimum((k.unsqueeze(1) - above).clamp_min(0), moments_[0]);
    best_share_ = best / moments_[0].clamp_min(1);
    rest_share_ = (moments_[0] - best) / moments_[0].clamp_min(1);
    const double reach = 30 + std::log(std::max(1.0, moments_[0].sum(1).max().item<double>()));
    at::Tensor low = at::full_like(k, -middles_.max().item<double>() - width_ - reach);
    at::Tensor high = at::full_like(k, -middles_.min().item<double>() + width_ + reach);
    const at::Tensor last = (best > 0).to(at::kLong).argmax(1);  // the k-th best's bin
    at::Tensor at = middles_.squeeze(0).index_select(0, last).neg();
    for (int i = 0; i < 100; ++i) {
      const auto [value, slope] = balance(at);
      const at::Tensor too_high = value > 0;
      high = at::where(too_high, at, high);
      low = at::where(too_high, low, at);
      at::Tensor next = at - value / slope;
      next = at::where(at::logical_and(next > low, next < high), next, (low + high) / 2);
      const auto moved = ((next - at).abs() / at.abs().clamp_min(1)).max().item<double>();
      at = next;
      if (moved <= 1e-12) break;
    }
    return at;
  }

  // sum p_j (1 - p_j) of each document.
  at::Tensor spread(const at::Tensor& threshold) const { return taylor(threshold).spread.sum(1); }

 private:
  struct Sums {
    at::Tensor have, lack, spread;  // of p, 1 - p and p (1 - p) over each bin, [n x bins]
  };

  // With z the middle's exponent, p = sigmoid(z), q = 1 - p and r = p q, the derivatives of p by z
  // are r, r (q - p), r (1 - 6 r), r (q - p) (1 - 12 r). All are small where p or q is, so each sum
  // is exact relative to itself.
  Sums taylor(const at::Tensor& threshold) const {
    const at::Tensor z = (middles_ + threshold.unsqueeze(1)).clamp_(-kFarthest, kFarthest);
    const at::Tensor p = z.sigmoid(), q = z.neg().sigmoid(), r = p * q;
    const at::Tensor second = r * (q - p), third = r * (1 - 6 * r);
    const at::Tensor fourth = second * (1 - 12 * r);
    const double w = width_;
    const at::Tensor first = w * moments_[1], square = (w * w / 2) * moments_[2],
                     cube = (w * w * w / 6) * moments_[3];
    const at::Tensor rest = first * r + square * second + cube * third;
    return {moments_[0] * p + rest, moments_[0] * q - rest,
            moments_[0] * r + first * second + square * third + cube * fourth};
  }

  // log(what the others have) - log(what the k best lack), and its slope: both sums stay exact
  // where every p_j is nearly 0 or 1. Of a bin that holds both, each has its share.
  std::pair<at::Tensor, at::Tensor> balance(const at::Tensor& threshold) const {
    const Sums sums = taylor(threshold);
    const at::Tensor have = (sums.have * rest_share_).sum(1);
    const at::Tensor lack = (sums.lack * best_share_).sum(1);
    return {have.log() - lack.log(),
            (sums.spread * rest_share_).sum(1) / have + (sums.spread * best_share_).sum(1) / lack};
  }

  const double lowest_;
  const std::int64_t bins_;
  const double width_;
  at::Tensor moments_[4];  // sums of 1, x, x^2, x^3; x from a bin's middle, in widths
  at::Tensor middles_;     // [1 x bins]
  at::Tensor best_share_, rest_share_;
};

class StreamedTopK final : public StreamedLoss {
 public:
  StreamedTopK(const Step& step, const LossOptions& options)
      : StreamedLoss(step, options.temperature),
        labels_(static_cast<double>(step.labels)),
        k_(options.top_k),
        slope_(options.top_k_slope),
        // A little more than a cosine's range, for rounded vectors.
        bins_(slope_ * (-1.02 * inverse_temperature_ + step.lowest_offset),
              slope_ * (1.02 * inverse_temperature_ + step.highest_offset), step.documents) {}

  void add(const Chunk& chunk) override {
    bins_.add(scores(chunk, positive_scores(chunk)) * slope_);
    keep_pairs(chunk);
  }

  double finish(const Reduce& reduce) override {
    const auto n = static_cast<double>(documents_.size(0));
    bins_.reduce(reduce);
    at::Tensor k = k_ == 0 ? positives_ : at::full_like(positives_, static_cast<double>(k_));
    // A document without positives, or with no label beyond the k best, teaches nothing.
    const at::Tensor counts = at::logical_and(positives_ > 0, k < labels_);
    k = at::where(counts, k, 0.5);  // any that has a threshold
    threshold_ = bins_.threshold(k);
    shares_ = at::where(counts, 1 / positives_.clamp_min(1), 0.0) / n;
    const at::Tensor rows = pair_rows();
    const at::Tensor z = pair_scores() * slope_ + threshold_.index_select(0, rows);
    const at::Tensor shares = shares_.index_select(0, rows);
    at::Tensor loss = (at::softplus(-z) * shares).sum();
    at::Tensor pulls = at::zeros_like(positives_);
    pulls.index_add_(0, rows, slope_ * z.neg().sigmoid() * shares);
    reduce(loss, Reduction::kSum);
    reduce(pulls, Reduction::kSum);
    log_ratio_ = (pulls / bins_.spread(threshold_)).log();
    return loss.item<double>();
  }

 private:
  at::Tensor slopes(const Chunk& chunk) override {
    const at::Tensor own = positive_scores(chunk);
    const at::Tensor far =
        (scores(chunk, own) * slope_).add_(threshold_.to(at::kFloat).unsqueeze(1)).abs_().neg_();
    // log p (1 - p) = -|z| - 2 log(1 + e^{-|z|})
    at::Tensor slopes =
        (far - 2 * far.exp().log1p_()).add_(log_ratio_.to(at::kFloat).unsqueeze(1)).exp_();
    const at::Tensor z = own.to(at::kDouble) * slope_ + threshold_.index_select(0, chunk.rows);
    const at::Tensor pulls = slope_ * z.neg().sigmoid() * shares_.index_select(0, chunk.rows);
    return slopes.index_put_({chunk.rows, chunk.columns}, -pulls.to(at::kFloat),
                             /*accumulate=*/true);
  }

  const double labels_;
  const int k_;
  const double slope_;
  ScoreBins bins_;
  at::Tensor threshold_;  // [n]
  at::Tensor shares_;     // of a positive in the mean loss, [n]
  at::Tensor log_ratio_;  // log( sum of the positives' pulls / sum p (1 - p) ), [n]
};

}  // namespace

std::unique_ptr<StreamedLoss> make_streamed_top_k(const LossOptions& options,
                                                  const StreamedLoss::Step& step) {
  return std::make_unique<StreamedTopK>(step, options);
}

}  // namespace dexter
