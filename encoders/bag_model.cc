// Initial values and the file of the bag encoder.
#include "encoders/bag_model.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <spdlog/fmt/fmt.h>

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

// A section of `rows` rows in half precision, by chunks; a row has those of all blocks side by
// side, each what `row_of(block, row)` points to.
template <class RowOf>
void add_halves(SectionFileWriter& file, std::string_view name, const BagModel& model,
                std::size_t rows, const RowOf& row_of) {
  constexpr std::size_t kChunkRows = 1024;
  const auto dim = static_cast<std::size_t>(model.options.dim);
  const auto width = static_cast<std::size_t>(model.width());
  std::vector<std::uint16_t> chunk(kChunkRows * dim);
  file.begin(name);
  for (std::size_t first = 0; first < rows; first += kChunkRows) {
    const std::size_t count = std::min(kChunkRows, rows - first);
    for (std::size_t b = 0; b < model.blocks.size(); ++b)
      for (std::size_t i = 0; i < count; ++i)
        row_kernels().to_half(row_of(model.blocks[b], first + i), &chunk[i * dim + b * width],
                              width);
    file.append(std::as_bytes(std::span(chunk.data(), count * dim)));
  }
  file.end();
}

BagBatch own_rows(std::size_t labels) {
  BagBatch rows;
  for (std::uint32_t label = 0; label < labels; ++label) {
    rows.features.push_back({label, 1});
    rows.offsets.push_back(rows.features.size());
  }
  return rows;
}

// The blocks' weights one after the other.
void add_weights(SectionFileWriter& file, std::string_view name, const BagModel& model,
                 ResidualLayer BagBlock::*layer, std::vector<float> ResidualLayer::*weights) {
  file.begin(name);
  for (const BagBlock& block : model.blocks)
    file.append(std::as_bytes(std::span(block.*layer.*weights)));
  file.end();
}

// The inverse of add_halves and of add_weights, for `rows` rows of all blocks.
void read_halves(const SectionFileReader& file, std::string_view name, std::size_t rows,
                 BagModel& model, std::vector<float> BagBlock::*values) {
  const auto dim = static_cast<std::size_t>(model.options.dim);
  const auto width = static_cast<std::size_t>(model.width());
  const auto halves = file.values<std::uint16_t>(name, rows * dim);
  for (std::size_t b = 0; b < model.blocks.size(); ++b) {
    std::vector<float>& out = model.blocks[b].*values;
    out.resize(rows * width);
    for (std::size_t i = 0; i < rows; ++i)
      row_kernels().from_half(&halves[i * dim + b * width], &out[i * width], width);
  }
}

void read_weights(const SectionFileReader& file, std::string_view name, BagModel& model,
                  ResidualLayer BagBlock::*layer, std::vector<float> ResidualLayer::*weights) {
  const auto own = static_cast<std::size_t>(model.width() * model.options.hidden);
  const auto all = file.values<float>(name, own * model.blocks.size());
  auto first = all.begin();
  for (BagBlock& block : model.blocks) {
    const auto last = first + static_cast<std::ptrdiff_t>(own);
    (block.*layer).dim = model.width();
    (block.*layer).hidden = model.options.hidden;
    (block.*layer.*weights).assign(first, last);
    first = last;
  }
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
  for (const auto* examples : {&set.train, &set.guessed})
    for (const Example& example : *examples) builder.add(example.text, set.text_kind);
  if (set.text_kind == TextKind::kNatural)
    for (const Label& label : set.labels) builder.add(label.text, set.text_kind);
  model.vocabulary = builder.build();
  for (const Label& label : set.labels)
    model.label_fingerprints.push_back(label_fingerprint(label));
  model.free_rows = own_rows(set.labels.size());
  const auto width = static_cast<std::size_t>(model.width());
  model.blocks.resize(static_cast<std::size_t>(model.options.blocks));
  for (std::uint64_t salt = 4 * seed; BagBlock & block : model.blocks) {
    block.table.resize(model.vocabulary.size() * width);
    fill_normal(block.table, salt++);
    block.document_layer.initialise(model.width(), options.hidden, salt++);
    block.label_layer.initialise(model.width(), options.hidden, salt++);
    block.free_vectors.assign(set.labels.size() * width, 0);
    if (set.text_kind == TextKind::kSparse)
      fill_normal(block.free_vectors, salt);  // labels have no text
    ++salt;
  }
  return model;
}

