#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "encoders/trainer.h"
#include "engine/evaluator.h"
#include "index/vector_index.h"

namespace dexter {

struct RuntimeOptions {
  int threads = 0;  // 0: all cores this process may use
};

template <class Visitor>
void visit(Visitor& v, RuntimeOptions& o) {
  v("threads", o.threads, "threads of LibTorch, FAISS and RocksDB; 0 takes every core");
}

// Every option of dexter, nested as its dotted keys read: encoder.dim, loss.temperature, train.epochs, index.probes.
struct Config {
  EncoderOptions encoder;
  LossOptions loss;
  TrainerOptions train;
  IndexOptions index;
  RuntimeOptions runtime;
  void validate() const;
};

struct ConfigField {
  std::string key;  // "index.probes"
  std::string value;
  std::string default_value;
  std::string description;
};

std::vector<ConfigField> describe(const Config& config);
std::string to_json(const Config& config);
// Lays the keys of a JSON object over `config`. kInvalidInput names an unknown key, its nearest neighbour, and `source`.
void merge_json(Config& config, std::string_view json, std::string_view source);
void merge_file(Config& config, const std::filesystem::path& file);
// "index.probes=32".
void merge_assignment(Config& config, std::string_view assignment);
// A named set of values laid over the defaults: "default", "fast".
void apply_preset(Config& config, std::string_view name);

}  // namespace dexter
