// Softmax losses over labels that come in chunks.
#include "encoders/streamed_softmax.h"

#include <limits>

namespace dexter {
namespace {

constexpr double kNone = -std::numeric_limits<double>::infinity();

// -infinity as 0: what is measured against it is -infinity itself.
at::Tensor finite(const at::Tensor& level) { return at::where(level.isneginf(), 0.0, level); }

}  // namespace

StreamedSoftmax::StreamedSoftmax(const at::Tensor& documents, const at::Tensor& positives,
                                 bool decoupled, double temperature, at::ScalarType type)
    : documents_(documents),
      scaled_documents_((documents / temperature).to(type)),
      positives_(positives),
      decoupled_(decoupled),
      inverse_temperature_(1 / temperature),
      highest_(at::full_like(positives, kNone)),
      sums_(at::zeros_like(positives)),
      document_gradient_(at::zeros_like(documents)) {
  const auto most = positives.sum().item<double>();
  pair_scores_ = at::empty({static_cast<std::int64_t>(most)}, positives.options());
  pair_rows_ = at::empty_like(pair_scores_, at::kLong);
}

// The few positive scores in full precision: their loss is a difference of near-equal numbers.
at::Tensor StreamedSoftmax::positive_scores(const Chunk& chunk) const {
  const at::Tensor left = documents_.index_select(0, chunk.rows);
  const at::Tensor right = chunk.vectors.index_select(0, chunk.columns);
  const at::Tensor scores = (left * right).sum(1) * inverse_temperature_;
  return chunk.adjustments.defined() ? scores + chunk.adjustments.index_select(0, chunk.columns)
                                     : scores;
}

// Of all columns; a positive does not compete with others where the loss is decoupled.
at::Tensor StreamedSoftmax::scores(const Chunk& chunk) const {
  at::Tensor scores =
      at::matmul(scaled_documents_, chunk.vectors.to(scaled_documents_.scalar_type()).t())
          .to(at::kFloat);
  if (chunk.offsets.defined()) scores += chunk.offsets;
  const at::Tensor own =
      decoupled_ ? at::full({}, kNone, scores.options()) : positive_scores(chunk);
  return scores.index_put_({chunk.rows, chunk.columns}, own);
}

void StreamedSoftmax::add(const Chunk& chunk) {
  const at::Tensor all = scores(chunk);
  const at::Tensor highest = at::maximum(highest_, all.amax(1).to(at::kDouble));
  const at::Tensor shift = finite(highest);
  sums_ = sums_ * (highest_ - shift).exp() +
          (all - shift.to(at::kFloat).unsqueeze(1)).exp_().sum(1, false, at::kDouble);
  highest_ = highest;
  const std::int64_t count = chunk.rows.numel();
  pair_rows_.narrow(0, pairs_, count).copy_(chunk.rows);
  pair_scores_.narrow(0, pairs_, count).copy_(positive_scores(chunk));
  pairs_ += count;
}

// The miss of a positive, e^{level} / (e^{score} + e^{level}).
at::Tensor StreamedSoftmax::misses(const at::Tensor& rows, const at::Tensor& scores) const {
  return (level_.index_select(0, rows) - scores).sigmoid();
}

double StreamedSoftmax::finish(const Reduce& reduce) {
  const auto n = static_cast<double>(documents_.size(0));
  const at::Tensor own = highest_.clone();
  reduce(highest_, Reduction::kMaximum);
  const at::Tensor shift = finite(highest_);
  sums_ *= (own - shift).exp();
  reduce(sums_, Reduction::kSum);
  level_ = shift + sums_.log();
  const at::Tensor rows = pair_rows_.narrow(0, 0, pairs_);
  const at::Tensor scores = pair_scores_.narrow(0, 0, pairs_);
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

at::Tensor StreamedSoftmax::gradient(const Chunk& chunk) {
  const auto n = static_cast<double>(documents_.size(0));
  at::Tensor slopes = scores(chunk);
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
  const at::Tensor rounded = slopes.to(scaled_documents_.scalar_type());
  document_gradient_ += at::matmul(rounded, chunk.vectors.to(rounded.scalar_type()))
                            .to(at::kFloat)
                            .mul_(inverse_temperature_);
  return at::matmul(rounded.t(), scaled_documents_).to(at::kFloat);
}

}  // namespace dexter
