// A step that holds the vectors of all its labels.
#include "encoders/transformer_trainer.h"

namespace dexter {
namespace {

using Learner = TransformerLearner;

}  // namespace

bool TransformerTrainer::by_chunks() const {
  return loss_->needs().by_chunks && !options_.stale_labels && teacher_ == nullptr;
}

// Any loss: the vectors of all labels are there at once, in every process; each has encoded its
// part of them, takes the loss of all, and passes back its part of the gradient. Stale labels are
// scored by themselves: beside fresh ones they would be told apart by their age, and the network
// would learn to move all that is fresh one way.
double TransformerTrainer::score_step(std::span<const std::uint32_t> documents,
                                      const StepTargets& targets, std::uint64_t seed) {
  const std::span<const std::uint32_t> labels = targets.labels;
  const auto dim = static_cast<std::size_t>(options_.dim);
  const std::span<const std::uint32_t> fresh =
      options_.stale_labels ? labels.first(targets.own) : labels;
  document_vectors_.assign(documents.size() * dim, 0);
  label_vectors_.assign(fresh.size() * dim, 0);
  const auto encode = [&](Learner::Side side, const Tokens& texts,
                          std::span<const std::uint32_t> rows, std::vector<float>& vectors) {
    const auto [first, last] = part_of(rows.size());
    learner_.forward(side, texts, rows.subspan(first, last - first), seed,
                     vectors.data() + first * dim);
    if (ranks_ != nullptr) ranks_->sum(std::span(vectors).first(rows.size() * dim));
    return first * dim;
  };
  const std::size_t own_documents =
      encode(Learner::kDocuments, documents_, documents, document_vectors_);
  const std::size_t own_labels = encode(Learner::kLabels, labels_, fresh, label_vectors_);
  const auto pass_back = [&](const float* of_documents, const float* of_labels) {
    learner_.backward(Learner::kDocuments, of_documents + own_documents);
    learner_.backward(Learner::kLabels, of_labels + own_labels);
  };
  const auto score = [&](const std::vector<float>& vectors, std::span<const std::uint32_t> scored,
                         std::span<const float> offsets) {
    ScoreBatch batch{.documents = document_vectors_.data(),
                     .n = documents.size(),
                     .labels = vectors.data(),
                     .m = scored.size(),
                     .positives = targets.columns,
                     .offsets = offsets,
                     .adjustments = targets.adjustments};
    if (!targets.adjustments.empty()) batch.adjustments = batch.adjustments.first(scored.size());
    if (teacher_ != nullptr) teacher_step_.ask(*teacher_, teacher_rows_, documents, scored, batch);
    return score_step_.run(batch);
  };
  if (!options_.stale_labels) {
    const double loss = score(label_vectors_, labels, targets.offsets);
    pass_back(score_step_.document_gradient(), score_step_.label_gradient());
    return loss;
  }
  stale_pool_.clear();
  for (const std::uint32_t label : labels)
    stale_pool_.insert(stale_pool_.end(), &stale_[label * dim], &stale_[label * dim] + dim);
  const double stale_loss = score(stale_pool_, labels, targets.offsets);
  gradients_[0].assign(score_step_.document_gradient(),
                       score_step_.document_gradient() + documents.size() * dim);
  const std::span<const float> adjustments = targets.adjustments;
  const double fresh_loss =
      score(label_vectors_, fresh, adjustments.first(adjustments.empty() ? 0 : fresh.size()));
  for (std::size_t i = 0; i < gradients_[0].size(); ++i)
    gradients_[0][i] = (gradients_[0][i] + score_step_.document_gradient()[i]) / 2;
  gradients_[1].assign(score_step_.label_gradient(),
                       score_step_.label_gradient() + fresh.size() * dim);
  for (float& value : gradients_[1]) value /= 2;
  pass_back(gradients_[0].data(), gradients_[1].data());
  return (stale_loss + fresh_loss) / 2;
}

}  // namespace dexter
