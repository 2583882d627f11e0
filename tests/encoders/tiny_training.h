#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "encoders/trainer.h"
#include "storage/embedding_matrix.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_corpus.h"

// A training small enough for every test to run its own.
namespace dexter::testing {

inline TrainingSet tiny_set() {
  return {.text_kind = TextKind::kNatural,
          .labels = tiny::labels(),
          .train = tiny::train(),
          .validation = {},
          .guessed = {}};
}

// The tiny corpus with every distinct lower-case word as a feature number, and labels without text.
inline TrainingSet sparse_set() {
  TrainingSet set = tiny_set();
  set.text_kind = TextKind::kSparse;
  for (Label& label : set.labels) label.text.clear();
  for (Example& example : set.train) {
    std::string sparse;
    std::uint64_t word = 0;
    for (const char c : example.text + " ") {
      if (c != ' ') {
        word = word * 31 + static_cast<unsigned char>(c);
        continue;
      }
      sparse += std::to_string(word % 100'003) + ":1.5 ";
      word = 0;
    }
    example.text = sparse;
  }
  return set;
}

// Every option that matters is given, so that no test depends on a default.
struct TinyTraining {
  EncoderOptions encoder{.kind = "bag",
                         .dim = 16,
                         .blocks = 1,
                         .hidden = 16,
                         .pairs = true,
                         .ngram = 4,
                         .short_ngram = 0,
                         .pair_weight = 1,
                         .ngram_weight = 1,
                         .min_count = 1};
  LossOptions loss{.name = "decoupled_softmax", .temperature = 0.05, .logit_adjustment = 0};
  TrainerOptions options{.epochs = 8,
                         .batch = 8,
                         .hard_negatives = 0,
                         .negatives = 0,
                         .learning_rate = 0.05,
                         .network_learning_rate = 0.001,
                         .warmup = 0.02,
                         .feature_dropout = 0,
                         .label_documents = true,
                         .free_vectors = true,
                         .free_cluster = 0,
                         .validation_fraction = 0,
                         .patience = 2,
                         .checkpoint_seconds = 0,
                         .seed = 1};
  TrainingSet set = tiny_set();
  NeighbourSearch neighbours;
  std::filesystem::path checkpoint;
  std::function<void(const EpochRecord&)> on_epoch = [](const EpochRecord&) {};
  Progress progress;

  TrainReport run(const std::filesystem::path& root, const std::string& file = "encoder",
                  bool resume = false) const {
    return train_encoder(encoder, loss, options, set, root, file, checkpoint, resume, neighbours,
                         on_epoch, progress);
  }
};

inline float dot(std::span<const float> a, std::span<const float> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0F);
}

// The other rows by descending inner product.
inline std::vector<std::uint32_t> brute_force_neighbours(EmbeddingView vectors, int k) {
  std::vector<std::uint32_t> found;
  for (std::uint32_t i = 0; i < vectors.rows(); ++i) {
    std::vector<std::uint32_t> order;
    for (std::uint32_t j = 0; j < vectors.rows(); ++j)
      if (j != i) order.push_back(j);
    std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
      return dot(vectors.row(i), vectors.row(a)) > dot(vectors.row(i), vectors.row(b));
    });
    order.resize(static_cast<std::size_t>(k), 0xffffffffu);
    found.insert(found.end(), order.begin(), order.end());
  }
  return found;
}

// Percent of the examples whose best label is one of their own.
inline double precision_at_1(const Encoder& encoder, const std::vector<Label>& labels,
                             const std::vector<Example>& examples) {
  std::vector<std::string> texts;
  for (const Example& example : examples) texts.push_back(example.text);
  const EmbeddingMatrix documents = encoder.encode(texts), rows = encoder.encode_labels(labels);
  int hits = 0;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    std::size_t best = 0;
    for (std::size_t j = 1; j < labels.size(); ++j)
      if (dot(documents.row(i), rows.row(j)) > dot(documents.row(i), rows.row(best))) best = j;
    const auto& own = examples[i].labels;
    hits += std::find(own.begin(), own.end(), labels[best].id) != own.end();
  }
  return 100.0 * hits / static_cast<double>(examples.size());
}

}  // namespace dexter::testing
