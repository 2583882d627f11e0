// Stages, epochs and learning rates of a training.
#include "encoders/training_course.h"

#include <algorithm>
#include <utility>

namespace dexter {

TrainingCourse::TrainingCourse(const TrainerOptions& options, std::size_t known,
                               std::size_t guessed, bool validated)
    : known_(known),
      guessed_(guessed),
      batch_(static_cast<std::size_t>(options.batch)),
      pretraining_(guessed > 0 ? options.pretrain_epochs : 0),
      training_(options.epochs),
      patience_(options.patience),
      warmup_(options.warmup),
      validated_(validated) {}

TrainingCourse::Rows TrainingCourse::rows_of(int finished) const {
  return pretrains(finished) ? Rows{known_, guessed_} : Rows{0, known_};
}

std::int64_t TrainingCourse::steps_over(std::size_t documents) const {
  return static_cast<std::int64_t>((documents + batch_ - 1) / batch_);
}

std::int64_t TrainingCourse::steps_of(int finished) const {
  return steps_over(rows_of(finished).count);
}

double TrainingCourse::rate_share(std::int64_t step) const {
  const std::int64_t before = steps_over(guessed_) * pretraining_;
  if (step < before) return dexter::rate_share(step, static_cast<double>(before), warmup_);
  const auto steps = static_cast<double>(steps_over(known_) * training_);
  return dexter::rate_share(step - before, steps, warmup_);
}

void TrainingCourse::finish_epoch(const ValidationScore& score, EpochRecord record,
                                  TrainingState& state) const {
  record.epoch = state.epoch + 1;
  record.pretraining = pretrains(state.epoch);
  record.validation_p1 = score.precision_at_1;
  record.validation_p5 = score.precision_at_5;
  state.epoch = record.epoch;
  if (score.ndcg_at_5 > state.best_ndcg || !validated_) {
    state.best_ndcg = score.ndcg_at_5;
    state.best_epoch = state.epoch;
  }
  state.history.push_back(std::move(record));
}

// Epochs of pre-training are not what patience waits for.
bool TrainingCourse::stopped_early(const TrainingState& state) const {
  const int best = std::max(state.best_epoch, pretraining_);
  return patience_ > 0 && validated_ && state.epoch < epochs() && state.epoch - best >= patience_;
}

bool TrainingCourse::finished(const TrainingState& state) const {
  return state.epoch >= epochs() || stopped_early(state);
}

}  // namespace dexter
