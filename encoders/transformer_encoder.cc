// The transformer encoder of a store: options, tokenizer and weights in one file.
#include "encoders/transformer_encoder.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <memory>
#include <utility>

#include "encoders/bag_model.h"
#include "encoders/option_range.h"
#include "encoders/options_text.h"
#include "encoders/transformer_tower.h"
#include "encoders/wordpiece.h"

namespace dexter {
namespace {

class TransformerEncoder final : public Encoder {
 public:
  TransformerEncoder(const SectionFileReader& file, std::string fingerprint)
      : fingerprint_(std::move(fingerprint)), tokenizer_(file.text("tokenizer"), "an encoder") {
    OptionsReader reader(file.text("options"));
    visit(reader, options_);
    options_.validate();
    const TransformerShape shape = shape_of(options_, file.text("config"));
    const Pooling pooling = pooling_named(options_.pooling);
    const auto read_tower = [&](const char* section) {
      const auto parameters = read_parameters(
          shape, SafetensorsReader(file.section(section), "an encoder's weights"), pooling);
      for (const FloatTensor& parameter : parameters) parameters_ += parameter.values.size();
      return std::make_shared<const TransformerTower>(
          shape, pooling, parameters, precision_named(options_.precision), options_.device);
    };
    tower_ = read_tower("weights");
    label_tower_ = options_.separate() ? read_tower("label_weights") : tower_;
  }

  EmbeddingMatrix encode(std::span<const std::string> texts) const override {
    return encode_all(*tower_, texts.size(), options_.document_prefix,
                      [&](std::size_t i) -> const std::string& { return texts[i]; });
  }
  EmbeddingMatrix encode_labels(std::span<const Label> labels) const override {
    return encode_all(*label_tower_, labels.size(), options_.label_prefix,
                      [&](std::size_t i) -> const std::string& { return labels[i].text; });
  }

  int dim() const override { return options_.dim; }
  std::string_view kind() const override { return "transformer"; }
  std::string fingerprint() const override { return fingerprint_; }
  std::size_t parameter_count() const override { return parameters_; }

 private:
  template <class TextOf>
  EmbeddingMatrix encode_all(const TransformerTower& tower, std::size_t rows,
                             const std::string& prefix, const TextOf& text_of) const {
    std::vector<std::vector<std::int32_t>> ids(rows);
    const auto longest = static_cast<std::size_t>(options_.max_tokens);
#pragma omp parallel for schedule(dynamic, 64) if (rows > 64)
    for (std::size_t i = 0; i < rows; ++i) {
      constexpr std::size_t kFrame = 2;  // a text without a token of its own has no vector
      std::vector<std::int32_t> own = tokenizer_.encode(text_of(i), longest);
      if (own.size() <= kFrame) continue;
      ids[i] = prefix.empty() ? std::move(own) : tokenizer_.encode(prefix + text_of(i), longest);
    }
    const std::size_t batch = tower.batch_tokens();
    EmbeddingMatrix vectors = tower.encode(ids, options_.dim);
    if (tower.batch_tokens() < batch)
      spdlog::warn("encoding: memory ran out with batches of {} tokens; they have {} from now on",
                   batch, tower.batch_tokens());
    return vectors;
  }

