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
// The first four pool the last layer's states and learn nothing. The others learn to pool the mean
// states m_1 .. m_L of every layer's tokens:
//   kLayers:    sum_j w_j m_j, w = softmax(100 s), s a score a layer (Peters et al., Deep
//               Contextualized Word Representations, NAACL 2018). By the factor the learning rate
//               of the rest suits the scores.
//   kAttention: m_L + W (o_1; ..; o_4) + b, where each learnt query q_r attends to the layers:
//               o_r = sum_j a_rj (m_j + p_j), a_r = softmax_j(q_r (m_j + p_j) / sqrt(hidden))
//               (multi-layer trainable pooling; Tang and Yang, Pooling and Attention: What Are
//               Effective Designs for LLM-Based Embedding Models?, 2024).
enum class Pooling { kMean, kCls, kLast, kMax, kLayers, kAttention };
inline constexpr float kLayerScoreScale = 100;
constexpr bool learns(Pooling pooling) { return pooling >= Pooling::kLayers; }

struct TransformerShape {
  Family family = Family::kBert;
  int layers = 0, hidden = 0, heads = 0, intermediate = 0;
  int vocabulary = 0, positions = 0;
  int types = 0;  // token types; only the first is used
  double epsilon = 1e-12;
  Activation activation = Activation::kGelu;
  // Of a learnt affine map of the pooled vector, 0 for none; no config.json says it.
  int projection = 0;
  int dim() const { return projection > 0 ? projection : hidden; }  // of a vector
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
// After them what the pooling learns, "pooling." before its names: the layers' scores; or each
// layer's p, the queries, W and b. Last the projection's weight and bias, "projection." before.
std::vector<ParameterInfo> parameters_of(const TransformerShape& shape,
                                         Pooling pooling = Pooling::kMean);

// The parameters in that order. The model's prefix ("bert.") may stand before their names. What a
// pooling or a projection learns and `file` lacks, as a checkpoint without it does, has initial
// values, always the same, that pool nearly (kLayers) or exactly (kAttention) as kMean and project
// to the leading dimensions.
std::vector<FloatTensor> read_parameters(const TransformerShape& shape,
                                         const SafetensorsReader& file,
                                         Pooling pooling = Pooling::kMean);

struct TransformerCheckpoint {
  std::string config;         // config.json
  std::string tokenizer;      // tokenizer.json, made of vocab.txt where there is none
  std::string weights;        // model.safetensors
  std::string dense;          // that of its module of a projection; empty without one
  int projection = 0;         // the dimensions of that
  std::string label_weights;  // as `weights`, of labels; empty where both sides share these
  Pooling pooling = Pooling::kMean;
  int max_tokens = 0;  // at most the model's positions
};

// Reads config.json, model.safetensors, tokenizer.json or vocab.txt with tokenizer_config.json, and
// where they are 1_Pooling/config.json, modules.json with the folder of its Dense module, and
// sentence_bert_config.json. kNotFound names the missing file; kIncompatible a module that dexter
// does not have.
TransformerCheckpoint read_checkpoint(const std::filesystem::path& folder);

// read_parameters of the checkpoint's weights, with the projection that its module has where these
// have none.
std::vector<FloatTensor> parameters_in(const TransformerCheckpoint& checkpoint,
                                       const TransformerShape& shape, Pooling pooling);

// "mean", "cls", "last", "max", "layers" or "attention"; kInvalidInput for another.
Pooling pooling_named(std::string_view name);
std::string_view name_of(Pooling pooling);

}  // namespace dexter
