// What losses over labels that come in chunks share.
#include "encoders/streamed_loss.h"

#include "encoders/streamed_sigmoid.h"
#include "encoders/streamed_softmax.h"
#include "encoders/streamed_top_k.h"

namespace dexter {

StreamedLoss::StreamedLoss(const Step& step, double temperature)
    : documents_(step.documents),
      scaled_documents_((step.documents / temperature).to(step.type)),
      positives_(step.positives),
      inverse_temperature_(1 / temperature),
      document_gradient_(at::zeros_like(step.documents)) {
  const auto most = step.positives.sum().item<double>();
  pair_scores_ = at::empty({static_cast<std::int64_t>(most)}, step.positives.options());
  pair_rows_ = at::empty_like(pair_scores_, at::kLong);
}

at::Tensor StreamedLoss::positive_scores(const Chunk& chunk) const {
  const at::Tensor left = documents_.index_select(0, chunk.rows);
  const at::Tensor right = chunk.vectors.index_select(0, chunk.columns);
  const at::Tensor scores = (left * right).sum(1) * inverse_temperature_;
  return chunk.adjustments.defined() ? scores + chunk.adjustments.index_select(0, chunk.columns)
                                     : scores;
}

at::Tensor StreamedLoss::scores(const Chunk& chunk, const at::Tensor& own) const {
  at::Tensor scores =
      at::matmul(scaled_documents_, chunk.vectors.to(scaled_documents_.scalar_type()).t())
          .to(at::kFloat);
  if (chunk.offsets.defined()) scores += chunk.offsets;
  return scores.index_put_({chunk.rows, chunk.columns}, own);
}

void StreamedLoss::keep_pairs(const Chunk& chunk) {
  const std::int64_t count = chunk.rows.numel();
  pair_rows_.narrow(0, pairs_, count).copy_(chunk.rows);
  pair_scores_.narrow(0, pairs_, count).copy_(positive_scores(chunk));
  pairs_ += count;
}

at::Tensor StreamedLoss::gradient(const Chunk& chunk) {
  const at::Tensor rounded = slopes(chunk).to(scaled_documents_.scalar_type());
  document_gradient_ += at::matmul(rounded, chunk.vectors.to(rounded.scalar_type()))
                            .to(at::kFloat)
                            .mul_(inverse_temperature_);
  return at::matmul(rounded.t(), scaled_documents_).to(at::kFloat);
}

std::unique_ptr<StreamedLoss> make_streamed_loss(const LossOptions& options,
                                                 const StreamedLoss::Step& step) {
  if (options.name == "soft_top_k") return make_streamed_top_k(options, step);
  return options.name.ends_with("softmax") ? make_streamed_softmax(options, step)
                                           : make_streamed_sigmoid(options, step);
}

}  // namespace dexter
