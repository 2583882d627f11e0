// Two encoders' parameters to one's.
#include "encoders/merge.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <vector>

#include "encoders/bag_model.h"
#include "encoders/options_text.h"
#include "encoders/rotation.h"
#include "encoders/transformer_encoder.h"

namespace dexter {
namespace {

void alike(bool same, std::string_view what, std::string_view then) {
  ensure(same, ErrorKind::kIncompatible,
         fmt::format("merging two encoders: their {} differ; {}", what, then));
}

// The angle between two tensors, 0 where one has no direction.
double angle_between(std::span<const float> a, std::span<const float> b) {
  double dot = 0, squares_a = 0, squares_b = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
    dot += x * y;
    squares_a += x * x;
    squares_b += y * y;
  }
  const double norms = std::sqrt(squares_a * squares_b);
  return norms > 0 ? std::acos(std::clamp(dot / norms, -1.0, 1.0)) : 0;
}

// `a` becomes the tensor between it and `b`.
void merge_into(std::vector<float>& a, const std::vector<float>& b, const MergeOptions& options) {
  if (options.weight == 0) return;
  if (options.weight == 1) {
    a = b;
    return;
  }
  double first = 1 - options.weight, second = options.weight;
  const double angle = options.method == "slerp" ? angle_between(a, b) : 0;
  if (std::sin(angle) > 1e-4) {  // else a line is as good, and nothing is divided by 0
    first = std::sin(first * angle) / std::sin(angle);
    second = std::sin(second * angle) / std::sin(angle);
  }
  for (std::size_t i = 0; i < a.size(); ++i)
    a[i] =
        static_cast<float>(first * static_cast<double>(a[i]) + second * static_cast<double>(b[i]));
}

FileRef merge_bags(const SectionFileReader& first, const SectionFileReader& second,
                   const MergeOptions& options, const std::filesystem::path& root,
                   const std::string& name) {
  BagModel a = BagModel::read(first), b = BagModel::read(second);
  alike(options_text(a.options, a.text_kind) == options_text(b.options, b.text_kind),
        "options encoder.*", "train both with the same");
  alike(std::ranges::equal(a.vocabulary.hashes(), b.vocabulary.hashes()), "vocabularies",
        "train both on one corpus");
  alike(a.label_fingerprints == b.label_fingerprints, "labels", "train both on one corpus");
  ensure(a.options.hidden == 0, ErrorKind::kIncompatible,
         fmt::format("merging two bag encoders: encoder.hidden is {}, but the units of residual "
                     "layers do not correspond; train both with 0",
                     a.options.hidden));
  const bool between = options.weight > 0 && options.weight < 1;
  const auto width = static_cast<std::size_t>(a.width());
  for (std::size_t block = 0; block < a.blocks.size(); ++block) {
    BagBlock &into = a.blocks[block], &other = b.blocks[block];
    if (between) {
      const std::vector<float> rotation = rotation_onto(other.table, into.table, width);
      rotate(other.table, rotation, width);
      rotate(other.free_vectors, rotation, width);
    }
    merge_into(into.table, other.table, options);
    merge_into(into.free_vectors, other.free_vectors, options);
  }
  return a.save(root, name);
}

TransformerOptions options_of(const SectionFileReader& file) {
  TransformerOptions options;
  OptionsReader reader(file.text("options"));
  visit(reader, options);
  return options;
}

// What decides how a text becomes a vector, beside the weights.
std::string encoding_of(const TransformerOptions& o) {
  return fmt::format("pooling {}, {} tokens, {} dimensions, prefixes \"{}\" and \"{}\"", o.pooling,
                     o.max_tokens, o.dim, o.document_prefix, o.label_prefix);
}

FileRef merge_transformers(const SectionFileReader& first, const SectionFileReader& second,
                           const MergeOptions& options, const std::filesystem::path& root,
                           const std::string& name) {
  alike(first.text("config") == second.text("config"), "architectures",
        "merge encoders that began as one checkpoint");
  alike(first.text("tokenizer") == second.text("tokenizer"), "tokenizers",
        "merge encoders that began as one checkpoint");
  const TransformerOptions own = options_of(first), others = options_of(second);
  alike(encoding_of(own) == encoding_of(others),
        fmt::format("options ({}; {})", encoding_of(own), encoding_of(others)),
        "train both with the same");
  const TransformerShape shape = read_shape(first.text("config"), "an encoder's config.json");
  const auto parameters = [&shape](const SectionFileReader& file) {
    return read_parameters(shape,
                           SafetensorsReader(file.section("weights"), "an encoder's weights"));
  };
  std::vector<FloatTensor> merged = parameters(first);
  const std::vector<FloatTensor> rest = parameters(second);
  for (std::size_t i = 0; i < merged.size(); ++i)
    merge_into(merged[i].values, rest[i].values, options);
  TransformerCheckpoint checkpoint;
  checkpoint.config = first.text("config");
  checkpoint.tokenizer = first.text("tokenizer");
  checkpoint.weights = write_safetensors(merged);
  return save_transformer(own, checkpoint, root, name);
}

}  // namespace

void MergeOptions::validate() const {
  ensure(method == "lerp" || method == "slerp", ErrorKind::kInvalidInput,
         fmt::format("merging: the method is \"{}\", but must be lerp or slerp", method));
  ensure(weight >= 0 && weight <= 1, ErrorKind::kInvalidInput,
         fmt::format("merging: the weight is {}, but must lie in 0 to 1", weight));
}

EncoderInfo merge_encoders(const SectionFileReader& first, const SectionFileReader& second,
                           const MergeOptions& options, const std::filesystem::path& root,
                           const std::string& name) {
  options.validate();
  const OptionsReader own(first.text("options")), others(second.text("options"));
  EncoderInfo info;
  info.kind = own.value("kind");
  alike(info.kind == others.value("kind"),
        fmt::format("kinds ({} and {})", info.kind, others.value("kind")), "merge two of one kind");
  const auto merge = info.kind == "bag" ? &merge_bags : &merge_transformers;
  info.file = merge(first, second, options, root, name);
  info.fingerprint = info.file.checksum;
  own("dim", info.dim, "");
  return info;
}

}  // namespace dexter
