#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "encoders/loss.h"
#include "encoders/process_group.h"
#include "encoders/score_step.h"
#include "encoders/step_targets.h"
#include "encoders/teacher.h"
#include "encoders/training_course.h"
#include "encoders/training_run.h"
#include "encoders/transformer_encoder.h"
#include "encoders/transformer_learner.h"
#include "encoders/validation.h"

namespace dexter {

// Fine-tunes a transformer that both sides share, or one for each. A step encodes its documents and
// the labels of its pool, scores all pairs, takes the loss and its gradient in closed form, and
// passes that through the transformer chunk by chunk (see TransformerLearner), so all labels may be
// negatives. Without a teacher the losses of losses_by_chunks() never hold the vectors of all
// labels. With `stale_labels` the loss is the mean of two: of the documents against all labels of
// the pool as they were when the epoch began, and against their own and hard negatives as they are.
// An epoch's random choices come from the seed and its number: a resumed run ends as a whole one.
class TransformerTrainer {
 public:
  // `options` are resolved against `checkpoint`. The processes of `ranks` (null for this alone)
  // must give the same of everything: kInvalidInput where they do not.
  TransformerTrainer(const TransformerOptions& options, const TransformerCheckpoint& checkpoint,
                     const LossOptions& loss, const TrainerOptions& training,
                     const TrainingSet& set, const NeighbourSearch& neighbours,
                     const Progress& progress, const ProcessGroup* ranks = nullptr,
                     const Teacher* teacher = nullptr);

  bool finished() const { return course_->finished(state_); }
  bool stopped_early() const { return course_->stopped_early(state_); }
  // One epoch and its validation; throws kInterrupted between steps.
  const EpochRecord& run_epoch();
  const TrainingState& state() const { return state_; }
  // A side's weights as they are now, a model.safetensors.
  std::string weights(TransformerLearner::Side side) const {
    return write_safetensors(learner_.parameters(side));
  }

  void save_checkpoint(const std::filesystem::path& file) const;
  // kIncompatible where the checkpoint is of other options or another corpus. Only rank 0 reads the
  // file.
  void load_checkpoint(const std::filesystem::path& file);

 private:
  using Tokens = std::vector<std::vector<std::int32_t>>;

  void read_set(const TrainingSet& set, const TransformerCheckpoint& checkpoint);
  void tell_of_smaller_chunks();
  struct Steps {
    double loss = 0;     // sum over the documents
    double waiting = 0;  // as EpochRecord
  };
  // One over each batch of `order`, documents' rows.
  Steps take_steps(std::span<const std::uint32_t> order, std::mt19937_64& random);
  double train_step(std::span<const std::uint32_t> documents, const StepTargets& targets);
  double score_step(std::span<const std::uint32_t> documents, const StepTargets& targets,
                    std::uint64_t seed);
  void mine_hard_negatives();
  bool by_chunks() const;
  // This process's part of `count` things.
  std::pair<std::size_t, std::size_t> part_of(std::size_t count) const;
  // [texts x dim], of some rows or all.
  std::vector<float> vectors_of(TransformerLearner::Side side, const Tokens& texts,
                                std::optional<TrainingCourse::Rows> some = {}) const;
  ValidationScore validation_score() const;
  bool is_first() const { return ranks_ == nullptr || ranks_->rank() == 0; }
  void check_agreement(const TransformerCheckpoint& checkpoint) const;
  std::string identity() const;

  // constant after construction
  const TransformerOptions options_;
  const LossOptions loss_options_;
  const TrainerOptions training_;
  const NeighbourSearch& neighbours_;
  const Progress& progress_;
  const ProcessGroup* const ranks_;
  const Teacher* const teacher_;
  std::vector<std::uint32_t> teacher_rows_;  // by document, in the teacher's
  std::unique_ptr<LossFunction> loss_;
  Tokens documents_, validation_documents_, labels_;
  std::vector<std::vector<std::uint32_t>> positives_,
      validation_positives_;  // ascending label rows
  std::optional<TrainingCourse> course_;

  // changed by training
  TransformerLearner learner_;
  std::size_t chunk_tokens_;  // of the learner, as was last told
  TrainingState state_;
  std::optional<TargetChooser> targets_;
  ScoreStep score_step_;
  TeacherStep teacher_step_;
  std::vector<float> document_vectors_, label_vectors_;
  // With stale_labels: all labels' vectors as the epoch began, a step's, its sides' gradients.
  std::vector<float> stale_, stale_pool_, gradients_[2];
};

// Fine-tunes the checkpoint in `options.weights` on `set` and writes the encoder; else as
// train_encoder. Of several processes only rank 0 reads or writes `files`, and its `resume` counts.
TrainReport train_transformer(const TransformerOptions& options, const LossOptions& loss,
                              const TrainerOptions& training, const TrainingSet& set,
                              const TrainingFiles& files, bool resume,
                              const NeighbourSearch& neighbours,
                              const std::function<void(const EpochRecord&)>& on_epoch,
                              const Progress& progress, const ProcessGroup* ranks = nullptr,
                              const Teacher* teacher = nullptr);

}  // namespace dexter
