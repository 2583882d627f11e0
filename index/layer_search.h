#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "index/code_rows.h"

namespace dexter {

// Inner header of the graph: the search of one layer, as walking and building do it.

struct ScoredRow {
  float score;
  std::int32_t row;
  bool operator<(const ScoredRow& other) const { return score < other.score; }
  bool operator>(const ScoredRow& other) const { return score > other.score; }
};

// Marks of the rows one search has seen; emptied by counting on.
class Seen {
 public:
  void start(std::size_t rows) {
    if (marks_.size() < rows) marks_.resize(rows);
    if (++search_ == 0) {
      std::ranges::fill(marks_, std::uint8_t{0});
      search_ = 1;
    }
  }
  bool first_time(std::int32_t row) {
    std::uint8_t& mark = marks_[static_cast<std::size_t>(row)];
    if (mark == search_) return false;
    mark = search_;
    return true;
  }

 private:
  std::vector<std::uint8_t> marks_;
  std::uint8_t search_ = 0;
};

// What a search needs and the next one can use again; one thread's.
struct LayerScratch {
  Seen seen;
  std::vector<ScoredRow> open, best;  // heaps: the best of open, the worst of best, first
  std::vector<std::int32_t> fresh;
  std::vector<float> scores;
};

// The row of a layer that no link leads up from. `links` is called as links(row, visit) and visits
// the rows that a row is linked to.
template <class Links>
ScoredRow climb(const CodeRows& rows, const CodeRows::Query& query, ScoredRow best,
                LayerScratch& scratch, const Links& links) {
  for (bool moved = true; moved;) {
    moved = false;
    scratch.fresh.clear();
    links(best.row, [&](std::int32_t row) {
      rows.prefetch(static_cast<std::size_t>(row));
      scratch.fresh.push_back(row);
    });
    scratch.scores.resize(scratch.fresh.size());
    rows.score_all(query, scratch.fresh, scratch.scores);
    for (std::size_t i = 0; i < scratch.fresh.size(); ++i)
      if (scratch.scores[i] > best.score) {
        best = {scratch.scores[i], scratch.fresh[i]};
        moved = true;
      }
  }
  return best;
}

// The `ef` rows of a layer of `count` rows nearest to the query that are found from `start`, in
// scratch.best, as a heap. `prefetch(row)` asks for the links of a row.
template <class Links, class Prefetch>
void search_layer(const CodeRows& rows, std::size_t count, const CodeRows::Query& query,
                  ScoredRow start, std::size_t ef, LayerScratch& scratch, const Links& links,
                  const Prefetch& prefetch) {
  auto& [seen, open, best, fresh, scores] = scratch;
  seen.start(count);
  seen.first_time(start.row);
  open.assign(1, start);
  best.assign(1, start);
  while (!open.empty()) {
    std::pop_heap(open.begin(), open.end());
    const ScoredRow nearest = open.back();
    open.pop_back();
    if (best.size() == ef && nearest.score < best.front().score) break;
    fresh.clear();
    links(nearest.row, [&](std::int32_t row) {
      if (!seen.first_time(row)) return;
      rows.prefetch(static_cast<std::size_t>(row));
      fresh.push_back(row);
    });
    if (!open.empty()) prefetch(open.front().row);
    scores.resize(fresh.size());
    rows.score_all(query, fresh, scores);
    for (std::size_t i = 0; i < fresh.size(); ++i) {
      if (best.size() == ef && scores[i] <= best.front().score) continue;
      open.push_back({scores[i], fresh[i]});
      std::push_heap(open.begin(), open.end());
      best.push_back({scores[i], fresh[i]});
      std::push_heap(best.begin(), best.end(), std::greater<>());
      if (best.size() > ef) {
        std::pop_heap(best.begin(), best.end(), std::greater<>());
        best.pop_back();
      }
    }
  }
}

}  // namespace dexter
