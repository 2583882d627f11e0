// Texts without labels, labelled by an encoder where it is sure.
#include "engine/self_training.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <numeric>
#include <string_view>
#include <utility>
#include <vector>

#include "encoders/option_range.h"
#include "engine/encoding_chunk.h"
#include "index/vector_index.h"
#include "storage/line_reader.h"

namespace dexter {
namespace {

constexpr int kBestLabels = 64;
constexpr std::uint64_t kMaxLineBytes = 16u << 20;

std::unique_ptr<VectorIndex> indexed(EmbeddingView vectors) {
  std::vector<std::int64_t> ids(vectors.rows());
  std::iota(ids.begin(), ids.end(), std::int64_t{0});
  return build_index({.recall = 0.95}, vectors, ids);
}

class PseudoLabeller {
 public:
  PseudoLabeller(const Encoder& encoder, const SelfTrainingOptions& options, double temperature,
                 const TrainingSet& set, const Progress& progress)
      : encoder_(encoder), options_(options), temperature_(temperature), set_(set) {
    progress.update({.stage = "encoding labels", .done = 0, .total = set.labels.size()});
    labels_ = indexed(encoder.encode_labels(set.labels));
    if (options.neighbours == 0) return;
    const std::size_t all = set.train.size();
    const auto text = [&](std::size_t i) { return set.train[i].text; };
    const EmbeddingMatrix vectors = encode_in_parts(encoder, all, text, [&](std::size_t done) {
      if (done < all) progress.check("self-training");
      if (done > 0) progress.update({.stage = "encoding documents", .done = done, .total = all});
    });
    documents_ = indexed(vectors);
  }

  // Ascending label rows of each text; none where the encoder is not sure.
  std::vector<std::vector<LabelId>> labels_of(const std::vector<std::string>& texts) const {
    const EmbeddingMatrix vectors = encoder_.encode(texts);
    const SearchResult best = labels_->search(vectors, kBestLabels);
    SearchResult near;
    if (documents_) near = documents_->search(vectors, options_.neighbours);
    std::vector<std::vector<LabelId>> all(texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (is_zero(vectors.row(i))) continue;
      all[i] = confident(best, i);
      if (documents_) keep_agreed(near, i, all[i]);
      std::sort(all[i].begin(), all[i].end());
    }
    return all;
  }

 private:
  std::vector<LabelId> confident(const SearchResult& best, std::size_t text) const {
    const auto k = static_cast<std::size_t>(best.k);
    const float* scores = &best.scores[text * k];
    std::vector<double> weights(k);
    for (std::size_t r = 0; r < k; ++r)  // a missing hit has a score of -infinity
      weights[r] = std::exp(static_cast<double>(scores[r] - scores[0]) / temperature_);
    double rest = std::accumulate(weights.begin(), weights.end(), 0.0);
    std::vector<LabelId> labels;
    for (std::size_t r = 0; r + 1 < k && rest > 0; ++r) {
      if (weights[r] < options_.confidence * std::max(rest, 1.0)) break;  // the best weighs 1
      labels.push_back(LabelId{static_cast<std::uint32_t>(best.ids[text * k + r])});
      rest -= weights[r];
    }
    return labels;
  }

  void keep_agreed(const SearchResult& near, std::size_t text, std::vector<LabelId>& labels) const {
    const auto k = static_cast<std::size_t>(near.k);
    std::map<LabelId, std::size_t> votes;
    std::size_t voters = 0;
    for (std::size_t j = 0; j < k; ++j) {
      const std::int64_t id = near.ids[text * k + j];
      if (id == kNoId) break;
      ++voters;
      for (const LabelId label : set_.train[static_cast<std::size_t>(id)].labels) ++votes[label];
    }
    const double least = options_.agreement * static_cast<double>(std::max<std::size_t>(voters, 1));
    std::erase_if(labels, [&](LabelId label) { return static_cast<double>(votes[label]) < least; });
  }

  const Encoder& encoder_;
  const SelfTrainingOptions& options_;
  const double temperature_;
  const TrainingSet& set_;
  std::unique_ptr<VectorIndex> labels_, documents_;  // the latter null where none are asked
};

// How the rule does where the labels are known.
void judge(const PseudoLabeller& labeller, const std::vector<Example>& validation,
           PseudoLabelReport& report) {
  std::uint64_t given = 0, right = 0;
  for (std::size_t first = 0; first < validation.size(); first += kEncodedTogether) {
    std::vector<std::string> texts;
    for (std::size_t i = first; i < std::min(first + kEncodedTogether, validation.size()); ++i)
      texts.push_back(validation[i].text);
    const auto found = labeller.labels_of(texts);
    for (std::size_t i = 0; i < found.size(); ++i)
      for (const LabelId label : found[i]) {
        ++given;
        right += std::ranges::binary_search(validation[first + i].labels, label);
      }
  }
  if (given > 0) report.precision = 100 * static_cast<double>(right) / static_cast<double>(given);
}

}  // namespace

void SelfTrainingOptions::validate() const {
  ensure_in_range("self_train", "confidence", confidence, 0.01, 1.0);
  ensure_in_range("self_train", "neighbours", neighbours, 0, 1024);
  ensure_in_range("self_train", "agreement", agreement, 0.0, 1.0);
}

PseudoLabelReport pseudo_label(const Encoder& encoder, const SelfTrainingOptions& options,
                               double temperature, TrainingSet& set, const Progress& progress) {
  ensure(set.text_kind == TextKind::kNatural, ErrorKind::kInvalidInput,
         "self-training: the corpus has sparse features, but unlabelled documents are texts; leave "
         "self_train.documents empty");
  LineReader lines(options.documents, kMaxLineBytes);
  const PseudoLabeller labeller(encoder, options, temperature, set, progress);
  PseudoLabelReport report;
  judge(labeller, set.validation, report);
  std::vector<std::string> texts;
  const auto label_texts = [&] {
    progress.check("self-training");
    const auto found = labeller.labels_of(texts);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      ++report.read;
      if (found[i].empty()) continue;
      ++report.taken;
      report.labels += found[i].size();
      set.guessed.push_back({.id = {},
                             .key = fmt::format("self_train {}", report.read),
                             .text = std::move(texts[i]),
                             .labels = found[i],
                             .excluded = {}});
    }
    texts.clear();
    progress.update({.stage = "labelling documents",
                     .done = report.read,
                     .total = 0,
                     .note = fmt::format("{} taken", report.taken)});
  };
  for (std::string_view line; lines.next(line);) {
    texts.emplace_back(line);
    if (texts.size() == kEncodedTogether) label_texts();
  }
  label_texts();
  return report;
}

}  // namespace dexter
