// Scores of labels and votes of neighbours as one ranking.
#include "engine/vote_fusion.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace dexter {
namespace {

using Votes = std::unordered_map<LabelId, double>;

void add_votes(const VoterGroup& group, const VoteLookup& lookup, Votes& votes) {
  if (group.documents.empty() || group.weight <= 0) return;
  const double best = static_cast<double>(group.documents.front().score);
  std::vector<double> shares;
  double sum = 0;
  for (const ScoredDocument& document : group.documents) {
    shares.push_back(std::exp((static_cast<double>(document.score) - best) / group.temperature));
    sum += shares.back();
  }
  for (std::size_t i = 0; i < shares.size(); ++i)
    for (const LabelId label : lookup.labels(group.documents[i].id))
      votes[label] += group.weight * shares[i] / sum;
}

}  // namespace

std::array<VoterGroup, 2> voters(const VoteFusion& fusion, std::span<const ScoredDocument> near,
                                 std::span<const ScoredDocument> by_words) {
  return {{{near, 1 - fusion.label_weight - fusion.word_weight, fusion.temperature},
           {by_words, fusion.word_weight, fusion.word_temperature}}};
}

DocumentRanking heard(DocumentRanking ranking, const IdSet& silent, std::size_t most) {
  std::erase_if(ranking, [&](const ScoredDocument& hit) {
    return silent.has(static_cast<std::int64_t>(value(hit.id)));
  });
  if (ranking.size() > most) ranking.resize(most);
  return ranking;
}

DocumentRanking relative(DocumentRanking ranking) {
  if (ranking.empty() || !(ranking.front().score > 0)) return ranking;
  const float best = ranking.front().score;
  for (ScoredDocument& each : ranking) each.score /= best;
  return ranking;
}

LabelRanking fused(const LabelRanking& labels, std::span<const VoterGroup> groups,
                   const VoteFusion& fusion, const VoteLookup& lookup, std::size_t k) {
  if (labels.empty()) return {};
  Votes votes;
  for (const VoterGroup& group : groups) add_votes(group, lookup, votes);
  const double best = static_cast<double>(labels.front().score), t = fusion.label_temperature;
  const auto likeness = [&](float score) {
    return std::exp((static_cast<double>(score) - best) / t);
  };
  double sum = 0;
  for (const ScoredLabel& label : labels) sum += likeness(label.score);
  const auto raised = [&](float score, LabelId id, double vote) {
    const double added = sum * vote * lookup.vote_weight(id) / fusion.label_weight;
    return static_cast<float>(best + t * std::log(likeness(score) + added));
  };
  LabelRanking result = labels;
  for (ScoredLabel& label : result) {
    const auto vote = votes.find(label.id);
    if (vote == votes.end()) continue;
    label.score = raised(label.score, label.id, vote->second);
    votes.erase(vote);
  }
  for (const auto& [id, vote] : votes)
    if (lookup.counts(id)) result.push_back({id, raised(labels.back().score, id, vote)});
  const auto kept = static_cast<std::ptrdiff_t>(std::min(k, result.size()));
  std::partial_sort(result.begin(), result.begin() + kept, result.end(), ranks_before);
  result.resize(static_cast<std::size_t>(kept));
  return result;
}

void lean_to_tail(LabelRanking& ranking, double temperature, double exponent,
                  const std::function<double(LabelId)>& log_inverse_propensity) {
  for (ScoredLabel& label : ranking)
    label.score += static_cast<float>(temperature * exponent * log_inverse_propensity(label.id));
  std::sort(ranking.begin(), ranking.end(), ranks_before);
}

}  // namespace dexter
