// Measures recall against exact search, and finds the cheapest setting that reaches a target.
#include "index/tuning.h"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

namespace dexter {
namespace {

constexpr std::size_t kQueries = 1024;
constexpr std::size_t kRowsAtOnce = 8192;

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

double Tuning::recall(const Search& search) const {
  const std::vector<Hit> found = search(queries_, k_);
  std::size_t right = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const std::size_t last = (i / k_ + 1) * k_ - 1;
    if (found[i].row != kNoRow && found[i].score >= exact_[last].score) ++right;
  }
  return static_cast<double>(right) / static_cast<double>(exact_.size());
}

Tuning::Setting Tuning::smallest(int first, int last, double target,
                                 const std::function<double(int)>& recall_at) const {
  int below = first - 1;  // the largest value known to miss the target
  Setting reached{std::min(first, last), 0};
  for (;; reached.value = std::min(reached.value * 2, last)) {
    reached.recall = recall_at(reached.value);
    if (reached.recall >= target || reached.value == last) break;
    below = reached.value;
  }
  // A gap of an eighth is fine enough: recall is flat there.
  while (reached.recall >= target && reached.value - below > 1 + reached.value / 8) {
    const int middle = below + (reached.value - below) / 2;
    const double recall = recall_at(middle);
    if (recall >= target)
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
