// The index of a generation and the labels changed since, searched as one.
#include "engine/label_search.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

#include "storage/error.h"

namespace dexter {
namespace {

// Hidden labels rarely stand among the best, so a search asks for few more than k at first.
constexpr std::size_t kSpareHits = 16;

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

}  // namespace

LabelSearch::LabelSearch(std::shared_ptr<const VectorIndex> index,
                         const std::vector<LabelChange>& changes, int dim)
    : index_(std::move(index)), index_size_(index_->describe().size), dim_(dim) {
  std::vector<ChangedLabel> changed;
  changed.reserve(changes.size());
  for (const LabelChange& change : changes) changed.push_back({change, {}});
  append(std::make_shared<const ChangedLabels>(std::move(changed), dim_));
}

LabelSearch LabelSearch::with(std::vector<ChangedLabel> changes) const {
  LabelSearch result = *this;
  result.append(std::make_shared<const ChangedLabels>(std::move(changes), dim_));
  return result;
}

// A batch is merged into the one before unless that is twice as large, so that there are few to
// search and each change is merged few times.
void LabelSearch::append(Batch batch) {
  if (batch->size() == 0) return;
  while (!batches_.empty() && batches_.back()->size() < 2 * batch->size()) {
    batch = std::make_shared<const ChangedLabels>(*batches_.back(), *batch);
    batches_.pop_back();
  }
  batches_.push_back(std::move(batch));
}

const ChangedLabel* LabelSearch::find_change(LabelId id) const {
  for (auto batch = batches_.rbegin(); batch != batches_.rend(); ++batch)
    if (const ChangedLabel* changed = (*batch)->find(id)) return changed;
  return nullptr;
}

std::map<LabelId, const ChangedLabel*> LabelSearch::last_changes() const {
  std::map<LabelId, const ChangedLabel*> changes;
  for (const Batch& batch : batches_)
    for (const auto& entry : batch->entries()) changes[entry->change.id] = entry.get();
  return changes;
}

std::vector<LabelRanking> LabelSearch::rank(EmbeddingView queries, int k,
                                            const SearchOptions& search) const {
  std::vector<LabelRanking> result(queries.rows());
  std::size_t all = index_size_;
  for (const Batch& batch : batches_) all += batch->present();
  const std::size_t wanted = std::min(static_cast<std::size_t>(k), all);
  const std::vector<std::size_t> rows = searchable_rows(queries);
  if (wanted == 0 || rows.empty()) return result;
  EmbeddingMatrix gathered;
  if (rows.size() < queries.rows()) {
    gathered = rows_of(queries, rows);
    queries = gathered;
  }
  std::vector<LabelRanking> found = search_part(*index_, index_size_, 0, queries, wanted, search);
  for (std::size_t i = 0; i < batches_.size(); ++i) {
    const ChangedLabels& batch = *batches_[i];
    if (batch.present() == 0) continue;
    const auto changed =
        search_part(*batch.index(), batch.present(), i + 1, queries, wanted, {.only = search.only});
    for (std::size_t j = 0; j < rows.size(); ++j) found[j] = merged(found[j], changed[j], wanted);
  }
  for (std::size_t i = 0; i < rows.size(); ++i) result[rows[i]] = std::move(found[i]);
  return result;
}

// The hits of a row but for labels that batches from `newer` on changed.
LabelRanking LabelSearch::visible(const SearchResult& found, std::size_t row, std::size_t newer,
                                  bool& exhausted) const {
  LabelRanking ranking;
  const std::size_t first = row * static_cast<std::size_t>(found.k);
  for (std::size_t i = first; i < first + static_cast<std::size_t>(found.k); ++i) {
    exhausted = found.ids[i] == kNoId;
    if (exhausted) break;
    const LabelId id{static_cast<std::uint32_t>(found.ids[i])};
    const auto hides = [id](const Batch& batch) { return batch->find(id) != nullptr; };
    if (std::none_of(batches_.begin() + static_cast<std::ptrdiff_t>(newer), batches_.end(), hides))
      ranking.push_back({id, found.scores[i]});
  }
  return ranking;
}

std::vector<LabelRanking> LabelSearch::search_part(const VectorIndex& index, std::size_t size,
                                                   std::size_t newer, EmbeddingView queries,
                                                   std::size_t k,
                                                   const SearchOptions& search) const {
  std::vector<LabelRanking> result(queries.rows());
  if (size == 0) return result;
  std::vector<std::size_t> pending(queries.rows());
  std::iota(pending.begin(), pending.end(), std::size_t{0});
  std::size_t hidden = 0;
  for (std::size_t i = newer; i < batches_.size(); ++i) hidden += batches_[i]->size();
  const std::size_t enough = std::min(size, k + hidden);
  std::size_t fetch = std::min(enough, k + std::min(hidden, kSpareHits));
  EmbeddingMatrix gathered;
  while (!pending.empty()) {
    const SearchResult found = index.search(queries, static_cast<int>(fetch), search);
    std::vector<std::size_t> short_rows, still_pending;
    for (std::size_t i = 0; i < pending.size(); ++i) {
      bool exhausted = false;
      LabelRanking ranking = visible(found, i, newer, exhausted);
      if (ranking.size() < k && !exhausted && fetch < enough) {
        short_rows.push_back(i);
        still_pending.push_back(pending[i]);
        continue;
      }
      if (ranking.size() > k) ranking.resize(k);
      result[pending[i]] = std::move(ranking);
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
