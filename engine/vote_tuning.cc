// Weights of votes, measured on documents that neither the encoder nor the voters have seen.
#include "engine/vote_tuning.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "encoders/encoder.h"
#include "engine/document_space.h"
#include "engine/label_priors.h"
#include "engine/label_search.h"
#include "engine/metrics.h"
#include "engine/offline.h"
#include "engine/vote_fusion.h"

namespace dexter {
namespace {

constexpr std::size_t kCases = 4000;
constexpr std::size_t kCasesPerChunk = 128;
constexpr int kAnswers = 10;

// A validation document, what was found for it, and its labels.
struct Case {
  std::vector<LabelId> truth;
  LabelRanking labels;
  DocumentRanking near, by_words;
};

struct Figures {  // percent
  double p1 = 0, p5 = 0, psp5 = 0, r10 = 0;
};

// The parts of the generation that votes are made of.
class Trial {
 public:
  Trial(const Catalog& catalog, const Encoder& encoder, const GenerationInfo& generation,
        double validation_fraction)
      : encoder_(encoder),
        labels_(load_index(catalog.path(), generation.label_index), {}, encoder.dim()),
        documents_(catalog, *generation.documents, encoder.dim()),
        priors_(catalog) {
    std::vector<std::int64_t> unseen;
    catalog.scan_examples(Split::kTrain, [&](Example&& example) {
      if (!in_validation_part(example.key, validation_fraction)) return;
      unseen.push_back(static_cast<std::int64_t>(value(example.id)));
      if (texts_.size() == kCases || example.labels.empty()) return;
      texts_.push_back(std::move(example.text));
      cases_.push_back({std::move(example.labels), {}, {}, {}});
    });
    unseen_ = IdSet(std::move(unseen));
    std::vector<std::uint32_t> frequencies = catalog.label_frequencies();
    frequencies.resize(std::max<std::size_t>(frequencies.size(), catalog.manifest().next_label));
    inverse_ = inverse_propensities(frequencies, catalog.manifest().corpus->train_documents, {});
  }

  std::size_t size() const { return cases_.size(); }

  // Finds everything once; a setting is then measured by arithmetic alone.
  void search(const VoteFusion& widest, const Progress& progress) {
    for (std::size_t first = 0; first < cases_.size(); first += kCasesPerChunk) {
      progress.check("tuning votes");
      progress.update({"tuning votes", first, cases_.size(), "documents", {}});
      const std::size_t count = std::min(kCasesPerChunk, cases_.size() - first);
      const EmbeddingMatrix queries =
          encoder_.encode(std::span(std::as_const(texts_)).subspan(first, count));
      auto labels = labels_.rank(queries, widest.pool, {});
      const int wide = 2 * widest.neighbours;
      auto near = documents_.nearest(queries, wide);
      auto by_words = documents_.by_words(std::span(std::as_const(texts_)).subspan(first, count),
                                          static_cast<std::size_t>(wide));
      for (std::size_t i = 0; i < count; ++i) {
        Case& found = cases_[first + i];
        found.labels = std::move(labels[i]);
        const auto most = static_cast<std::size_t>(widest.neighbours);
        found.near = heard(std::move(near[i]), unseen_, most);
        found.by_words = relative(heard(std::move(by_words[i]), unseen_, most));
      }
    }
  }

  // Null: without votes.
  Figures measure(const VoteFusion* fusion) const {
    Figures sums;
    PropensityGain gain;
    for (const Case& each : cases_) {
      const std::vector<LabelId> ranked = answers(each, fusion);
      sums.p1 += precision_at_k(ranked, each.truth, 1);
      sums.p5 += precision_at_k(ranked, each.truth, 5);
      sums.r10 += recall_at_k(ranked, each.truth, kAnswers);
      const PropensityGain row = propensity_gain_at_k(ranked, each.truth, 5, inverse_);
      gain.gained += row.gained;
      gain.attainable += row.attainable;
    }
    const double percent = 100 / static_cast<double>(cases_.size());
    return {percent * sums.p1, percent * sums.p5,
            100 * gain.gained / std::max(gain.attainable, 1e-9), percent * sums.r10};
  }

