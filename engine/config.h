#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "encoders/feedback_trainer.h"
#include "encoders/trainer.h"
#include "encoders/transformer_options.h"
#include "engine/document_options.h"
#include "engine/language_model.h"
#include "engine/self_training.h"
#include "engine/serve_options.h"
#include "index/vector_index.h"

namespace dexter {

struct RuntimeOptions {
  int threads = 0;            // 0: all cores this process may use
  double rank_timeout = 600;  // seconds that a process waits for another
  void validate() const;
};

template <class Visitor>
void visit(Visitor& v, RuntimeOptions& o) {
  v("threads", o.threads, "threads of LibTorch, FAISS and RocksDB; 0 takes every core");
  v("rank_timeout", o.rank_timeout,
    "seconds that a process waits for the others that train or index with it, before it gives up");
}

// Every option of dexter, nested as its dotted keys read: encoder.dim, loss.temperature,
// train.epochs, index.probes. Each struct describes its fields once, by the `visit` beside it; that
// description gives JSON both ways, `--set` and the help.
struct Config {
  EncoderOptions encoder;
  TransformerOptions transformer;
  LossOptions loss;
  TrainerOptions train;
  TeacherOptions teacher;
  SelfTrainingOptions self_train;
  FeedbackOptions demos;
  LanguageModelOptions lm;
  IndexOptions index;
  DocumentOptions documents;  // its keys are among those of `index`
  RuntimeOptions runtime;
  ServeOptions serve;
  void validate() const;  // kInvalidInput naming the option, its value and its range
};

struct ConfigField {
  std::string key;  // "index.probes"
  std::string value;
  std::string default_value;
  std::string description;
};

// All fields in the order of the structs.
std::vector<ConfigField> describe(const Config& config);
// {"encoder": {"kind": "bag", ...}, "loss": {...}, ...}; numbers read back to the same values.
std::string to_json(const Config& config);

// The three below change `config` only when the whole of their input is good. Errors: kInvalidInput
// names `source`, and an unknown key with its nearest neighbour, or a wrong type with both types.
// None of them calls `validate`, so that an option may be right only together with a later one.

// Lays the keys of a JSON object over `config`; keys nest or are dotted.
void merge_json(Config& config, std::string_view json, std::string_view source);
void merge_file(Config& config, const std::filesystem::path& file);  // kNotFound where it is absent
// "index.probes=32".
void merge_assignment(Config& config, std::string_view assignment);

struct Preset {
  std::string_view name;
  std::string_view summary;
  void (*apply)(Config& config);
};
const std::vector<Preset>& presets();
// A named set of values laid over `config`: "default", "fast". kInvalidInput names the nearest one.
void apply_preset(Config& config, std::string_view name);

}  // namespace dexter
