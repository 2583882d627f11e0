#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "encoders/safetensors.h"

namespace dexter {

// BERT-family checkpoints in the layout of the Python ecosystem.

enum class Family { kBert, kDistilBert };
enum class Activation { kGelu, kGeluTanh, kRelu };
enum class Pooling { kMean, kCls, kLast, kMax };

struct TransformerShape {
  Family family = Family::kBert;
  int layers = 0, hidden = 0, heads = 0, intermediate = 0;
  int vocabulary = 0, positions = 0;
  int types = 0;  // token types; only the first is used
  double epsilon = 1e-12;
  Activation activation = Activation::kGelu;
};

// Of a config.json. kIncompatible names what another architecture asks for, kCorrupt what is
// missing or impossible.
TransformerShape read_shape(std::string_view config, const std::string& source);

struct ParameterInfo {
  std::string name;  // in model.safetensors, without the model's prefix
  std::vector<std::int64_t> shape;
};
// Embeddings (word, position and, for BERT, type; weight and bias of their normalisation), then of
// each layer weight and bias of: query, key, value, attention output, its normalisation, the two
// feed-forward layers, their normalisation.
std::vector<ParameterInfo> parameters_of(const TransformerShape& shape);

// The parameters in that order. The model's prefix ("bert.") may stand before their names.
std::vector<FloatTensor> read_parameters(const TransformerShape& shape,
                                         const SafetensorsReader& file);

struct TransformerCheckpoint {
  std::string config;     // config.json
  std::string tokenizer;  // tokenizer.json, made of vocab.txt where there is none
  std::string weights;    // model.safetensors
  Pooling pooling = Pooling::kMean;
  int max_tokens = 0;  // at most the model's positions
};

// Reads config.json, model.safetensors, tokenizer.json or vocab.txt with tokenizer_config.json, and
// where they are 1_Pooling/config.json, modules.json and sentence_bert_config.json. kNotFound names
// the missing file; kIncompatible a module that dexter does not have.
TransformerCheckpoint read_checkpoint(const std::filesystem::path& folder);

// "mean", "cls", "last" or "max"; kInvalidInput for another.
Pooling pooling_named(std::string_view name);
std::string_view name_of(Pooling pooling);

}  // namespace dexter
