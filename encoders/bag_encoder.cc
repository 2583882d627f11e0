// The bag encoder at query time: half-precision tables read where the file is mapped.
#include "encoders/bag_encoder.h"

#include <spdlog/fmt/fmt.h>

#include <cmath>
#include <unordered_map>
#include <utility>

#include "encoders/bag_features.h"
#include "encoders/bag_model.h"
#include "encoders/options_text.h"
#include "encoders/residual_layer.h"
#include "encoders/row_kernels.h"

namespace dexter {
namespace {

// One layer a block.
std::vector<ResidualLayer> read_layers(const SectionFileReader& file, std::string_view side,
                                       const EncoderOptions& o) {
  const std::size_t all = static_cast<std::size_t>(o.dim) * static_cast<std::size_t>(o.hidden);
  const auto w1 = file.values<float>(fmt::format("{}_w1", side), all);
  const auto w2 = file.values<float>(fmt::format("{}_w2", side), all);
  std::vector<ResidualLayer> layers(static_cast<std::size_t>(o.blocks));
  const std::size_t count = all / layers.size();
  for (std::size_t b = 0; b < layers.size(); ++b) {
    const auto part = [&](std::span<const float> values) {
      const auto own = values.subspan(b * count, count);
      return std::vector<float>(own.begin(), own.end());
    };
    layers[b] = {.dim = o.dim / o.blocks, .hidden = o.hidden, .w1 = part(w1), .w2 = part(w2)};
  }
  return layers;
}

class BagEncoder final : public Encoder {
 public:
  BagEncoder(SectionFileReader file, std::string fingerprint)
      : file_(std::move(file)), fingerprint_(std::move(fingerprint)) {
    read_options_text(file_.text("options"), options_, text_kind_);
    options_.blocks = options_.block_count();
    features_ = feature_options(options_);
    const std::size_t rows = file_.section("feature_hashes").size() / sizeof(std::uint64_t);
    const auto hashes = file_.values<std::uint64_t>("feature_hashes", rows);
    vocabulary_ = FeatureVocabulary({hashes.begin(), hashes.end()});
    const auto width = static_cast<std::size_t>(options_.dim);
    table_ = file_.values<std::uint16_t>("feature_vectors", rows * width);
    document_layers_ = read_layers(file_, "document", options_);
    label_layers_ = read_layers(file_, "label", options_);
    const std::size_t labels = file_.section("label_fingerprints").size() / sizeof(std::uint64_t);
    free_ = file_.values<std::uint16_t>("free_vectors", labels * width);
    const auto known = file_.values<std::uint64_t>("label_fingerprints", labels);
    for (std::size_t i = 0; i < labels; ++i) free_row_.emplace(known[i], i);
  }

  EmbeddingMatrix encode(std::span<const std::string> texts) const override {
    return encode_all(texts.size(), [&](std::size_t i, Scratch& scratch, float* out) {
      encode_text(texts[i], document_layers_, scratch, scratch.hidden_state.data());
      finish(scratch, out);
    });
  }

  EmbeddingMatrix encode_labels(std::span<const Label> labels) const override {
    return encode_all(labels.size(), [&](std::size_t i, Scratch& scratch, float* out) {
      float* state = scratch.hidden_state.data();
      encode_text(text_kind_ == TextKind::kSparse ? std::string_view() : labels[i].text,
                  label_layers_, scratch, state);
      const auto found = free_row_.find(label_fingerprint(labels[i]));
      if (found != free_row_.end()) {
        const auto width = static_cast<std::size_t>(dim());
        row_kernels().from_half(free_.data() + found->second * width, out, width);
        row_kernels().add_scaled(1, out, state, dim());
      }
      finish(scratch, out);
    });
  }

  int dim() const override { return options_.dim; }
  std::string_view kind() const override { return "bag"; }
  std::string fingerprint() const override { return fingerprint_; }
  std::size_t parameter_count() const override {
    std::size_t count = table_.size() + free_.size();
    for (const auto* layers : {&document_layers_, &label_layers_})
      for (const ResidualLayer& layer : *layers) count += layer.w1.size() + layer.w2.size();
    return count;
  }

 private:
  struct Scratch {
    BagBatch bag;
    std::vector<float> unit, active, hidden_state;
  };

  template <class EncodeRow>
  EmbeddingMatrix encode_all(std::size_t rows, const EncodeRow& encode_row) const {
    EmbeddingMatrix out(rows, dim());
    const auto width = static_cast<std::size_t>(dim());
#pragma omp parallel if (rows > 8)
    {
      Scratch scratch;
      scratch.unit.resize(width);
      scratch.hidden_state.resize(width);
      scratch.active.resize(static_cast<std::size_t>(options_.hidden));
#pragma omp for schedule(dynamic, 16)
      for (std::size_t i = 0; i < rows; ++i) encode_row(i, scratch, out.row(i).data());
    }
    return out;
  }

  // Each block of x to a unit vector in y.
  void normalise_blocks(const float* x, float* y) const {
    const int width = dim() / options_.blocks;
    for (int at = 0; at < dim(); at += width) row_kernels().normalise(x + at, y + at, width);
  }

  // The state's blocks to unit vectors, and those to one unit row.
  void finish(const Scratch& scratch, float* out) const {
    normalise_blocks(scratch.hidden_state.data(), out);
    row_kernels().scale(1 / std::sqrt(static_cast<float>(options_.blocks)), out,
                        static_cast<std::size_t>(dim()));
  }

  void encode_text(std::string_view text, const std::vector<ResidualLayer>& layers,
                   Scratch& scratch, float* out) const {
    scratch.bag.offsets.assign(1, 0);
    scratch.bag.features.clear();
    append_text(scratch.bag, text, text_kind_, features_, vocabulary_);
    const auto features = scratch.bag.row(0);
    row_kernels().bag_half(features.data(), features.size(), table_.data(), dim(), out);
    normalise_blocks(out, scratch.unit.data());
    for (std::size_t at = 0; const ResidualLayer& layer : layers) {
      layer.apply(&scratch.unit[at], scratch.active.data(), out + at);
      at += static_cast<std::size_t>(layer.dim);
    }
  }

  SectionFileReader file_;
  std::string fingerprint_;
  EncoderOptions options_;
  TextKind text_kind_ = TextKind::kNatural;
  FeatureOptions features_;
  FeatureVocabulary vocabulary_;
  std::span<const std::uint16_t> table_;  // in file_
  std::vector<ResidualLayer> document_layers_, label_layers_;
  std::span<const std::uint16_t> free_;  // in file_
  std::unordered_map<std::uint64_t, std::size_t> free_row_;
};

}  // namespace

std::unique_ptr<Encoder> make_bag_encoder(SectionFileReader file, std::string fingerprint) {
  return std::make_unique<BagEncoder>(std::move(file), std::move(fingerprint));
}

}  // namespace dexter