 private:
  std::vector<LabelId> answers(const Case& of, const VoteFusion* fusion) const {
    LabelRanking ranking = of.labels;
    if (fusion != nullptr) {
      const VoteLookup lookup{
          .labels = [&](DocumentId id) { return documents_.labels(id); },
          .counts = [](LabelId) { return true; },
          .vote_weight = [&](LabelId id) { return priors_.vote_weight(id, fusion->rarity); }};
      const auto width = [&](const DocumentRanking& all) {
        return std::span(all).first(
            std::min(all.size(), static_cast<std::size_t>(fusion->neighbours)));
      };
      ranking = fused(of.labels, voters(*fusion, width(of.near), width(of.by_words)), *fusion,
                      lookup, kAnswers);
    }
    std::vector<LabelId> ids;
    for (const ScoredLabel& label : ranking) ids.push_back(label.id);
    return ids;
  }

  const Encoder& encoder_;
  LabelSearch labels_;
  DocumentSpace documents_;
  LabelPriors priors_;
  IdSet unseen_;  // the validation part
  std::vector<std::string> texts_;
  std::vector<Case> cases_;
  std::vector<double> inverse_;
};

// What a setting gains over none, each figure by what its intervals let hope for; rare labels must
// not lose.
double worth(const Figures& with, const Figures& without) {
  if (with.psp5 < without.psp5) return -1;
  return (with.p1 - without.p1) / 1.5 + (with.p5 - without.p5) / 0.8 +
         (with.r10 - without.r10) / 1.2;
}

// Changes one number at a time to whatever serves best, twice over all of them.
VoteFusion climbed(const Trial& trial, const Figures& without, bool has_words, Figures& best) {
  VoteFusion fusion;
  if (!has_words) fusion.word_weight = 0;
  best = trial.measure(&fusion);
  const auto climb = [&](auto VoteFusion::*field, auto values) {
    for (const auto value : values) {
      VoteFusion changed = fusion;
      changed.*field = value;
      const bool possible = changed.label_weight + changed.word_weight < 1;
      if (!possible || changed == fusion) continue;
      const Figures figures = trial.measure(&changed);
      if (worth(figures, without) <= worth(best, without)) continue;
      fusion = changed;
      best = figures;
    }
  };
  for (int round = 0; round < 2; ++round) {
    climb(&VoteFusion::label_weight, std::to_array({0.6, 0.7, 0.8, 0.9}));
    if (has_words) {
      climb(&VoteFusion::word_weight, std::to_array({0.05, 0.1, 0.15}));
      climb(&VoteFusion::word_temperature, std::to_array({0.07, 0.1, 0.15}));
    }
    climb(&VoteFusion::temperature, std::to_array({0.06, 0.08, 0.12, 0.16}));
    climb(&VoteFusion::neighbours, std::to_array({50, 100}));
    climb(&VoteFusion::rarity, std::to_array({0.0, 0.1, 0.2}));
  }
  return fusion;
}

}  // namespace

VoteFusion tune_votes(const Catalog& catalog, const Encoder& encoder,
                      const GenerationInfo& generation, const Config& config,
                      const Progress& progress) {
  Trial trial(catalog, encoder, generation, config.train.validation_fraction);
  if (trial.size() == 0) return {};
  trial.search({}, progress);
  const Figures without = trial.measure(nullptr);
  Figures with;
  VoteFusion fusion = climbed(trial, without, generation.documents->words.has_value(), with);
  fusion.helps = worth(with, without) > 0;
  fusion.validation_documents = trial.size();
  fusion.p1_without = without.p1, fusion.p1 = with.p1;
  fusion.p5_without = without.p5, fusion.p5 = with.p5;
  fusion.psp5_without = without.psp5, fusion.psp5 = with.psp5;
  fusion.r10_without = without.r10, fusion.r10 = with.r10;
  progress.update({"tuning votes", trial.size(), trial.size(), "documents", {}});
  return fusion;
}

}  // namespace dexter
