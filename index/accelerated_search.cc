// Candidates from other hardware, scored again, until no row that was not found can be an answer.
#include "index/accelerated_search.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <spdlog/fmt/fmt.h>

#include "index/ranked_index.h"

namespace dexter {
namespace {

// Fills the k best of a query from its share of what was found; false where a row that was not
// found may be among them.
bool settle(const RowAccelerator& accelerator, const AcceleratedRows& rows,
            std::span<const float> query, std::span<const std::int64_t> found,
            std::span<const float> scores, std::span<Hit> best) {
  std::vector<Place> places;
  places.reserve(found.size());
  for (const std::int64_t number : found) {
    if (number < 0) break;
    const auto row = static_cast<std::uint32_t>(number);
    places.push_back({rows.places.empty() ? row : rows.places[row], row});
  }
  rescore(query, rows.vectors, places, best);
  const float slack = accelerator.slack(query);
  return places.size() < found.size() || places.size() == rows.size || std::isinf(slack) ||
         best.back().score > scores.back() + slack;
}

// What is asked for the pending queries, which are copied where they are not all.
struct Pending {
  EmbeddingView all;
  std::span<const Hit> all_lists;
  std::vector<std::size_t> numbers;
  EmbeddingMatrix gathered;
  std::vector<Hit> gathered_lists;

  RowAccelerator::Ask ask(std::size_t count) {
    if (numbers.size() == all.rows()) return {all, count, all_lists};
    const std::size_t each = all_lists.size() / all.rows();
    gathered = rows_of(all, numbers);
    gathered_lists.clear();
    for (const std::size_t i : numbers) {
      const auto own = all_lists.subspan(i * each, each);
      gathered_lists.insert(gathered_lists.end(), own.begin(), own.end());
    }
    return {gathered, count, gathered_lists};
  }
};

}  // namespace

EmbeddingMatrix rows_of(EmbeddingView queries, std::span<const std::size_t> some) {
  EmbeddingMatrix rows(some.size(), queries.dim());
  for (std::size_t i = 0; i < some.size(); ++i)
    std::ranges::copy(queries.row(some[i]), rows.row(i).begin());
  return rows;
}

std::vector<Hit> accelerated_hits(const RowAccelerator& accelerator, const AcceleratedRows& rows,
                                  EmbeddingView queries, std::size_t k, std::span<const Hit> lists,
                                  const ByProcessors& by_processors) {
  std::vector<Hit> best(queries.rows() * k);
  if (best.empty()) return best;
  Pending pending{.all = queries,
                  .all_lists = lists,
                  .numbers = std::vector<std::size_t>(queries.rows()),
                  .gathered = {},
                  .gathered_lists = {}};
  std::iota(pending.numbers.begin(), pending.numbers.end(), std::size_t{0});
  const std::size_t most = std::min(rows.size, accelerator.most());
  const bool fits = k <= most && lists.size() / queries.rows() <= accelerator.most();
  const std::size_t first = std::isinf(accelerator.slack(queries.row(0)))
                                ? RowAccelerator::kRescored * k
                                : k + 16 + k / 8;
  for (std::size_t count = std::min(most, first); fits && !pending.numbers.empty();
       count = std::min(most, 4 * count)) {
    const RowAccelerator::Ask ask = pending.ask(count);
    const RowAccelerator::Found found = accelerator.best(ask);
    std::vector<char> settled(pending.numbers.size());
#pragma omp parallel for schedule(dynamic) if (settled.size() > 1)
    for (std::size_t i = 0; i < settled.size(); ++i)
      settled[i] = settle(accelerator, rows, ask.queries.row(i),
                          std::span(found.rows).subspan(i * count, count),
                          std::span(found.scores).subspan(i * count, count),
                          std::span(best).subspan(pending.numbers[i] * k, k))
                       ? 1
                       : 0;
    std::vector<std::size_t> rest;
    for (std::size_t i = 0; i < settled.size(); ++i)
      if (settled[i] == 0) rest.push_back(pending.numbers[i]);
    pending.numbers = std::move(rest);
    if (count == most) break;
  }
  if (pending.numbers.empty()) return best;
  const std::vector<Hit> hits = by_processors(pending.numbers);
  for (std::size_t i = 0; i < pending.numbers.size(); ++i)
    std::copy_n(&hits[i * k], k, &best[pending.numbers[i] * k]);
  return best;
}

void RankedIndex::use(const Accelerate& by) {
  const std::string& kind = core_.options.kind;
  ensure(
      kind != "flat" && kind != "ivf", ErrorKind::kInvalidInput,
      fmt::format("searching on other hardware: the index is {}, and {} is searched there; build "
                  "it with another kind, or search on the processors",
                  kind,
                  by.flat  ? "only flat"
                  : by.ivf ? "only ivf"
                           : "none"));
  throw Error(ErrorKind::kInvalidInput,
              fmt::format("searching on other hardware: the index is {}, which is searched on the "
                          "processors alone; build it with the kind flat or ivf",
                          kind));
}

void accelerate(VectorIndex& index, const Accelerate& by) {
  dynamic_cast<RankedIndex&>(index).use(by);  // as every index of the table is
}

}  // namespace dexter
