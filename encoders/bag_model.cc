// Initial values and the file of the bag encoder.
#include "encoders/bag_model.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <random>

#include "encoders/options_text.h"
#include "encoders/row_kernels.h"

namespace dexter {
namespace {

constexpr float kInitialDeviation =
    0.1f;  // small against a trained row, large enough to tell texts apart

void fill_normal(std::vector<float>& values, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0, kInitialDeviation);
  for (float& value : values) value = normal(random);
}

// A section in half precision, by chunks.
void add_halves(SectionFileWriter& file, std::string_view name, std::span<const float> values) {
  constexpr std::size_t kChunk = 1u << 20;
  std::vector<std::uint16_t> chunk(std::min(kChunk, values.size()));
  file.begin(name);
  for (std::size_t first = 0; first < values.size(); first += kChunk) {
    const std::size_t count = std::min(kChunk, values.size() - first);
    row_kernels().to_half(values.data() + first, chunk.data(), count);
    file.append(std::as_bytes(std::span(chunk.data(), count)));
  }
  file.end();
}

}  // namespace

FeatureOptions feature_options(const EncoderOptions& options) {
  return {.min_count = options.min_count,
          .max_features = options.max_features,
          .ngram = options.ngram,
          .short_ngram = options.short_ngram,
          .pairs = options.pairs,
          .pair_weight = static_cast<float>(options.pair_weight),
          .ngram_weight = static_cast<float>(options.ngram_weight)};
}

std::uint64_t label_fingerprint(const Label& label) {
  const std::uint64_t key = XXH3_64bits(label.key.data(), label.key.size());
  return XXH3_64bits_withSeed(label.text.data(), label.text.size(), key);
}

BagModel BagModel::initial(const EncoderOptions& options, const TrainingSet& set,
                           std::uint64_t seed) {
  BagModel model;
  model.options = options;
  model.options.blocks = options.block_count();
  model.text_kind = set.text_kind;
  VocabularyBuilder builder(feature_options(options));
  for (const Example& example : set.train) builder.add(example.text, set.text_kind);
  if (set.text_kind == TextKind::kNatural)
    for (const Label& label : set.labels) builder.add(label.text, set.text_kind);
  model.vocabulary = builder.build();
  const auto dim = static_cast<std::size_t>(options.dim);
  model.table.resize(model.vocabulary.size() * dim);
  fill_normal(model.table, seed);
  model.document_layer.initialise(options.dim, options.hidden, seed + 1);
  model.label_layer.initialise(options.dim, options.hidden, seed + 2);
  model.free_vectors.assign(set.labels.size() * dim, 0);
  for (const Label& label : set.labels)
    model.label_fingerprints.push_back(label_fingerprint(label));
  if (set.text_kind == TextKind::kSparse)
    fill_normal(model.free_vectors, seed + 3);  // labels have no text
  return model;
}

FileRef BagModel::save(const std::filesystem::path& root, const std::string& name) const {
  SectionFileWriter file(root / name, "encoder", kEncoderFileVersion);
  file.add("options", options_text(options, text_kind));
  file.add("feature_hashes", std::as_bytes(vocabulary.hashes()));
  add_halves(file, "feature_vectors", table);
  file.add("document_w1", std::as_bytes(std::span(document_layer.w1)));
  file.add("document_w2", std::as_bytes(std::span(document_layer.w2)));
  file.add("label_w1", std::as_bytes(std::span(label_layer.w1)));
  file.add("label_w2", std::as_bytes(std::span(label_layer.w2)));
  file.add("label_fingerprints", std::as_bytes(std::span(label_fingerprints)));
  add_halves(file, "free_vectors", free_vectors);
  return file.commit(root);
}

}  // namespace dexter
