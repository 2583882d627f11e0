#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>

namespace dexter {

// Judgements of a retrieval task: of each query the relevant documents and how relevant, > 0.
using Judgements = std::map<std::string, std::map<std::string, double>>;

// BEIR's tab-separated file "query-id corpus-id score", its head line optional; scores <= 0 are not
// kept. kInvalidInput names file and line.
Judgements read_judgements(const std::filesystem::path& file);

// The standard measures of one query over its first k documents (best first, distinct); `relevant`
// is not empty.
struct RetrievalScores {
  double hits = 0;    // 1 where one is relevant
  double recall = 0;  // relevant ones found over all relevant ones
  double mrr = 0;     // 1 over the rank of the first relevant one
  double map = 0;     // sum of the precision at each relevant one, over min(k, relevant ones)
  // As MultiHop-RAG's program computes what it names MAP (Tang and Yang, 2024): 1 / rank of each
  // relevant one in place of the precision there.
  double multihop_map = 0;
  double ndcg = 0;  // gains score / log2(rank + 1), over those of the best order
};
RetrievalScores retrieval_scores(std::span<const std::string> ranked,
                                 const std::map<std::string, double>& relevant, int k);

}  // namespace dexter
