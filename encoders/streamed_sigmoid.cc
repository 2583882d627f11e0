// The losses that know a threshold, over labels that come in chunks.
#include "encoders/streamed_sigmoid.h"

#include <limits>

#include "encoders/streamed_log_sum.h"

namespace dexter {
namespace {

// x_j = s_j - threshold / temperature. A document without positives has no loss.
class Thresholded : public StreamedLoss {
 public:
  Thresholded(const Step& step, const LossOptions& options)
      : StreamedLoss(step, options.temperature),
        shift_(options.threshold / options.temperature),
        learns_(step.positives > 0),
        losses_(at::zeros_like(step.positives)) {}

 protected:
  at::Tensor all(const Chunk& chunk) const {
    return scores(chunk, positive_scores(chunk)).sub_(shift_);
  }
  // Of a chunk's pairs, or of all pairs so far.
  at::Tensor positive(const Chunk& chunk) const {
    return positive_scores(chunk).to(at::kDouble) - shift_;
  }
  at::Tensor positive() const { return pair_scores() - shift_; }

  // The mean over the documents of their losses, which are those of every process.
  double mean_of(const at::Tensor& losses) const {
    return at::where(learns_, losses, 0.0).sum().item<double>() /
           static_cast<double>(documents_.size(0));
  }
  // Slopes of single losses to those of their mean.
  at::Tensor meant(at::Tensor slopes) const {
    const auto share = learns_.to(at::kFloat) / static_cast<double>(documents_.size(0));
    return slopes.mul_(share.unsqueeze(1));
  }
  static void put(at::Tensor& values, const Chunk& chunk, const at::Tensor& own) {
    values.index_put_({chunk.rows, chunk.columns}, own.to(at::kFloat));
  }

  const double shift_;
  const at::Tensor learns_;  // [n]
  at::Tensor losses_;        // so far, [n, float64]
};

// Each label by itself: comic, whose negatives count as they are where `focus` is 0 and none is
// taken as given, which is binary cross-entropy.
class StreamedLabels final : public Thresholded {
 public:
  StreamedLabels(const Step& step, const LossOptions& options, double focus, double correction)
      : Thresholded(step, options), focus_(focus), correction_(correction) {}

  void add(const Chunk& chunk) override {
    const at::Tensor x = all(chunk), miss = at::softplus(x);  // -log(1 - p)
    at::Tensor losses = focus_ > 0 ? (focus_ * (x - miss)).exp_().mul_(miss) : miss.clone();
    if (correction_ < 1) losses = at::where(x.sigmoid() > correction_, miss - x, losses);
    put(losses, chunk, at::softplus(-positive(chunk)));
    losses_ += losses.sum(1, false, at::kDouble);
  }
  double finish(const Reduce& reduce) override {
    reduce(losses_, Reduction::kSum);
    return mean_of(losses_);
  }

 private:
  at::Tensor slopes(const Chunk& chunk) override {
    const at::Tensor x = all(chunk), p = x.sigmoid();
    at::Tensor slopes = p.clone();
    if (focus_ > 0) {
      const at::Tensor miss = at::softplus(x);
      slopes = (focus_ * (x - miss)).exp_().mul_(focus_ * (1 - p) * miss + p);
    }
    if (correction_ < 1) slopes = at::where(p > correction_, p - 1, slopes);
    put(slopes, chunk, -at::sigmoid(-positive(chunk)));
    return meant(slopes);
  }

  const double focus_, correction_;
};

class StreamedPositiveUnlabelled final : public Thresholded {
 public:
  StreamedPositiveUnlabelled(const Step& step, const LossOptions& options)
      : Thresholded(step, options), found_(step.positives) {}

  void add(const Chunk& chunk) override {
    found_.add(at::log_sigmoid(all(chunk)));
    losses_.index_add_(0, chunk.rows,
                       at::softplus(-positive(chunk)) / positives_.index_select(0, chunk.rows));
  }
  double finish(const Reduce& reduce) override {
    level_ = found_.finish(reduce);
    reduce(losses_, Reduction::kSum);
    return mean_of(losses_ + level_ - positives_.log());
  }

 private:
  // p_j (1 - p_j) / sum(p), less (1 - p_j) / |P| of a positive.
  at::Tensor slopes(const Chunk& chunk) override {
    const at::Tensor x = all(chunk);
    at::Tensor slopes = (at::log_sigmoid(x) - level_.to(at::kFloat).unsqueeze(1)).exp_();
    slopes.mul_(at::sigmoid(-x));
    const at::Tensor own = at::sigmoid(-positive(chunk)) / positives_.index_select(0, chunk.rows);
    slopes.index_put_({chunk.rows, chunk.columns}, -own.to(at::kFloat), /*accumulate=*/true);
    return meant(slopes);
  }

  StreamedLogSum found_;
  at::Tensor level_;  // log of the sum of p over all labels, [n]
};

class StreamedClusterDiscrimination final : public Thresholded {
 public:
  StreamedClusterDiscrimination(const Step& step, const LossOptions& options)
      : Thresholded(step, options), above_(step.positives) {}

  void add(const Chunk& chunk) override {
    above_.add(negatives(chunk));
    keep_pairs(chunk);
  }
  double finish(const Reduce& reduce) override {
    level_ = at::logaddexp(above_.finish(reduce), at::zeros_like(positives_));
    const at::Tensor rows = pair_rows(), behind = -positive();
    at::Tensor highest = at::zeros_like(positives_).scatter_reduce_(0, rows, behind, "amax");
    reduce(highest, Reduction::kMaximum);
    at::Tensor sums = at::zeros_like(positives_)
                          .index_add_(0, rows, (behind - highest.index_select(0, rows)).exp());
    reduce(sums, Reduction::kSum);
    below_ = highest + (sums + (-highest).exp()).log();
    return mean_of(level_ + below_);
  }

 private:
  at::Tensor negatives(const Chunk& chunk) const {
    constexpr double kNone = -std::numeric_limits<double>::infinity();
    return scores(chunk, at::full({}, kNone, documents_.options())).sub_(shift_);
  }
  at::Tensor slopes(const Chunk& chunk) override {
    at::Tensor slopes = (negatives(chunk) - level_.to(at::kFloat).unsqueeze(1)).exp_();
    put(slopes, chunk, -(-positive(chunk) - below_.index_select(0, chunk.rows)).exp());
    return meant(slopes);
  }

  StreamedLogSum above_;
  at::Tensor level_, below_;  // log(1 + the sum) of negatives and of positives, [n]
};

}  // namespace

std::unique_ptr<StreamedLoss> make_streamed_sigmoid(const LossOptions& options,
                                                    const StreamedLoss::Step& step) {
  if (options.name == "pu") return std::make_unique<StreamedPositiveUnlabelled>(step, options);
  if (options.name == "mlcd") return std::make_unique<StreamedClusterDiscrimination>(step, options);
  const bool comic = options.name == "comic";
  return std::make_unique<StreamedLabels>(step, options, comic ? options.focus : 0,
                                          comic ? options.correction : 1);
}

}  // namespace dexter
