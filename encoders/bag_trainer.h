#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "encoders/bag_model.h"
#include "encoders/bag_side.h"
#include "encoders/band_mixture.h"
#include "encoders/free_rows.h"
#include "encoders/loss.h"
#include "encoders/score_step.h"
#include "encoders/step_targets.h"
#include "encoders/table_optimizer.h"
#include "encoders/teacher.h"
#include "encoders/training_course.h"
#include "encoders/validation.h"

namespace dexter {

// Trains the bag encoder, in every epoch one block after the other: each has its own order of
// documents, negatives and dropped features. Every random choice of an epoch comes from the seed,
// the epoch's number and the block's, so a run resumed at an epoch's end goes on as the
// uninterrupted one would.
class BagTrainer {
 public:
  BagTrainer(const EncoderOptions& encoder, const LossOptions& loss, const TrainerOptions& options,
             const TrainingSet& set, const NeighbourSearch& neighbours, const Progress& progress,
             const Teacher* teacher = nullptr);

  bool finished() const { return course_->finished(state_); }
  bool stopped_early() const { return course_->stopped_early(state_); }
  // One epoch and its validation; throws kInterrupted between steps.
  const EpochRecord& run_epoch();

  const BagModel& model() const { return model_; }
  const TrainingState& state() const { return state_; }

  void save_checkpoint(const std::filesystem::path& file);
  // kIncompatible where the checkpoint is of other options or another corpus.
  void load_checkpoint(const std::filesystem::path& file);

 private:
  // What training one block changes, and its buffers.
  struct BlockTrainer {
    explicit BlockTrainer(BagBlock& block);
    BagBlock& block;
    TableOptimizer table_optimizer, free_optimizer;
    BagSide document_side, label_side;
    std::vector<float> band_shares;  // empty unless mixing is aligned
  };

  void read_documents(const TrainingSet& set);
  void read_validation(const TrainingSet& set);
  void add_document(std::string_view text, std::vector<std::uint32_t> labels,
                    std::size_t teacher_row);
  void read_labels(const TrainingSet& set);
  // Sum of the documents' losses.
  double run_block(std::size_t block);
  bool mixes() const { return mixture_ && !course_->pretrains(state_.epoch); }
  // With aligned mixing: documents to aim at, the shares moved towards them, and their means.
  void prepare_mixing(const TrainingSet& set, std::size_t known,
                      std::span<const std::uint32_t> frequency);
  void align_shares(BlockTrainer& trainer, std::mt19937_64& random);
  std::array<double, BandMixture::kBands> mean_shares() const;
  // Of one block, [documents x width].
  std::vector<float> document_vectors(BlockTrainer& trainer, TrainingCourse::Rows of);
  double train_step(BlockTrainer& trainer, std::span<const std::uint32_t> documents,
                    std::int64_t step, std::mt19937_64& random);
  void keep_features(std::span<const std::uint32_t> documents, std::mt19937_64& random);
  void mine_hard_negatives();
  // Vectors [texts x dim] of one side of the model.
  std::vector<float> vectors_of(const BagBatch& bags, BagSide BlockTrainer::*side);
  ValidationScore validation_score();
  std::string identity() const;
  std::vector<std::pair<std::string, std::vector<float>*>> tensors();

  // constant after construction
  const LossOptions loss_options_;
  const TrainerOptions options_;
  const NeighbourSearch& neighbours_;
  const Progress& progress_;
  const Teacher* const teacher_;
  std::vector<std::uint32_t> teacher_rows_;  // by document, in the teacher's
  std::unique_ptr<LossFunction> loss_;
  BagBatch documents_, validation_documents_, labels_;
  std::vector<std::vector<std::uint32_t>> positives_,
      validation_positives_;                  // ascending label rows
  std::vector<std::uint32_t> aimed_at_;       // rows of documents_ and positives_
  std::vector<char> has_training_;            // by label
  std::vector<std::uint32_t> all_documents_;  // 0, 1, ... of a batch
  std::optional<TrainingCourse> course_;

  // changed by training
  BagModel model_;
  TrainingState state_;
  std::optional<FreeRows> free_rows_;
  std::vector<BlockTrainer> blocks_;
  std::optional<TargetChooser> targets_;
  std::optional<BandMixture> mixture_;
  ScoreStep score_step_;
  BagBatch kept_;                     // documents of a step after feature dropout
  std::vector<std::uint32_t> drawn_;  // rows of a step, of mixed bands
  TeacherStep teacher_step_;
};

}  // namespace dexter
