// Labels by votes and by a language model.
#include "engine/demo_labeller.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "engine/demo_index.h"
#include "engine/demo_prompt.h"
#include "engine/demo_scorer.h"
#include "engine/score_log.h"

namespace dexter {
namespace {

// The given demonstrations of a bank, searched exactly and apart from its files, in which the
// pseudo-labelled ones are too.
class GivenDemos {
 public:
  explicit GivenDemos(const std::filesystem::path& store) : GivenDemos(store, open_given(store)) {}

  const std::vector<Demonstration>& all() const { return demos_; }
  bool has_vectors() const { return vectors_.has_value(); }

  // The k of the input's task that are nearest, best first; their probabilities are not set.
  std::vector<FoundDemo> by_vector(const Demonstration& input, int k) const {
    const EmbeddingMatrix query = encoder_.encode(input.task, input.input);
    std::vector<FoundDemo> found;
    if (is_zero(query.row(0))) return found;
    SearchOptions options;
    options.only = rows_of_task_.at(input.task);
    const SearchResult result = vectors_->index().search(query, k, options);
    for (std::size_t i = 0; i < result.ids.size() && result.ids[i] != kNoId; ++i)
      found.push_back({&demos_[static_cast<std::size_t>(result.ids[i])], result.scores[i], 0});
    return found;
  }
  std::vector<FoundDemo> by_words(const Demonstration& input, int k) const {
    const auto of_task = [&](std::uint32_t row) { return demos_[row].task == input.task; };
    std::vector<FoundDemo> found;
    for (const auto& hit : words_.search(input.input, static_cast<std::size_t>(k), of_task))
      found.push_back({&demos_[hit.row], hit.score, 0});
    return found;
  }

 private:
  static Catalog open_given(const std::filesystem::path& store) {
    Catalog bank = open_bank(store, OpenMode::kRead);
    require_demonstrations(bank);
    return bank;
  }
  GivenDemos(const std::filesystem::path& store, const Catalog& bank)
      : demos_(load_bank(bank)),
        encoder_(find_bank_encoder(store, bank)),
        words_(index_words(demos_, words_of(bank))),
        rows_of_task_(rows_by_task(demos_)) {
    if (encoder_.encoder)
      vectors_.emplace(demos_, encoder_, IndexOptions{.kind = "flat"}, Progress{});
  }
  static Bm25Options words_of(const Catalog& bank) {
    Bm25Options options;
    if (const auto files = bank_index(bank)) options.stemmer = files->stemmer;
    return options;
  }

  std::vector<Demonstration> demos_;
  BankEncoder encoder_;
  Bm25Index words_;
  RowsOfTask rows_of_task_;
  std::optional<InputVectors> vectors_;  // where there is an encoder
};

using Shares = std::map<std::string, double>;  // by output

std::string best_of(const Shares& shares) {
  const auto best =
      std::max_element(shares.begin(), shares.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  return best == shares.end() ? "" : best->first;
}

// Temperatures of the votes' softmax: those that told right from wrong labels best on training
// parts (bench/demos_labels.py).
constexpr double kOfCosines = 0.1, kOfWords = 3;

Shares shares_of(const std::vector<FoundDemo>& found, double temperature) {
  Shares shares;
  double sum = 0, most = -std::numeric_limits<double>::infinity();
  for (const FoundDemo& each : found) most = std::max(most, static_cast<double>(each.score));
  for (const FoundDemo& each : found) {
    const double vote = std::exp((static_cast<double>(each.score) - most) / temperature);
    shares[each.demo->output] += vote;
    sum += vote;
  }
  for (auto& [output, share] : shares) share /= sum;
  return shares;
}

class VoteLabeller final : public InputLabeller {
 public:
  VoteLabeller(const std::filesystem::path& store, int k) : given_(store), k_(k) {}

  PseudoLabel label(const Demonstration& input, const Progress&) override {
    std::vector<Shares> views = {shares_of(given_.by_words(input, k_), kOfWords)};
    if (given_.has_vectors()) views.push_back(shares_of(given_.by_vector(input, k_), kOfCosines));
    Shares together;
    std::set<std::string> answers;
    for (const Shares& shares : views) {
      if (!shares.empty()) answers.insert(best_of(shares));
      for (const auto& [output, share] : shares)
        together[output] += share / static_cast<double>(views.size());
    }
    PseudoLabel label{.output = best_of(together), .confidence = 0, .agreed = answers.size() == 1};
    if (!together.empty()) label.confidence = std::min(1.0, together[label.output]);
    return label;
  }

 private:
  const GivenDemos given_;
  const int k_;
};

class ModelLabeller final : public InputLabeller {
 public:
  ModelLabeller(const std::filesystem::path& store, LanguageModel& model, int k)
      : given_(store), model_(model), log_(bank_folder(store) / kScoresFile), k_(k) {}

  PseudoLabel label(const Demonstration& input, const Progress& progress) override {
    auto [outputs, is_new] = outputs_.try_emplace(input.task);
    if (is_new) outputs->second = outputs_of(given_.all(), input.task);
    const std::vector<FoundDemo> demos =
        given_.has_vectors() ? given_.by_vector(input, k_) : given_.by_words(input, k_);
    const ModelAnswer answer =
        ask_model(model_, &log_, assemble_prompt(demos, input.input), outputs->second, progress);
    return {.output = answer.output,
            .confidence = answer.share,
            .agreed = !demos.empty() && majority_output(demos) == answer.output};
  }

 private:
  const GivenDemos given_;
  LanguageModel& model_;
  ScoreLog log_;
  const int k_;
  std::map<std::string, std::vector<std::string>> outputs_;  // of each task asked for
};

}  // namespace

std::unique_ptr<InputLabeller> make_vote_labeller(const std::filesystem::path& store, int k) {
  return std::make_unique<VoteLabeller>(store, k);
}

std::unique_ptr<InputLabeller> make_model_labeller(const std::filesystem::path& store,
                                                   LanguageModel& model, int k) {
  return std::make_unique<ModelLabeller>(store, model, k);
}

}  // namespace dexter
