// Measures of ranked documents against judgements.
#include "engine/retrieval_metrics.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>
#include <vector>

#include "storage/line_reader.h"

namespace dexter {
namespace {

constexpr std::uint64_t kLongestLine = 1u << 20;

std::vector<std::string_view> columns_of(std::string_view line) {
  std::vector<std::string_view> columns;
  for (std::size_t begin = 0; begin <= line.size();) {
    const std::size_t end = std::min(line.find('\t', begin), line.size());
    columns.push_back(line.substr(begin, end - begin));
    begin = end + 1;
  }
  return columns;
}

double discount(std::size_t place) { return 1 / std::log2(static_cast<double>(place) + 2); }

}  // namespace

Judgements read_judgements(const std::filesystem::path& file) {
  LineReader lines(file, kLongestLine);
  Judgements judgements;
  std::string_view line;
  while (lines.next(line)) {
    const std::vector<std::string_view> columns = columns_of(line);
    double score = 0;
    if (columns.size() == 3) {
      const auto* end = columns[2].data() + columns[2].size();
      const auto parsed = std::from_chars(columns[2].data(), end, score);
      if (parsed.ec == std::errc() && parsed.ptr == end) {
        if (score > 0) judgements[std::string(columns[0])][std::string(columns[1])] = score;
        continue;
      }
      if (lines.line() == 1) continue;  // the head
    }
    lines.fail("a judgement is query, document and score, with tabs between; mend the line");
  }
  return judgements;
}

RetrievalScores retrieval_scores(std::span<const std::string> ranked,
                                 const std::map<std::string, double>& relevant, int k) {
  const auto most = static_cast<std::size_t>(k);
  RetrievalScores scores;
  double found = 0, gained = 0;
  for (std::size_t i = 0; i < std::min(most, ranked.size()); ++i) {
    const auto hit = relevant.find(ranked[i]);
    if (hit == relevant.end()) continue;
    const double rank = static_cast<double>(i) + 1;
    if (found == 0) scores.mrr = 1 / rank;
    scores.map += ++found / rank;
    scores.multihop_map += 1 / rank;
    gained += hit->second * discount(i);
  }
  std::vector<double> gains;
  for (const auto& [document, score] : relevant) gains.push_back(score);
  std::sort(gains.begin(), gains.end(), std::greater<>());
  double best = 0;
  for (std::size_t i = 0; i < std::min(most, gains.size()); ++i) best += gains[i] * discount(i);
  const auto all = static_cast<double>(relevant.size());
  scores.hits = found > 0 ? 1 : 0;
  scores.recall = found / all;
  scores.map /= std::min(all, static_cast<double>(k));
  scores.multihop_map /= std::min(all, static_cast<double>(k));
  scores.ndcg = gained / best;
  return scores;
}

}  // namespace dexter
