#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>

#include "encoders/bag_model.h"
#include "encoders/training_state.h"
#include "storage/file_io.h"
#include "storage/section_file.h"

namespace dexter {

// The best epoch's encoder lies beside the checkpoint until the run ends. `Saver` writes the
// present one: FileRef(root, name).
class BestEncoder {
 public:
  BestEncoder(const std::filesystem::path& root, const std::filesystem::path& checkpoint)
      : root_(root), file_(checkpoint) {
    if (!file_.empty()) file_ += ".best";
  }

  template <class Saver>
  void keep(const Saver& save) {
    if (!file_.empty()) save(root_, std::filesystem::relative(file_, root_).string());
  }
  // Moves the kept encoder to its place; nothing kept (or a run that ends at its best epoch) saves
  // the present one.
  template <class Saver>
  FileRef commit(const Saver& save, bool present_is_best, const std::string& name) {
    if (present_is_best || file_.empty() || !std::filesystem::exists(file_)) {
      const FileRef saved = save(root_, name);
      discard();
      return saved;
    }
    SectionFileReader(file_, "encoder", kEncoderFileVersion).verify();
    std::filesystem::rename(file_, root_ / name);
    sync_folder((root_ / name).parent_path());
    return SectionFileReader(root_ / name, "encoder", kEncoderFileVersion).reference(root_);
  }
  void discard() const {
    std::error_code ignored;
    if (!file_.empty()) std::filesystem::remove(file_, ignored);
  }

 private:
  std::filesystem::path root_, file_;
};

// Where a run writes.
struct TrainingFiles {
  std::filesystem::path root;
  std::string encoder;               // relative to `root`
  std::filesystem::path checkpoint;  // empty for none
};

// Trains epoch by epoch to the committed encoder: checkpoints, the best epoch, the report. Trainer
// has finished, stopped_early, run_epoch, state, save_checkpoint and load_checkpoint as BagTrainer
// does; `save` is a Saver.
template <class Trainer, class Saver>
TrainReport run_training(Trainer& trainer, const Saver& save, const TrainerOptions& options,
                         const TrainingFiles& files, bool resume,
                         const std::function<void(const EpochRecord&)>& on_epoch,
                         const Progress& progress) {
  using Clock = std::chrono::steady_clock;
  BestEncoder best(files.root, files.checkpoint);
  if (resume)
    trainer.load_checkpoint(files.checkpoint);
  else
    best.discard();
  const auto seconds_since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  auto saved = Clock::now();
  while (!trainer.finished()) {
    on_epoch(trainer.run_epoch());
    const bool is_best = trainer.state().best_epoch == trainer.state().epoch;
    if (trainer.finished() || files.checkpoint.empty()) continue;
    if (is_best && options.patience > 0) best.keep(save);
    if (seconds_since(saved) >= options.checkpoint_seconds) {
      progress.update({.stage = "writing a checkpoint"});
      trainer.save_checkpoint(files.checkpoint);
      saved = Clock::now();
    }
  }
  const TrainingState& state = trainer.state();
  TrainReport report;
  const int best_epoch = options.patience > 0 ? state.best_epoch : state.epoch;
  report.encoder.file = best.commit(save, best_epoch == state.epoch, files.encoder);
  report.encoder.fingerprint = report.encoder.file.checksum;
  report.history = state.history;
  report.best_epoch = best_epoch;
  report.stopped_early = trainer.stopped_early();
  report.resumed = resume;
  return report;
}

}  // namespace dexter
