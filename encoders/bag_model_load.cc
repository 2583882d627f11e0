// A saved bag encoder as a model that can be trained on.
#include <spdlog/fmt/fmt.h>

#include <cstring>
#include <utility>

#include "encoders/bag_model.h"
#include "encoders/options_text.h"
#include "encoders/row_kernels.h"
#include "storage/error.h"

namespace dexter {
namespace {

template <class T>
std::vector<T> values_of(const SectionFileReader& file, std::string_view section,
                         std::size_t count) {
  const std::span<const std::byte> bytes = file.section(section);
  ensure(bytes.size() == count * sizeof(T), ErrorKind::kCorrupt,
         fmt::format("loading an encoder: section {} has {} bytes where {} belong; train again",
                     section, bytes.size(), count * sizeof(T)));
  std::vector<T> values(count);
  if (count > 0) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

// Rows in half precision, those of all blocks side by side, into each block's own table.
void load_rows(const SectionFileReader& file, std::string_view section, std::size_t rows,
               BagModel& model, std::vector<float> BagBlock::*table) {
  const auto dim = static_cast<std::size_t>(model.options.dim);
  const auto width = static_cast<std::size_t>(model.width());
  const auto halves = values_of<std::uint16_t>(file, section, rows * dim);
  for (std::size_t b = 0; b < model.blocks.size(); ++b) {
    std::vector<float>& values = model.blocks[b].*table;
    values.resize(rows * width);
    for (std::size_t i = 0; i < rows; ++i)
      row_kernels().from_half(&halves[i * dim + b * width], &values[i * width], width);
  }
}

void load_layers(const SectionFileReader& file, std::string_view side, BagModel& model,
                 ResidualLayer BagBlock::*layer) {
  const auto hidden = static_cast<std::size_t>(model.options.hidden);
  const std::size_t all = static_cast<std::size_t>(model.options.dim) * hidden;
  for (const bool second : {false, true}) {
    const auto values = values_of<float>(file, fmt::format("{}_w{}", side, second ? 2 : 1), all);
    const std::size_t count = all / model.blocks.size();
    for (std::size_t b = 0; b < model.blocks.size(); ++b) {
      ResidualLayer& target = model.blocks[b].*layer;
      target.dim = model.width();
      target.hidden = model.options.hidden;
      const auto first = values.begin() + static_cast<std::ptrdiff_t>(b * count);
      (second ? target.w2 : target.w1).assign(first, first + static_cast<std::ptrdiff_t>(count));
    }
  }
}

}  // namespace

BagModel BagModel::load(const std::filesystem::path& root, const FileRef& ref) {
  const SectionFileReader file(root, ref, "encoder", kEncoderFileVersion);
  const std::string kind = OptionsReader(file.text("options")).value("kind");
  ensure(kind == "bag", ErrorKind::kInvalidInput,
         fmt::format("training on: {} holds an encoder of kind {}, but only a bag encoder can be "
                     "trained on from its file; train one with --encoder bag",
                     ref.name, kind));
  BagModel model;
  read_options_text(file.text("options"), model.options, model.text_kind);
  model.options.blocks = model.options.block_count();
  model.blocks.resize(static_cast<std::size_t>(model.options.blocks));
  const std::size_t rows = file.section("feature_hashes").size() / sizeof(std::uint64_t);
  model.vocabulary = FeatureVocabulary(values_of<std::uint64_t>(file, "feature_hashes", rows));
  const std::size_t labels = file.section("label_fingerprints").size() / sizeof(std::uint64_t);
  model.label_fingerprints = values_of<std::uint64_t>(file, "label_fingerprints", labels);
  load_rows(file, "feature_vectors", rows, model, &BagBlock::table);
  load_rows(file, "free_vectors", labels, model, &BagBlock::free_vectors);
  load_layers(file, "document", model, &BagBlock::document_layer);
  load_layers(file, "label", model, &BagBlock::label_layer);
  return model;
}

}  // namespace dexter
