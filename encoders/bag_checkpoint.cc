// Saving and resuming the training of the bag encoder.
#include <spdlog/fmt/fmt.h>

#include <cstring>
#include <sstream>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "encoders/bag_trainer.h"
#include "encoders/options_text.h"

namespace dexter {
namespace {

constexpr std::uint32_t kCheckpointVersion = 1;

struct FieldWriter {
  std::string text;
  template <class T>
  void operator()(std::string_view key, const T& value, std::string_view) {
    text += fmt::format("{}={}\n", key, value);
  }
};

std::string state_text(const TrainingState& state) {
  std::string text =
      fmt::format("{} {} {} {}\n", state.epoch, state.step, state.best_epoch, state.best_ndcg);
  for (const EpochRecord& r : state.history)
    text +=
        fmt::format("{} {} {} {} {} {} {} {}\n", r.epoch, r.loss, r.validation_p1, r.validation_p5,
                    r.learning_rate, r.seconds, r.documents_per_second, r.resident_bytes);
  return text;
}

TrainingState read_state(std::string_view text) {
  std::istringstream in{std::string(text)};
  TrainingState state;
  in >> state.epoch >> state.step >> state.best_epoch >> state.best_ndcg;
  ensure(static_cast<bool>(in), ErrorKind::kCorrupt,
         "resuming a training: its checkpoint's state is unreadable; train without --resume");
  EpochRecord r;
  while (in >> r.epoch >> r.loss >> r.validation_p1 >> r.validation_p5 >> r.learning_rate >>
         r.seconds >> r.documents_per_second >> r.resident_bytes)
    state.history.push_back(r);
  return state;
}

}  // namespace

// What a checkpoint must share with the run that resumes it: options, and the corpus as seen by
// training.
std::string BagTrainer::identity() const {
  FieldWriter fields;
  fields.text = options_text(model_.options, model_.text_kind);
  LossOptions loss = loss_options_;
  visit(fields, loss);
  TrainerOptions options = options_;
  options.checkpoint_seconds = 0;  // free to differ
  visit(fields, options);
  std::uint64_t corpus = XXH3_64bits(model_.vocabulary.hashes().data(),
                                     model_.vocabulary.size() * sizeof(std::uint64_t));
  corpus = XXH3_64bits_withSeed(documents_.features.data(),
                                documents_.features.size() * sizeof(BagFeature), corpus);
  for (const auto& row : positives_)
    corpus = XXH3_64bits_withSeed(row.data(), row.size() * sizeof(std::uint32_t), corpus);
  return fields.text + fmt::format("corpus={:016x}\n", corpus);
}

std::vector<std::pair<std::string, std::vector<float>*>> BagTrainer::tensors() {
  std::vector<std::pair<std::string, std::vector<float>*>> all{
      {"table", &model_.table},
      {"free", &model_.free_vectors},
      {"document_w1", &model_.document_layer.w1},
      {"document_w2", &model_.document_layer.w2},
      {"label_w1", &model_.label_layer.w1},
      {"label_w2", &model_.label_layer.w2}};
  const auto add_moments = [&](std::string_view name,
                               const std::vector<std::vector<float>*>& state) {
    for (std::size_t i = 0; i < state.size(); ++i)
      all.emplace_back(fmt::format("{}_moment{}", name, i), state[i]);
  };
  all.emplace_back("table_moment", &table_optimizer_.second_moments());
  all.emplace_back("free_moment", &free_optimizer_.second_moments());
  add_moments("document", document_side_.layer_trainer().state());
  add_moments("label", label_side_.layer_trainer().state());
  return all;
}

void BagTrainer::save_checkpoint(const std::filesystem::path& file) {
  SectionFileWriter writer(file, "checkpoint", kCheckpointVersion);
  writer.add("identity", identity());
  writer.add("state", state_text(state_));
  for (const auto& [name, tensor] : tensors()) writer.add(name, std::as_bytes(std::span(*tensor)));
  writer.commit(file.parent_path());
}

void BagTrainer::load_checkpoint(const std::filesystem::path& file) {
  const SectionFileReader reader(file, "checkpoint", kCheckpointVersion);
  ensure(reader.text("identity") == identity(), ErrorKind::kIncompatible,
         "resuming a training: its checkpoint was made with other options or another corpus; "
         "give the same options, or train without --resume");
  const TrainingState state = read_state(reader.text("state"));
  for (const auto& [name, tensor] : tensors()) {
    const std::span<const std::byte> bytes = reader.section(name);
    ensure(bytes.size() == tensor->size() * sizeof(float), ErrorKind::kCorrupt,
           fmt::format(
               "resuming a training: section {} of the checkpoint has {} bytes where {} belong; "
               "train without --resume",
               name, bytes.size(), tensor->size() * sizeof(float)));
    std::memcpy(tensor->data(), bytes.data(), bytes.size());
  }
  state_ = state;
}

}  // namespace dexter
