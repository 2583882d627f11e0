// Softmax losses over labels that come in chunks.
#include "encoders/streamed_softmax.h"

#include <limits>

#include "encoders/streamed_log_sum.h"

namespace dexter {
namespace {

constexpr double kNone = -std::numeric_limits<double>::infinity();

class StreamedSoftmax final : public StreamedLoss {
 public:
  // `most` as in DecoupledSoftmax.
  StreamedSoftmax(const Step& step, bool decoupled, int most, double temperature)
      : StreamedLoss(step, temperature), decoupled_(decoupled), most_(most), sum_(step.positives) {}

  void add(const Chunk& chunk) override;
  double finish(const Reduce& reduce) override;

 private:
  at::Tensor slopes(const Chunk& chunk) override;
  at::Tensor all_scores(const Chunk& chunk) const;
  at::Tensor misses(const at::Tensor& rows, const at::Tensor& scores) const;  // a pair each
  at::Tensor taken(const Reduce& reduce) const;                               // a pair each

  const bool decoupled_;
  const int most_;
  StreamedLogSum sum_;
  at::Tensor level_;        // log of the sum over all labels, [n]
  at::Tensor weights_;      // of e^{score - level} in the gradient, [n]
  at::Tensor shares_;       // of the pairs in the loss of their documents, where it is decoupled
  std::int64_t asked_ = 0;  // pairs whose gradient has been asked for
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

// 1 for the pairs whose scores are of the `most` highest of their document in all processes, else
// 0. The second pass need not find the same bits, so what is taken is decided once.
at::Tensor StreamedSoftmax::taken(const Reduce& reduce) const {
  const at::Tensor rows = pair_rows(), scores = pair_scores();
  at::Tensor least = at::full_like(positives_, -kNone);
  // No document has more different scores than positives.
  const double rounds = std::min<double>(most_, positives_.max().item<double>());
  for (int i = 0; i < rounds; ++i) {
    const at::Tensor lower = scores < least.index_select(0, rows);
    least = at::full_like(positives_, kNone)
                .scatter_reduce_(0, rows, scores.masked_fill(~lower, kNone), "amax");
    reduce(least, Reduction::kMaximum);
  }
  return (scores >= least.index_select(0, rows)).to(at::kDouble);
}

double StreamedSoftmax::finish(const Reduce& reduce) {
  const auto n = static_cast<double>(documents_.size(0));
  level_ = sum_.finish(reduce);
  const at::Tensor rows = pair_rows(), scores = pair_scores();
  const at::Tensor behind = level_.index_select(0, rows) - scores;
  at::Tensor loss, missed = at::zeros_like(positives_);
  if (decoupled_) {
    if (most_ == 0) {
      shares_ = 1 / positives_.index_select(0, rows);
    } else {
      const at::Tensor here = taken(reduce);
      at::Tensor counts = at::zeros_like(positives_).index_add_(0, rows, here);
      reduce(counts, Reduction::kSum);
      shares_ = here / counts.index_select(0, rows);
    }
    loss = (at::softplus(behind) * shares_).sum();
    missed.index_add_(0, rows, misses(rows, scores) * shares_);
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
    const at::Tensor shares = shares_.narrow(0, asked_, chunk.rows.numel());
    asked_ += chunk.rows.numel();
    slopes.index_put_({chunk.rows, chunk.columns}, (own * shares / -n).to(at::kFloat));
  } else {
    slopes.index_put_({chunk.rows, chunk.columns}, at::full({}, -1 / n, slopes.options()),
                      /*accumulate=*/true);
  }
  return slopes;
}

}  // namespace

std::unique_ptr<StreamedLoss> make_streamed_softmax(const LossOptions& options,
                                                    const StreamedLoss::Step& step) {
  return std::make_unique<StreamedSoftmax>(step, options.name != "softmax", options.positives,
                                           options.temperature);
}

}  // namespace dexter
