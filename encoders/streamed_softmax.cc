// Softmax losses over labels that come in chunks.
#include "encoders/streamed_softmax.h"

#include <limits>

#include "encoders/streamed_log_sum.h"

namespace dexter {
namespace {

constexpr double kNone = -std::numeric_limits<double>::infinity();

class StreamedSoftmax final : public StreamedLoss {
 public:
  StreamedSoftmax(const Step& step, bool decoupled, double temperature)
      : StreamedLoss(step, temperature), decoupled_(decoupled), sum_(step.positives) {}

  void add(const Chunk& chunk) override;
  double finish(const Reduce& reduce) override;

 private:
  at::Tensor slopes(const Chunk& chunk) override;
  at::Tensor all_scores(const Chunk& chunk) const;
  at::Tensor misses(const at::Tensor& rows, const at::Tensor& scores) const;  // a pair each

  const bool decoupled_;
  StreamedLogSum sum_;
  at::Tensor level_;    // log of the sum over all labels, [n]
  at::Tensor weights_;  // of e^{score - level} in the gradient, [n]
};

// A positive does not compete with others where the loss is decoupled.
at::Tensor StreamedSoftmax::all_scores(const Chunk& chunk) const {
  return scores(chunk,
                decoupled_ ? at::full({}, kNone, documents_.options()) : positive_scores(chunk));
}

void StreamedSoftmax::add(const Chunk& chunk) {
  sum_.add(all_scores(chunk));
  keep_pairs(chunk);
}

// The miss of a positive, e^{level} / (e^{score} + e^{level}).
at::Tensor StreamedSoftmax::misses(const at::Tensor& rows, const at::Tensor& scores) const {
  return (level_.index_select(0, rows) - scores).sigmoid();
}

double StreamedSoftmax::finish(const Reduce& reduce) {
  const auto n = static_cast<double>(documents_.size(0));
  level_ = sum_.finish(reduce);
  const at::Tensor rows = pair_rows(), scores = pair_scores();
  const at::Tensor behind = level_.index_select(0, rows) - scores;
  at::Tensor loss, missed = at::zeros_like(positives_);
  if (decoupled_) {
    const at::Tensor counts = positives_.index_select(0, rows);
    loss = (at::softplus(behind) / counts).sum();
    missed.index_add_(0, rows, misses(rows, scores) / counts);
  } else {
    loss = behind.sum();
    weights_ = positives_ / n;
  }
  reduce(loss, Reduction::kSum);
  if (decoupled_) {
    reduce(missed, Reduction::kSum);
    weights_ = missed / n;
  }
  return loss.item<double>() / n;
}

at::Tensor StreamedSoftmax::slopes(const Chunk& chunk) {
  const auto n = static_cast<double>(documents_.size(0));
  at::Tensor slopes = all_scores(chunk);
  slopes.sub_(finite(level_).to(at::kFloat).unsqueeze(1)).exp_();
  slopes.mul_(weights_.to(at::kFloat).unsqueeze(1));
  if (decoupled_) {
    const at::Tensor own = misses(chunk.rows, positive_scores(chunk).to(at::kDouble));
    const at::Tensor counts = positives_.index_select(0, chunk.rows);
    slopes.index_put_({chunk.rows, chunk.columns}, (own / (-n * counts)).to(at::kFloat));
  } else {
    slopes.index_put_({chunk.rows, chunk.columns}, at::full({}, -1 / n, slopes.options()),
                      /*accumulate=*/true);
  }
  return slopes;
}

}  // namespace

std::unique_ptr<StreamedLoss> make_streamed_softmax(const LossOptions& options,
                                                    const StreamedLoss::Step& step) {
  return std::make_unique<StreamedSoftmax>(step, options.name != "softmax", options.temperature);
}

}  // namespace dexter
