// The index of a generation and the labels changed since, searched as one.
#include "engine/label_search.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

#include <spdlog/fmt/fmt.h>

#include "storage/error.h"

namespace dexter {
namespace {

// Hidden labels rarely stand among the best, so a search asks for few more than k at first.
constexpr std::size_t kSpareHits = 16;

bool ranks_before(const ScoredLabel& a, const ScoredLabel& b) {
  return a.score != b.score ? a.score > b.score : a.id < b.id;
}

double squared_norm(std::span<const float> row) {
  return std::inner_product(row.begin(), row.end(), row.begin(), 0.0);
}

EmbeddingMatrix rows_of(EmbeddingView matrix, const std::vector<std::size_t>& rows) {
  EmbeddingMatrix result(rows.size(), matrix.dim());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::span<const float> row = matrix.row(rows[i]);
    std::copy(row.begin(), row.end(), result.row(i).begin());
  }
  return result;
}

struct Hits {
  LabelRanking ranking;    // hidden labels dropped
  bool exhausted = false;  // the index has no more
};

Hits hits_of_row(const SearchResult& found, std::size_t row,
                 const std::unordered_set<std::int64_t>& hidden) {
  Hits hits;
  const std::size_t first = row * static_cast<std::size_t>(found.k);
  for (std::size_t i = first; i < first + static_cast<std::size_t>(found.k); ++i) {
    if (found.ids[i] == kNoId) {
      hits.exhausted = true;
      break;
    }
    if (!hidden.contains(found.ids[i]))
      hits.ranking.push_back({LabelId{static_cast<std::uint32_t>(found.ids[i])}, found.scores[i]});
  }
  return hits;
}

LabelRanking merged(const LabelRanking& a, const LabelRanking& b, std::size_t k) {
  LabelRanking result;
  result.reserve(a.size() + b.size());
  std::merge(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(result), ranks_before);
  if (result.size() > k) result.resize(k);
  return result;
}

// Rows of `queries` that can be searched: all but zero rows.
std::vector<std::size_t> searchable_rows(EmbeddingView queries) {
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < queries.rows(); ++i) {
    const double norm = squared_norm(queries.row(i));
    ensure(std::isfinite(norm), ErrorKind::kInvalidInput,
           "searching labels: a query vector holds a value that is no finite number; encode the "
           "text again");
    if (norm > 0) rows.push_back(i);
  }
  return rows;
}

std::unique_ptr<VectorIndex> exact_index(const std::vector<const LabelChange*>& changes, int dim) {
  EmbeddingMatrix vectors(changes.size(), dim);
  std::vector<std::int64_t> ids;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    std::copy(changes[i]->vector.begin(), changes[i]->vector.end(), vectors.row(i).begin());
    ids.push_back(value(changes[i]->id));
  }
  return build_index({.kind = "flat"}, vectors, ids);
}

}  // namespace

LabelSearch::LabelSearch(std::unique_ptr<VectorIndex> index,
                         const std::vector<LabelChange>& changes, int dim)
    : index_(std::move(index)), index_size_(index_->describe().size) {
  std::vector<const LabelChange*> present;
  for (const LabelChange& change : changes) {
    hidden_.insert(value(change.id));
    if (change.removed) continue;
    ensure(change.vector.size() == static_cast<std::size_t>(dim), ErrorKind::kIncompatible,
           fmt::format("opening the labels changed since the index was built: label {} has a "
                       "{}-d vector but the encoder gives {}-d; run `dexter index`",
                       value(change.id), change.vector.size(), dim));
    present.push_back(&change);
  }
  delta_size_ = present.size();
  if (delta_size_ > 0) delta_ = exact_index(present, dim);
}

std::vector<LabelRanking> LabelSearch::rank(EmbeddingView queries, int k,
                                            const SearchOptions& search) const {
  std::vector<LabelRanking> result(queries.rows());
  const std::size_t wanted = std::min(static_cast<std::size_t>(k), index_size_ + delta_size_);
  const std::vector<std::size_t> rows = searchable_rows(queries);
  if (wanted == 0 || rows.empty()) return result;
  EmbeddingMatrix gathered;
  if (rows.size() < queries.rows()) {
    gathered = rows_of(queries, rows);
    queries = gathered;
  }
  std::vector<LabelRanking> found = search_index(queries, wanted, search);
  if (delta_) {
    const int delta_k = static_cast<int>(std::min(wanted, delta_size_));
    const SearchResult changed = delta_->search(queries, delta_k);
    for (std::size_t i = 0; i < rows.size(); ++i)
      found[i] = merged(found[i], hits_of_row(changed, i, {}).ranking, wanted);
  }
  for (std::size_t i = 0; i < rows.size(); ++i) result[rows[i]] = std::move(found[i]);
  return result;
}

std::vector<LabelRanking> LabelSearch::search_index(EmbeddingView queries, std::size_t k,
                                                    const SearchOptions& search) const {
  std::vector<LabelRanking> result(queries.rows());
  if (index_size_ == 0) return result;
  std::vector<std::size_t> pending(queries.rows());
  std::iota(pending.begin(), pending.end(), std::size_t{0});
  const std::size_t enough = std::min(index_size_, k + hidden_.size());
  std::size_t fetch = std::min(enough, k + std::min(hidden_.size(), kSpareHits));
  EmbeddingMatrix gathered;
  while (!pending.empty()) {
    const SearchResult found = index_->search(queries, static_cast<int>(fetch), search);
    std::vector<std::size_t> short_rows, still_pending;
    for (std::size_t i = 0; i < pending.size(); ++i) {
      Hits hits = hits_of_row(found, i, hidden_);
      if (hits.ranking.size() < k && !hits.exhausted && fetch < enough) {
        short_rows.push_back(i);
        still_pending.push_back(pending[i]);
        continue;
      }
      if (hits.ranking.size() > k) hits.ranking.resize(k);
      result[pending[i]] = std::move(hits.ranking);
    }
    EmbeddingMatrix next = rows_of(queries, short_rows);
    gathered = std::move(next);
    queries = gathered;
    pending = std::move(still_pending);
    fetch = std::min(enough, fetch * 4);
  }
  return result;
}

}  // namespace dexter
