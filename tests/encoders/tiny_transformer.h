#pragma once

#include <cmath>
#include <cstddef>
#include <filesystem>
#include <string>

#include "encoders/transformer_checkpoint.h"
#include "tests/support/temp_dir.h"

// A checkpoint folder small enough for every test to write its own, with weights by a formula that
// transformer_reference.py knows as well.
namespace dexter::testing {

inline constexpr const char* kTinyVocabulary =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nun\n##aff\n##able\ncafe\ni\n,\n!\n中\nσισυφοσ\n##s\na\n"
    "##b\n";

inline std::string tiny_config(Family family) {
  if (family == Family::kDistilBert)
    return R"({"model_type": "distilbert", "n_layers": 2, "dim": 16, "n_heads": 4,
               "hidden_dim": 32, "vocab_size": 17, "max_position_embeddings": 12,
               "activation": "gelu"})";
  return R"({"model_type": "bert", "num_hidden_layers": 2, "hidden_size": 16,
             "num_attention_heads": 4, "intermediate_size": 32, "vocab_size": 17,
             "max_position_embeddings": 12, "type_vocab_size": 2, "hidden_act": "gelu"})";
}

// Value i of tensor t is 0.3 sin(1.7 t + 0.9 i + 0.1), and 1 more in the weights of normalisations;
// scores of layers, which count a hundredfold, are a hundredth of that.
inline std::string tiny_weights(Family family, const std::string& prefix = "",
                                Pooling pooling = Pooling::kMean, int projection = 0) {
  TransformerShape shape = read_shape(tiny_config(family), "tiny");
  shape.projection = projection;
  std::vector<FloatTensor> tensors;
  for (const ParameterInfo& info : parameters_of(shape, pooling)) {
    std::size_t count = 1;
    for (const std::int64_t size : info.shape) count *= static_cast<std::size_t>(size);
    const double phase = 1.7 * static_cast<double>(tensors.size()) + 0.1;
    const bool normalises = info.name.ends_with("orm.weight");
    const double scale = info.name == "pooling.scores" ? 0.003 : 0.3;
    FloatTensor tensor{prefix + info.name, info.shape, {}};
    for (std::size_t i = 0; i < count; ++i)
      tensor.values.push_back(static_cast<float>(
          scale * std::sin(phase + 0.9 * static_cast<double>(i)) + (normalises ? 1 : 0)));
    tensors.push_back(std::move(tensor));
  }
  return write_safetensors(tensors);
}

inline void write_tiny_checkpoint(const std::filesystem::path& folder,
                                  Family family = Family::kBert, Pooling pooling = Pooling::kMean,
                                  int projection = 0) {
  std::filesystem::create_directories(folder);
  write_bytes(folder / "config.json", tiny_config(family));
  write_bytes(folder / "vocab.txt", kTinyVocabulary);
  write_bytes(folder / "model.safetensors", tiny_weights(family, "", pooling, projection));
}

}  // namespace dexter::testing
