// The training part of a store as the trainer reads it.
#include "engine/training_corpus.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include <spdlog/fmt/fmt.h>

#include "engine/demo_bank.h"
#include "engine/offline.h"
#include "storage/checksum.h"
#include "storage/error.h"

namespace dexter {
namespace {

constexpr std::uint32_t kNoRow = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t kDocumentsPerReport = 4096;
// Keeps the split apart from every other use of the same hash.
constexpr std::uint64_t kSplitSeed = 0x64657874'65723031;

const CorpusInfo& corpus_of(const Catalog& catalog) {
  const Manifest& manifest = catalog.manifest();
  ensure(manifest.corpus.has_value(), ErrorKind::kNotFound,
         fmt::format("training in {}: the store has no corpus; run `dexter import`",
                     catalog.path().string()));
  return *manifest.corpus;
}

// Rows of a TrainingSet by LabelId. [next_label]
class LabelRows {
 public:
  explicit LabelRows(std::size_t labels) : rows_(labels, kNoRow) {}

  void add(LabelId id) {
    if (value(id) >= rows_.size()) rows_.resize(value(id) + 1, kNoRow);
    rows_[value(id)] = count_++;
  }
  // Turns ids into rows, ascending; labels without a row are dropped.
  void translate(std::vector<LabelId>& labels) const {
    std::erase_if(labels, [&](LabelId id) { return row_of(id) == kNoRow; });
    for (LabelId& label : labels) label = LabelId{row_of(label)};
    std::sort(labels.begin(), labels.end());
  }

 private:
  std::uint32_t row_of(LabelId id) const {
    return value(id) < rows_.size() ? rows_[value(id)] : kNoRow;
  }
  std::vector<std::uint32_t> rows_;
  std::uint32_t count_ = 0;
};

}  // namespace

bool in_validation_part(std::string_view document_key, double fraction) {
  // 53 bits of the hash as a number in [0, 1).
  const double place = static_cast<double>(checksum64(document_key, kSplitSeed) >> 11) * 0x1p-53;
  return place < fraction;
}

TrainingSet load_training_set(const Catalog& catalog, double validation_fraction,
                              const Progress& progress, std::string_view without) {
  const CorpusInfo& corpus = corpus_of(catalog);
  TrainingSet set;
  set.text_kind = corpus.text_kind;
  LabelRows rows(catalog.manifest().next_label);
  catalog.scan_labels([&](Label&& label) {
    if (!without.empty() && label.name == without) return;
    rows.add(label.id);
    set.labels.push_back(std::move(label));
  });
  set.train.reserve(corpus.train_documents);
  const Instructions instructions = load_instructions(catalog);
  std::uint64_t read = 0;
  catalog.scan_examples(Split::kTrain, [&](Example&& example) {
    if (++read % kDocumentsPerReport == 0 || read == corpus.train_documents) {
      progress.check("loading documents");
      progress.update({"loading documents", read, corpus.train_documents, "documents", {}});
    }
    rows.translate(example.labels);
    if (example.labels.empty()) return;
    if (!instructions.empty())
      example.text =
          instructed(instructions, set.labels[value(example.labels[0])].name, example.text);
    const bool held_out = in_validation_part(example.key, validation_fraction);
    (held_out ? set.validation : set.train).push_back(std::move(example));
  });
  return set;
}

std::vector<std::string> sample_validation_texts(const Catalog& catalog, double validation_fraction,
                                                 std::size_t count) {
  const double fraction = validation_fraction > 0 ? validation_fraction : 0.01;
  std::vector<std::string> texts;
  catalog.scan_examples(Split::kTrain, [&](Example&& example) {
    if (texts.size() < count && in_validation_part(example.key, fraction))
      texts.push_back(std::move(example.text));
  });
  return texts;
}

}  // namespace dexter
