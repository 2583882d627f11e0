#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "encoders/encoder.h"
#include "encoders/teacher.h"
#include "encoders/trainer_options.h"
#include "storage/manifest.h"
#include "storage/progress.h"
#include "storage/types.h"

namespace dexter {

// What training reads: the whole corpus in memory, texts as they were imported.
struct TrainingSet {
  TextKind text_kind = TextKind::kNatural;
  std::vector<Label> labels;  // those trained against; `Example::labels` index into it
  std::vector<Example> train;
  std::vector<Example> validation;
  std::vector<Example> guessed;  // whose labels an encoder guessed, for pre-training
};

// One line of the history kept in the store.
struct EpochRecord {
  int epoch = 0;             // 1-based
  double loss = 0;           // mean training loss of the epoch
  double validation_p1 = 0;  // percent
  double validation_p5 = 0;  // percent
  double learning_rate = 0;  // at the end of the epoch
  double seconds = 0;        // wall time of the epoch, validation included
  double documents_per_second = 0;
  std::uint64_t resident_bytes = 0;
  // Of a transformer, at the epoch's end: fewer than asked for where memory ran out. Else 0.
  std::size_t chunk_tokens = 0;
  // Of a transformer: percent of its steps' time in which they waited for their documents' labels.
  double waiting = 0;
  bool pretraining = false;  // over guessed labels
  // Of the steps' documents, those whose rarest label has up to 5, up to 50 and more documents, at
  // the epoch's end; zeros unless train.mixing is aligned.
  std::array<double, 3> band_shares{};
};

// Texts without labels that an encoder labelled for a training.
struct PseudoLabelReport {
  std::uint64_t read = 0, taken = 0;  // texts
  std::uint64_t labels = 0;           // given to those taken
  double precision = 0;  // percent of the labels given by the same rule on the validation part
};

struct TrainReport {
  EncoderInfo encoder;  // `corpus` is left 0 for the caller
  std::vector<EpochRecord> history;
  int best_epoch = 0;
  bool stopped_early = false;
  bool resumed = false;
  double seconds = 0;
  PseudoLabelReport pseudo_labels;  // not in the history
};

// For every row of `vectors` [n x dim] the `k` other rows most alike to it, [n x k], padded with
// 0xffffffff. Given by the caller, which holds the index library.
using NeighbourSearch = std::function<std::vector<std::uint32_t>(EmbeddingView vectors, int k)>;

// Trains an encoder on `set` and writes it to `root`/`encoder_file` (committed when this returns).
// With `checkpoint` non-empty the state is written there after every epoch, and `resume` goes on
// from it to the result the uninterrupted run would have had on the same thread count. Errors:
// kInvalidInput for options or a set without any training pair; kInterrupted when progress.stop
// fires (the checkpoint stands); kIncompatible when the checkpoint belongs to other options or
// another corpus. `teacher` (null for none) has its rows in the order of `set`.
TrainReport train_encoder(const EncoderOptions& encoder, const LossOptions& loss,
                          const TrainerOptions& options, const TrainingSet& set,
                          const std::filesystem::path& root, const std::string& encoder_file,
                          const std::filesystem::path& checkpoint, bool resume,
                          const NeighbourSearch& neighbours,
                          const std::function<void(const EpochRecord&)>& on_epoch,
                          const Progress& progress, const Teacher* teacher = nullptr);

// kInvalidInput where options are out of range, or `options` ask for what the loss cannot use.
void validate(const LossOptions& loss, const TrainerOptions& options);

struct LossKind {
  std::string_view name;
  std::string_view summary;
};
const std::vector<LossKind>& loss_kinds();

}  // namespace dexter
