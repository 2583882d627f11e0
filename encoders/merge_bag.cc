// The merge of bag encoders.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "encoders/bag_model.h"
#include "encoders/merge_kinds.h"
#include "encoders/options_text.h"
#include "encoders/rotation.h"
#include "encoders/row_kernels.h"

namespace dexter {
namespace {

// A text's vector is the sum of its features' rows, and that sum is linear in the table. So a
// sample's sums under each encoder are made once, and a mixture costs no more than mixing them.
class BagMerge final : public EncoderMerge {
 public:
  BagMerge(std::span<const SectionFileReader> encoders, std::string method)
      : method_(std::move(method)) {
    for (const SectionFileReader& file : encoders) {
      models_.push_back(BagModel::read(file));
      check(models_.back());
    }
    tables_.resize(first().blocks.size());
    frees_.resize(first().blocks.size());
  }

  std::size_t count() const override { return models_.size(); }

  void judge_on(const MergeSample& sample) override {
    sample_ = &sample;
    turn();
    const FeatureOptions features = feature_options(first().options);
    BagBatch documents, labels;
    for (const std::string& text : sample.documents)
      append_text(documents, text, first().text_kind, features, first().vocabulary);
    const bool natural = first().text_kind == TextKind::kNatural;
    for (const Label& label : sample.labels)
      append_text(labels, natural ? std::string_view(label.text) : std::string_view(),
                  first().text_kind, features, first().vocabulary);
    for (std::size_t b = 0; b < tables_.size(); ++b) {
      tables_[b] = inner_products(tensors_of(b, &BagBlock::table));
      frees_[b] = inner_products(tensors_of(b, &BagBlock::free_vectors));
    }
    sums_.clear();
    for (const BagModel& model : models_)
      sums_.push_back({sums_of(model, documents), sums_of(model, labels), frees_of(model)});
  }

  ValidationScore score(std::span<const double> weights) override {
    const std::size_t n = sample_->documents.size(), m = sample_->labels.size();
    const auto dim = static_cast<std::size_t>(first().options.dim);
    std::vector<float> documents(n * dim), labels(m * dim);
    for (std::size_t b = 0; b < tables_.size(); ++b) {
      const std::vector<double> table = merge_factors(weights, tables_[b], method_);
      const std::vector<double> free = merge_factors(weights, frees_[b], method_);
      mix(&Sums::documents, n, b, table, {}, documents.data());
      mix(&Sums::labels, m, b, table, free, labels.data());
    }
    return validate(documents.data(), n, labels.data(), m, first().options.dim, sample_->positives);
  }

 private:
  EncoderInfo write(std::span<const double> weights, const std::filesystem::path& root,
                    const std::string& name) override {
    const auto used = std::ranges::count_if(weights, [](double w) { return w > 0; });
    if (used > 1) turn();  // one alone stays as it was
    BagModel merged;
    merged.options = first().options;
    merged.text_kind = first().text_kind;
    merged.vocabulary = first().vocabulary;
    merged.label_fingerprints = first().label_fingerprints;
    merged.free_rows = first().free_rows;
    merged.blocks.resize(first().blocks.size());
    for (std::size_t b = 0; b < merged.blocks.size(); ++b) {
      BagBlock& block = merged.blocks[b];
      block.document_layer = first().blocks[b].document_layer;
      block.label_layer = first().blocks[b].label_layer;
      for (const auto part : {&BagBlock::table, &BagBlock::free_vectors}) {
        const MergedTensors tensors = tensors_of(b, part);
        block.*part = combined(tensors, merge_factors(weights, inner_products(tensors), method_));
        for (BagModel& model : models_) std::vector<float>().swap(model.blocks[b].*part);
      }
    }
    EncoderInfo info;
    info.kind = "bag";
    info.dim = merged.options.dim;
    info.file = merged.save(root, name);
    info.fingerprint = info.file.checksum;
    return info;
  }

  // Of one encoder; the blocks of a row lie side by side. [rows x dim]
  struct Sums {
    std::vector<float> documents, labels, free;
  };

  const BagModel& first() const { return models_.front(); }

