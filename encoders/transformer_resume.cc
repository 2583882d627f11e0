// Checkpoints of a transformer's training.
#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "encoders/options_text.h"
#include "encoders/transformer_trainer.h"
#include "storage/checksum.h"

namespace dexter {
namespace {

constexpr std::uint32_t kTrainerStateVersion = 1;

}  // namespace

// What a checkpoint must share with the run that resumes it: options, and the corpus as seen by
// training.
std::string TransformerTrainer::identity() const {
  OptionsWriter fields;
  TransformerOptions options = options_;
  LossOptions loss = loss_options_;
  TrainerOptions training = training_;
  options.device = "";              // free to differ
  training.checkpoint_seconds = 0;  // this too
  visit(fields, options);
  visit(fields, loss);
  visit(fields, training);
  if (teacher_ != nullptr) add_teacher(*teacher_, fields);
  std::uint64_t corpus = 0;
  const auto add = [&](const auto& rows) {
    for (const auto& row : rows) corpus = checksum64(std::as_bytes(std::span(row)), corpus);
  };
  add(documents_);
  add(labels_);
  add(positives_);
  return fields.text() + fmt::format("corpus={:016x}\n", corpus);
}

void TransformerTrainer::save_checkpoint(const std::filesystem::path& file) const {
  SectionFileWriter writer(file, "checkpoint", kTrainerStateVersion);
  writer.add("identity", identity());
  writer.add("state", state_text(state_));
  writer.add("learner", write_safetensors(learner_.state()));
  writer.commit(file.parent_path());
}

void TransformerTrainer::load_checkpoint(const std::filesystem::path& file) {
  std::string made_with, state_lines, learner;
  if (is_first()) {
    const SectionFileReader reader(file, "checkpoint", kTrainerStateVersion);
    made_with = reader.text("identity");
    state_lines = reader.text("state");
    learner = reader.text("learner");
  }
  for (std::string* part : {&made_with, &state_lines, &learner})
    if (ranks_ != nullptr) *part = ranks_->from_first(std::move(*part));
  ensure(made_with == identity(), ErrorKind::kIncompatible,
         "resuming a training: its checkpoint was made with other options or another corpus; "
         "give the same options, or train without --resume");
  const TrainingState state = read_state(state_lines);
  const std::span bytes(learner.data(), learner.size());
  learner_.restore(SafetensorsReader(std::as_bytes(bytes), "the checkpoint"));
  state_ = state;
  // A run that ran out of memory goes on with what then fitted.
  if (!state.history.empty() && state.history.back().chunk_tokens > 0)
    learner_.set_chunk_tokens(std::min(learner_.chunk_tokens(), state.history.back().chunk_tokens));
  chunk_tokens_ = learner_.chunk_tokens();
}

}  // namespace dexter
