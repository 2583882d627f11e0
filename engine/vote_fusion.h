#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "index/id_set.h"
#include "storage/manifest.h"
#include "storage/types.h"

namespace dexter {

// Documents whose labels vote, best first, with scores of any one kind.
struct VoterGroup {
  std::span<const ScoredDocument> documents;
  double weight = 0;
  double temperature = 1;  // of the softmax over their scores
};

// The two groups of a query, by `fusion`'s weights: nearest by vector, and by words.
std::array<VoterGroup, 2> voters(const VoteFusion& fusion, std::span<const ScoredDocument> near,
                                 std::span<const ScoredDocument> by_words);

// The best `most` of the documents that are not in `silent`.
DocumentRanking heard(DocumentRanking ranking, const IdSet& silent, std::size_t most);

// The same with each score as a share of the best one's, where that is positive.
DocumentRanking relative(DocumentRanking ranking);

// What fusion asks of the store.
struct VoteLookup {
  std::function<std::span<const LabelId>(DocumentId)> labels;
  std::function<bool(LabelId)> counts;         // whether the label may be answered
  std::function<double(LabelId)> vote_weight;  // of the label's votes
};

// Label search fused with neighbours' votes (Wang et al., RAE-XMC, 2025), s the labels' scores:
//   p(l) ~ w_0 softmax_l(s / t_0) + sum over groups g of w_g sum_j softmax_j(score_j / t_g) [l in
//   j]
// The result's scores keep the scale of s: with Z = sum_l exp(s_l / t_0), each is
//   t_0 log(exp(s_l / t_0) + Z votes_l / w_0),
// which is s_l for a label without votes, more for one that has some, and ranks as p does. `labels`
// is best first; a label beyond them that has votes counts as scored like their last. The k best;
// none where `labels` is empty. Pure, safe from many threads.
LabelRanking fused(const LabelRanking& labels, std::span<const VoterGroup> groups,
                   const VoteFusion& fusion, const VoteLookup& lookup, std::size_t k);

// Moves every score by temperature * exponent * log of the label's inverse propensity and ranks
// anew: p(l) * q_l^exponent on the scale of `fused`.
void lean_to_tail(LabelRanking& ranking, double temperature, double exponent,
                  const std::function<double(LabelId)>& log_inverse_propensity);

}  // namespace dexter