BagModel BagModel::read(const SectionFileReader& file) {
  BagModel model;
  read_options_text(file.text("options"), model.options, model.text_kind);
  model.options.blocks = model.options.block_count();
  model.blocks.resize(static_cast<std::size_t>(model.options.blocks));
  const std::size_t features = file.section("feature_hashes").size() / sizeof(std::uint64_t);
  const std::size_t labels = file.section("label_fingerprints").size() / sizeof(std::uint64_t);
  const auto hashes = file.values<std::uint64_t>("feature_hashes", features);
  model.vocabulary = FeatureVocabulary({hashes.begin(), hashes.end()});
  const auto fingerprints = file.values<std::uint64_t>("label_fingerprints", labels);
  model.label_fingerprints.assign(fingerprints.begin(), fingerprints.end());
  model.free_rows = own_rows(labels);
  read_halves(file, "feature_vectors", features, model, &BagBlock::table);
  read_halves(file, "free_vectors", labels, model, &BagBlock::free_vectors);
  read_weights(file, "document_w1", model, &BagBlock::document_layer, &ResidualLayer::w1);
  read_weights(file, "document_w2", model, &BagBlock::document_layer, &ResidualLayer::w2);
  read_weights(file, "label_w1", model, &BagBlock::label_layer, &ResidualLayer::w1);
  read_weights(file, "label_w2", model, &BagBlock::label_layer, &ResidualLayer::w2);
  return model;
}

BagModel BagModel::load(const std::filesystem::path& root, const FileRef& ref) {
  const SectionFileReader file(root, ref, "encoder", kEncoderFileVersion);
  const std::string kind = OptionsReader(file.text("options")).value("kind");
  ensure(kind == "bag", ErrorKind::kInvalidInput,
         fmt::format("training on: {} holds an encoder of kind {}, but only a bag encoder can be "
                     "trained on from its file; train one with --encoder bag",
                     ref.name, kind));
  return read(file);
}

FileRef BagModel::save(const std::filesystem::path& root, const std::string& name) const {
  SectionFileWriter file(root / name, "encoder", kEncoderFileVersion);
  const auto rows_wide = static_cast<std::size_t>(width());
  std::vector<float> sum(rows_wide);
  file.add("options", options_text(options, text_kind));
  file.add("feature_hashes", std::as_bytes(vocabulary.hashes()));
  add_halves(file, "feature_vectors", *this, vocabulary.size(),
             [&](const BagBlock& block, std::size_t row) { return &block.table[row * rows_wide]; });
  add_weights(file, "document_w1", *this, &BagBlock::document_layer, &ResidualLayer::w1);
  add_weights(file, "document_w2", *this, &BagBlock::document_layer, &ResidualLayer::w2);
  add_weights(file, "label_w1", *this, &BagBlock::label_layer, &ResidualLayer::w1);
  add_weights(file, "label_w2", *this, &BagBlock::label_layer, &ResidualLayer::w2);
  file.add("label_fingerprints", std::as_bytes(std::span(label_fingerprints)));
  add_halves(file, "free_vectors", *this, label_fingerprints.size(),
             [&](const BagBlock& block, std::size_t label) {
               const auto rows = free_rows.row(label);
               row_kernels().bag(rows.data(), rows.size(), block.free_vectors.data(), width(),
                                 sum.data());
               return sum.data();
             });
  return file.commit(root);
}

}  // namespace dexter
