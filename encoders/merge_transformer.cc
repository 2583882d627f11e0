// The merge of transformers.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "encoders/merge_kinds.h"
#include "encoders/options_text.h"
#include "encoders/transformer_encoder.h"
#include "encoders/transformer_tower.h"
#include "encoders/wordpiece.h"

namespace dexter {
namespace {

TransformerOptions options_of(const SectionFileReader& file) {
  TransformerOptions options;
  OptionsReader reader(file.text("options"));
  visit(reader, options);
  return options;
}

// What decides how a text becomes a vector, beside the weights.
std::string encoding_of(const TransformerOptions& o) {
  return fmt::format(
      "{} towers, pooling {}, projection {}, {} tokens, {} dimensions, prefixes \"{}\" and \"{}\"",
      o.towers, o.pooling, o.projection, o.max_tokens, o.dim, o.document_prefix, o.label_prefix);
}

class TransformerMerge final : public EncoderMerge {
 public:
  TransformerMerge(std::span<const SectionFileReader> encoders, std::string method)
      : method_(std::move(method)), options_(options_of(encoders[0])) {
    checkpoint_.config = encoders[0].text("config");
    checkpoint_.tokenizer = encoders[0].text("tokenizer");
    shape_ = shape_of(options_, checkpoint_.config);
    for (const SectionFileReader& file : encoders) {
      check(file);
      parameters_.emplace_back();
      for (const char* section : {"weights", "label_weights"}) {
        if (!file.has(section)) continue;
        std::vector<FloatTensor> tower = read_parameters(
            shape_, SafetensorsReader(file.section(section), "an encoder's weights"),
            pooling_named(options_.pooling));
        tower_size_ = tower.size();
        std::move(tower.begin(), tower.end(), std::back_inserter(parameters_.back()));
      }
    }
    for (std::size_t t = 0; t < parameters_[0].size(); ++t)
      products_.push_back(inner_products(tensors_of(t)));
  }

  std::size_t count() const override { return parameters_.size(); }

  void judge_on(const MergeSample& sample) override {
    sample_ = &sample;
    const WordPiece tokenizer(checkpoint_.tokenizer, "an encoder");
    const auto longest = static_cast<std::size_t>(options_.max_tokens);
    documents_.clear();
    labels_.clear();
    for (const std::string& text : sample.documents)
      documents_.push_back(tokenizer.encode(options_.document_prefix + text, longest));
    for (const Label& label : sample.labels)
      labels_.push_back(tokenizer.encode(options_.label_prefix + label.text, longest));
  }

  ValidationScore score(std::span<const double> weights) override {
    const std::vector<FloatTensor> parameters = merged(weights);
    const auto tower_of = [&](std::span<const FloatTensor> part) {
      return TransformerTower(shape_, pooling_named(options_.pooling), part,
                              precision_named(options_.precision), options_.device);
    };
    const TransformerTower tower = tower_of(documents_part(parameters));
    const EmbeddingMatrix documents = tower.encode(documents_, options_.dim);
    const EmbeddingMatrix labels =
        options_.separate() ? tower_of(labels_part(parameters)).encode(labels_, options_.dim)
                            : tower.encode(labels_, options_.dim);
    return validate(documents.data(), documents.rows(), labels.data(), labels.rows(), options_.dim,
                    sample_->positives);
  }

 private:
  EncoderInfo write(std::span<const double> weights, const std::filesystem::path& root,
                    const std::string& name) override {
    const std::vector<FloatTensor> parameters = merged(weights);
    checkpoint_.weights = write_safetensors(documents_part(parameters));
    if (options_.separate()) checkpoint_.label_weights = write_safetensors(labels_part(parameters));
    EncoderInfo info;
    info.kind = "transformer";
    info.dim = options_.dim;
    info.file = save_transformer(options_, checkpoint_, root, name);
    info.fingerprint = info.file.checksum;
    return info;
  }

  void check(const SectionFileReader& other) const {
    constexpr std::string_view kThen = "merge encoders that began as one checkpoint";
    ensure_alike(checkpoint_.config == other.text("config"), "architectures", kThen);
    ensure_alike(checkpoint_.tokenizer == other.text("tokenizer"), "tokenizers", kThen);
    const std::string own = encoding_of(options_), others = encoding_of(options_of(other));
    ensure_alike(own == others, fmt::format("options ({}; {})", own, others),
                 "train all with the same");
  }

  // Each side's of all parameters: both share one tower, or have their own.
  std::span<const FloatTensor> documents_part(std::span<const FloatTensor> all) const {
    return all.first(tower_size_);
  }
  std::span<const FloatTensor> labels_part(std::span<const FloatTensor> all) const {
    return all.last(tower_size_);
  }

  MergedTensors tensors_of(std::size_t t) const {
    MergedTensors tensors;
    for (const auto& parameters : parameters_) tensors.emplace_back(parameters[t].values);
    return tensors;
  }

  std::vector<FloatTensor> merged(std::span<const double> weights) const {
    std::vector<FloatTensor> all;
    for (std::size_t t = 0; t < parameters_[0].size(); ++t) {
      const FloatTensor& own = parameters_[0][t];
      all.push_back({own.name, own.shape,
                     combined(tensors_of(t), merge_factors(weights, products_[t], method_))});
    }
    return all;
  }

  const std::string method_;
  const TransformerOptions options_;
  TransformerCheckpoint checkpoint_;
  TransformerShape shape_;
  std::size_t tower_size_ = 0;                        // tensors
  std::vector<std::vector<FloatTensor>> parameters_;  // by encoder; of labels' own tower at the end
  std::vector<std::vector<double>> products_;         // by tensor
  const MergeSample* sample_ = nullptr;
  std::vector<std::vector<std::int32_t>> documents_, labels_;  // the sample's tokens
};

}  // namespace

std::unique_ptr<EncoderMerge> make_transformer_merge(std::span<const SectionFileReader> encoders,
                                                     const std::string& method) {
  return std::make_unique<TransformerMerge>(encoders, method);
}

}  // namespace dexter
