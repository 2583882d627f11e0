// Mining candidates and having them scored.
#include "engine/demo_lists.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include "encoders/bag_features.h"

namespace dexter {
namespace {

std::string solved(const Demonstration& demo) { return demo.input + ' ' + demo.output; }

std::uint64_t key_of(std::uint64_t identity, const Demonstration& query,
                     const Demonstration& demo) {
  return score_key(identity, {query.task, query.input, query.output, demo.input, demo.output});
}

}  // namespace

CandidateMiner::CandidateMiner(std::span<const Demonstration> bank, std::vector<std::uint32_t> rows)
    : bank_(bank), rows_(std::move(rows)) {
  std::vector<std::string> texts;
  for (const std::uint32_t row : rows_) texts.push_back(solved(bank_[row]));
  words_ = std::make_unique<Bm25Index>(std::vector<std::string_view>(texts.begin(), texts.end()),
                                       Bm25Options());
}

void CandidateMiner::use(const Encoder& encoder, const Instructions& instructions) {
  std::vector<std::string> texts;
  std::map<std::string, std::vector<std::int64_t>> places_of_task;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const Demonstration& demo = bank_[rows_[i]];
    texts.push_back(instructed(instructions, demo.task, demo.input));
    places_of_task[demo.task].push_back(static_cast<std::int64_t>(i));
  }
  vectors_ = encoder.encode(texts);
  index_of_task_.clear();
  IndexOptions options;
  options.kind = "flat";
  for (const auto& [task, places] : places_of_task) {
    EmbeddingMatrix part(places.size(), vectors_.dim());
    for (std::size_t i = 0; i < places.size(); ++i)
      std::copy_n(vectors_.row(static_cast<std::size_t>(places[i])).begin(), vectors_.dim(),
                  part.row(i).begin());
    index_of_task_[task] = build_index(options, part, places);
  }
}

std::vector<std::uint32_t> CandidateMiner::by_words(std::uint32_t row, std::size_t count) const {
  const auto filter = [&](std::uint32_t place) {
    return bank_[rows_[place]].task == bank_[row].task;
  };
  std::vector<std::uint32_t> found;
  for (const Bm25Index::Hit& hit : words_->search(solved(bank_[row]), count, filter))
    found.push_back(rows_[hit.row]);
  return found;
}

std::vector<std::uint32_t> CandidateMiner::by_vectors(std::uint32_t row, std::size_t count) const {
  const auto own = std::lower_bound(rows_.begin(), rows_.end(), row) - rows_.begin();
  const EmbeddingView query = EmbeddingView(vectors_).rows(static_cast<std::size_t>(own), 1);
  std::vector<std::uint32_t> found;
  const SearchResult result =
      index_of_task_.at(bank_[row].task)->search(query, static_cast<int>(count));
  for (const std::int64_t place : result.ids)
    if (place != kNoId) found.push_back(rows_[static_cast<std::size_t>(place)]);
  return found;
}

std::vector<std::uint32_t> CandidateMiner::nearest(std::uint32_t row, std::size_t count) const {
  constexpr std::size_t kSpare = 16;  // for those that are left out
  std::vector<std::uint32_t> found =
      index_of_task_.empty() ? by_words(row, count + kSpare) : by_vectors(row, count + kSpare);
  const std::vector<std::string> words = folded_words(bank_[row].input);
  std::erase_if(found, [&](std::uint32_t other) {
    return other == row || folded_words(bank_[other].input) == words;
  });
  found.resize(std::min(count, found.size()));
  return found;
}

std::uint64_t score_candidates(std::span<const Demonstration> bank, const CandidateMiner& miner,
                               std::size_t candidates, DemoScorer& scorer, ScoreLog& log,
                               std::vector<ScoredInput>& inputs, const Progress& progress) {
  std::uint64_t given = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    progress.check("scoring demonstrations");
    const Demonstration& query = bank[inputs[i].row];
    const std::uint64_t identity = scorer.identity(query);
    std::unordered_set<std::uint32_t> known;
    for (const ScoredDemo& each : inputs[i].demos) known.insert(each.row);
    std::vector<std::uint32_t> unknown;
    std::vector<const Demonstration*> demos;
    for (const std::uint32_t row : miner.nearest(inputs[i].row, candidates)) {
      if (!known.insert(row).second) continue;
      if (const auto score = log.find(key_of(identity, query, bank[row]))) {
        inputs[i].demos.push_back({row, *score});
      } else {
        unknown.push_back(row);
        demos.push_back(&bank[row]);
      }
    }
    const std::vector<double> scores =
        demos.empty() ? std::vector<double>() : scorer.score(query, demos, progress);
    for (std::size_t j = 0; j < scores.size(); ++j) {
      log.add(key_of(identity, query, *demos[j]), scores[j]);
      inputs[i].demos.push_back({unknown[j], scores[j]});
    }
    log.flush();
    given += scores.size();
    progress.update({.stage = "scoring demonstrations",
                     .done = i + 1,
                     .total = inputs.size(),
                     .unit = "inputs",
                     .note = fmt::format("{} scores asked for", given)});
  }
  return given;
}

}  // namespace dexter