  void check(const BagModel& other) const {
    ensure_alike(options_text(first().options, first().text_kind) ==
                     options_text(other.options, other.text_kind),
                 "options encoder.*", "train all with the same");
    ensure_alike(std::ranges::equal(first().vocabulary.hashes(), other.vocabulary.hashes()),
                 "vocabularies", "train all on one corpus, with one train.validation_fraction");
    ensure_alike(first().label_fingerprints == other.label_fingerprints, "labels",
                 "train all on one corpus");
    ensure(first().options.hidden == 0, ErrorKind::kIncompatible,
           fmt::format("merging bag encoders: encoder.hidden is {}, but the units of residual "
                       "layers do not correspond; train all with 0",
                       first().options.hidden));
  }

  // Every encoder but the first onto the first.
  void turn() {
    if (turned_) return;
    const auto width = static_cast<std::size_t>(first().width());
    for (std::size_t e = 1; e < models_.size(); ++e)
      for (std::size_t b = 0; b < models_[e].blocks.size(); ++b) {
        BagBlock& block = models_[e].blocks[b];
        const std::vector<float> rotation =
            rotation_onto(block.table, first().blocks[b].table, width);
        rotate(block.table, rotation, width);
        rotate(block.free_vectors, rotation, width);
      }
    turned_ = true;
  }

  MergedTensors tensors_of(std::size_t block, std::vector<float> BagBlock::*part) const {
    MergedTensors tensors;
    for (const BagModel& model : models_) tensors.emplace_back(model.blocks[block].*part);
    return tensors;
  }

  std::vector<float> sums_of(const BagModel& model, const BagBatch& bags) const {
    const auto dim = static_cast<std::size_t>(model.options.dim);
    const auto width = static_cast<std::size_t>(model.width());
    std::vector<float> sums(bags.rows() * dim);
#pragma omp parallel for schedule(dynamic, 64)
    for (std::size_t i = 0; i < bags.rows(); ++i) {
      const auto features = bags.row(i);
      for (std::size_t b = 0; b < model.blocks.size(); ++b)
        row_kernels().bag(features.data(), features.size(), model.blocks[b].table.data(),
                          model.width(), &sums[i * dim + b * width]);
    }
    return sums;
  }

  // The free vectors of the sample's labels, zero for those without.
  std::vector<float> frees_of(const BagModel& model) const {
    const auto dim = static_cast<std::size_t>(model.options.dim);
    const auto width = static_cast<std::size_t>(model.width());
    std::unordered_map<std::uint64_t, std::size_t> rows;
    for (std::size_t i = 0; i < model.label_fingerprints.size(); ++i)
      rows.emplace(model.label_fingerprints[i], i);
    std::vector<float> frees(sample_->labels.size() * dim);
    for (std::size_t i = 0; i < sample_->labels.size(); ++i) {
      const auto found = rows.find(label_fingerprint(sample_->labels[i]));
      if (found == rows.end()) continue;
      for (std::size_t b = 0; b < model.blocks.size(); ++b)
        std::copy_n(&model.blocks[b].free_vectors[found->second * width], width,
                    &frees[i * dim + b * width]);
    }
    return frees;
  }

  // Block `b` of `count` rows of unit vectors, with free vectors where `free` is not empty.
  void mix(std::vector<float> Sums::*part, std::size_t count, std::size_t b,
           std::span<const double> table, std::span<const double> free, float* out) const {
    const RowKernels& kernels = row_kernels();
    const auto dim = static_cast<std::size_t>(first().options.dim);
    const int width = first().width();
    const std::size_t at = b * static_cast<std::size_t>(width);
#pragma omp parallel for schedule(static)
    for (std::size_t i = 0; i < count; ++i) {
      float* row = out + i * dim + at;
      const auto add = [&](std::vector<float> Sums::*from, std::span<const double> factors) {
        for (std::size_t e = 0; e < factors.size(); ++e)
          kernels.add_scaled(static_cast<float>(factors[e]), &(sums_[e].*from)[i * dim + at], row,
                             width);
      };
      add(part, table);
      kernels.normalise(row, row, width);
      if (free.empty()) continue;
      add(&Sums::free, free);
      kernels.normalise(row, row, width);
    }
  }

  const std::string method_;
  std::vector<BagModel> models_;
  bool turned_ = false;
  const MergeSample* sample_ = nullptr;
  std::vector<std::vector<double>> tables_, frees_;  // inner products, by block
  std::vector<Sums> sums_;                           // of the sample, by encoder
};

}  // namespace

std::unique_ptr<EncoderMerge> make_bag_merge(std::span<const SectionFileReader> encoders,
                                             const std::string& method) {
  return std::make_unique<BagMerge>(encoders, method);
}

}  // namespace dexter