  std::string fingerprint_;
  TransformerOptions options_;
  WordPiece tokenizer_;
  std::size_t parameters_ = 0;
  std::shared_ptr<const TransformerTower> tower_, label_tower_;  // may be one
};

}  // namespace

std::vector<int> TransformerOptions::prefixes() const {
  std::vector<int> numbers;
  for (std::size_t first = 0; first < prefix_dims.size();) {
    const std::size_t end = std::min(prefix_dims.find(',', first), prefix_dims.size());
    const char* text = prefix_dims.data();
    int number = 0;
    const auto [last, error] = std::from_chars(text + first, text + end, number);
    ensure(error == std::errc() && last == text + end && number >= 1, ErrorKind::kInvalidInput,
           fmt::format("transformer.prefix_dims is \"{}\", but must be numbers of dimensions with "
                       "commas between, as 64,128",
                       prefix_dims));
    numbers.push_back(number);
    first = end + 1;
  }
  return numbers;
}

void TransformerOptions::validate() const {
  prefixes();
  if (pooling != "auto") pooling_named(pooling);
  ensure(towers == "shared" || towers == "separate", ErrorKind::kInvalidInput,
         fmt::format("transformer.towers is \"{}\", but must be shared or separate", towers));
  ensure_in_range("transformer", "max_tokens", max_tokens, 0, 1 << 16);
  ensure_in_range("transformer", "projection", projection, 0, 1 << 15);
  ensure_in_range("transformer", "dim", dim, 0, 1 << 15);
  ensure_in_range("transformer", "learning_rate", learning_rate, 0.0, 1.0);
  ensure_in_range("transformer", "weight_decay", weight_decay, 0.0, 1.0);
  ensure_in_range("transformer", "dropout", dropout, 0.0, 0.95);
  ensure_in_range("transformer", "average", average, 0.0, 0.999999);
  ensure_in_range("transformer", "clip", clip, 0.0, 1e9);
  ensure_in_range("transformer", "chunk_tokens", chunk_tokens, 1, 1 << 24);
  ensure(device == "auto" || device == "cpu" || device == "cuda", ErrorKind::kInvalidInput,
         fmt::format("transformer.device is \"{}\", but must be auto, cpu or cuda", device));
  for (const std::string* prefix : {&document_prefix, &label_prefix})
    ensure(
        prefix->find('\n') == std::string::npos, ErrorKind::kInvalidInput,
        "transformer.document_prefix and label_prefix are one line each; leave the line break out");
  ensure(
      precision == "float32" || precision == "bfloat16", ErrorKind::kInvalidInput,
      fmt::format("transformer.precision is \"{}\", but must be float32 or bfloat16", precision));
}

Precision precision_named(std::string_view name) {
  return name == "bfloat16" ? Precision::kBfloat16 : Precision::kFloat32;
}

TransformerShape shape_of(const TransformerOptions& options, std::string_view config,
                          const std::string& source) {
  TransformerShape shape = read_shape(config, source);
  shape.projection = options.projection;
  return shape;
}

TransformerOptions resolved(const TransformerOptions& options,
                            const TransformerCheckpoint& checkpoint) {
  TransformerOptions own = options;
  if (own.projection == 0) own.projection = checkpoint.projection;
  const TransformerShape shape = shape_of(own, checkpoint.config, "config.json");
  ensure(checkpoint.projection == 0 || own.projection == checkpoint.projection,
         ErrorKind::kInvalidInput,
         fmt::format("transformer.projection is {}, but the checkpoint projects to {} dimensions; "
                     "leave it 0, and keep fewer by transformer.dim",
                     own.projection, checkpoint.projection));
  ensure(checkpoint.projection > 0 || own.projection <= shape.hidden, ErrorKind::kInvalidInput,
         fmt::format("transformer.projection is {}, but the checkpoint has {} dimensions, of which "
                     "no linear map makes more; give at most these",
                     own.projection, shape.hidden));
  if (own.pooling == "auto") own.pooling = name_of(checkpoint.pooling);
  if (own.max_tokens == 0) own.max_tokens = checkpoint.max_tokens;
  if (own.dim == 0) own.dim = shape.dim();
  ensure(own.dim <= shape.dim(), ErrorKind::kInvalidInput,
         fmt::format("transformer.dim is {}, but the checkpoint has {} dimensions; keep at most "
                     "these",
                     own.dim, shape.dim()));
  for (const int prefix : own.prefixes())
    ensure(prefix < own.dim, ErrorKind::kInvalidInput,
           fmt::format("transformer.prefix_dims has {}, but a vector has {} dimensions; name fewer",
                       prefix, own.dim));
  ensure(own.max_tokens >= 3 && own.max_tokens <= shape.positions, ErrorKind::kInvalidInput,
         fmt::format("transformer.max_tokens is {}, but must lie in 3 to the checkpoint's {}",
                     own.max_tokens, shape.positions));
  return own;
}

FileRef save_transformer(const TransformerOptions& options, const TransformerCheckpoint& checkpoint,
                         const std::filesystem::path& root, const std::string& name) {
  OptionsWriter writer;
  writer("kind", "transformer", "");
  TransformerOptions copy = options;
  copy.weights.clear();  // the same weights make the same file, wherever they lay
  copy.device = "auto";  // and wherever they were trained
  visit(writer, copy);
  const WordPiece tokenizer(checkpoint.tokenizer, "tokenizer.json");
  const TransformerShape shape = shape_of(options, checkpoint.config, "config.json");
  ensure(tokenizer.id_count() <= shape.vocabulary, ErrorKind::kIncompatible,
         fmt::format("reading a checkpoint: its tokenizer has {} ids but its model {} rows; give "
                     "the files of one model",
                     tokenizer.id_count(), shape.vocabulary));
  const Pooling pooling = pooling_named(options.pooling);
  const auto parameters = parameters_in(checkpoint, shape, pooling);  // all are there
  SectionFileWriter file(root / name, "encoder", kEncoderFileVersion);
  file.add("options", writer.text());
  file.add("config", checkpoint.config);
  file.add("tokenizer", checkpoint.tokenizer);
  const bool more = learns(pooling) || shape.projection > 0;  // than the checkpoint need have
  file.add("weights", more ? write_safetensors(parameters) : checkpoint.weights);
  if (options.separate()) file.add("label_weights", checkpoint.label_weights);
  return file.commit(root);
}

TransformerCheckpoint read_weights(const TransformerOptions& options) {
  options.validate();
  ensure(!options.weights.empty(), ErrorKind::kInvalidInput,
         "training a transformer: transformer.weights is empty; give --weights the folder of a "
         "checkpoint (tools/fetch-encoder brings one)");
  return read_checkpoint(options.weights);
}

TrainReport adopt_transformer(const TransformerOptions& options, const std::filesystem::path& root,
                              const std::string& encoder_file) {
  const auto start = std::chrono::steady_clock::now();
  const TransformerCheckpoint checkpoint = read_weights(options);
  TransformerOptions own = resolved(options, checkpoint);
  own.towers = "shared";  // two that did not learn would be one
  TrainReport report;
  report.encoder.file = save_transformer(own, checkpoint, root, encoder_file);
  report.encoder.kind = "transformer";
  report.encoder.fingerprint = report.encoder.file.checksum;
  report.encoder.dim = own.dim;
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

std::unique_ptr<Encoder> make_transformer_encoder(SectionFileReader file, std::string fingerprint) {
  return std::make_unique<TransformerEncoder>(file, std::move(fingerprint));
}

}  // namespace dexter
