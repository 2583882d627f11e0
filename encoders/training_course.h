#pragma once

#include <cstddef>
#include <cstdint>

#include "encoders/training_state.h"
#include "encoders/validation.h"

namespace dexter {

// The epochs of a training in two stages: `train.pretrain_epochs` over documents whose labels an
// encoder guessed, then `train.epochs` over those whose labels are known, from the weights that the
// first stage left (Guo, Predictions For Pre-training Language Models, arXiv 2011.09031). The
// learning rate rises and falls in each. Documents are rows: first the known ones.
class TrainingCourse {
 public:
  struct Rows {
    std::size_t first = 0, count = 0;
  };

  // `validated`: there is a validation part to stop early by.
  TrainingCourse(const TrainerOptions& options, std::size_t known, std::size_t guessed,
                 bool validated);

  int epochs() const { return pretraining_ + training_; }
  // Of the epoch after so many finished ones.
  bool pretrains(int finished) const { return finished < pretraining_; }
  Rows rows_of(int finished) const;
  std::int64_t steps_of(int finished) const;
  double rate_share(std::int64_t step) const;  // of the learning rate, by steps taken

  // An epoch ends: its number, stage and score go into `record`, and that into the history.
  void finish_epoch(const ValidationScore& score, EpochRecord record, TrainingState& state) const;
  bool finished(const TrainingState& state) const;  // all epochs done, or stopped early
  bool stopped_early(const TrainingState& state) const;

 private:
  std::int64_t steps_over(std::size_t documents) const;

  std::size_t known_, guessed_, batch_;
  int pretraining_, training_, patience_;
  double warmup_;
  bool validated_;
};

}  // namespace dexter
