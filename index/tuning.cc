// Measures recall against exact search, and finds the cheapest setting that reaches a target.
#include "index/tuning.h"

#include <algorithm>
#include <cmath>

#include <spdlog/fmt/fmt.h>

namespace dexter {
namespace {

constexpr std::size_t kQueries = 1024;
constexpr std::size_t kRowsAtOnce = 8192;
constexpr double kOneInHundred = 2.326;  // standard deviations, one-sided

EmbeddingMatrix spaced(EmbeddingView queries) {
  const std::size_t count = std::min(kQueries, queries.rows());
  EmbeddingMatrix chosen(count, queries.dim());
  for (std::size_t i = 0; i < count; ++i)
    std::ranges::copy(queries.row(i * queries.rows() / count), chosen.row(i).begin());
  return chosen;
}

}  // namespace

Tuning::Tuning(const SortedRows& rows, EmbeddingView queries, int seed)
    : queries_(queries.rows() > 0 ? spaced(queries) : rows.sample(kQueries, seed)),
      given_(queries.rows() > 0),
      k_(static_cast<int>(std::min<std::size_t>(10, rows.size()))) {
  RowScan scan(queries_, k_);
  for (std::size_t first = 0; first < rows.size(); first += kRowsAtOnce)
    scan.add(rows.blocks(first, std::min(kRowsAtOnce, rows.size() - first)),
             static_cast<std::uint32_t>(first));
  exact_ = scan.take();
}

Tuning::Recall Tuning::recall(const Search& search) const {
  const std::vector<Hit> found = search(queries_, k_);
  const auto k = static_cast<std::size_t>(k_);
  std::vector<double> of_queries;
  for (std::size_t first = 0; first < found.size(); first += k) {
    const float last = exact_[first + k - 1].score;
    const auto right = [&](const Hit& hit) { return hit.row != kNoRow && hit.score >= last; };
    of_queries.push_back(
        static_cast<double>(std::ranges::count_if(std::span(found).subspan(first, k), right)) /
        static_cast<double>(k));
  }
  return estimate(of_queries, k_);
}

Tuning::Recall Tuning::estimate(std::span<const double> of_queries, int k) {
  const auto count = static_cast<double>(of_queries.size());
  double sum = 0, squares = 0;
  for (const double recall : of_queries) sum += recall;
  const double mean = sum / count;
  for (const double recall : of_queries) squares += (recall - mean) * (recall - mean);
  const double variance =
      std::max(squares / std::max(1.0, count - 1) / count, mean * (1 - mean) / (count * k));
  return {mean, std::max(0.0, mean - kOneInHundred * std::sqrt(variance))};
}

Tuning::Setting Tuning::smallest(int first, int last, double target,
                                 const std::function<Recall(int)>& recall_at) const {
  int below = first - 1;  // the largest value known to miss the target
  Setting reached{std::min(first, last), {}};
  for (;; reached.value = std::min(reached.value * 2, last)) {
    reached.recall = recall_at(reached.value);
    if (reached.recall.surely >= target || reached.value == last) break;
    below = reached.value;
  }
  // A gap of an eighth is fine enough: recall is flat there.
  while (reached.recall.surely >= target && reached.value - below > 1 + reached.value / 8) {
    const int middle = below + (reached.value - below) / 2;
    const Recall recall = recall_at(middle);
    if (recall.surely >= target)
      reached = {middle, recall};
    else
      below = middle;
  }
  return reached;
}

std::string Tuning::described() const {
  return fmt::format("on {} {}", queries_.rows(),
                     given_ ? "given queries" : "of its own vectors as queries");
}

}  // namespace dexter
