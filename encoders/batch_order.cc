// Balanced clusters of rows, and batches of documents.
#include "encoders/batch_order.h"

#include <algorithm>
#include <numeric>
#include <span>

#include "encoders/row_kernels.h"

namespace dexter {
namespace {

constexpr std::size_t kSample = 512;  // rows that the two means are found by
constexpr int kRounds = 4;

class Halving {
 public:
  Halving(EmbeddingView vectors, std::size_t cluster, std::mt19937_64& random)
      : vectors_(vectors), cluster_(cluster), random_(random), keys_(vectors.rows()) {}

  // Reorders `rows` so that each run of `cluster` is one.
  void run(std::span<std::uint32_t> rows) {
    if (rows.size() <= cluster_) return;
    const std::size_t clusters = (rows.size() + cluster_ - 1) / cluster_;
    const std::size_t first = clusters / 2 * cluster_;
    const std::vector<float> line = line_of(rows);
    halve(rows, first, line);
    run(rows.first(first));
    run(rows.subspan(first));
  }

 private:
  // From the mean of one half of a sample to that of the other.
  std::vector<float> line_of(std::span<const std::uint32_t> rows) {
    std::vector<std::uint32_t> sample;
    std::sample(rows.begin(), rows.end(), std::back_inserter(sample), kSample, random_);
    std::shuffle(sample.begin(), sample.end(), random_);
    const std::span<std::uint32_t> all = sample;
    std::vector<float> line = difference(all.first(1), all.last(1));
    for (int round = 0; round < kRounds; ++round) {
      halve(all, all.size() / 2, line);
      line = difference(all.first(all.size() / 2), all.subspan(all.size() / 2));
    }
    return line;
  }

  std::vector<float> difference(std::span<const std::uint32_t> low,
                                std::span<const std::uint32_t> high) const {
    std::vector<float> line(static_cast<std::size_t>(vectors_.dim()));
    const auto add = [&](std::span<const std::uint32_t> rows, float sign) {
      const float share = sign / static_cast<float>(rows.size());
      for (const std::uint32_t row : rows)
        row_kernels().add_scaled(share, vectors_.row(row).data(), line.data(), vectors_.dim());
    };
    add(low, -1);
    add(high, 1);
    return line;
  }

  // The `first` rows that lie lowest along the line come first.
  void halve(std::span<std::uint32_t> rows, std::size_t first, const std::vector<float>& line) {
#pragma omp parallel for schedule(static) if (rows.size() > kSample)
    for (std::size_t i = 0; i < rows.size(); ++i)
      keys_[rows[i]] = row_kernels().dot(vectors_.row(rows[i]).data(), line.data(), vectors_.dim());
    std::nth_element(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(first), rows.end(),
                     [this](std::uint32_t a, std::uint32_t b) { return keys_[a] < keys_[b]; });
  }

  const EmbeddingView vectors_;
  const std::size_t cluster_;
  std::mt19937_64& random_;
  std::vector<float> keys_;  // by row: its place along the present line
};

}  // namespace

std::vector<std::uint32_t> shuffled_order(std::size_t documents, std::mt19937_64& random) {
  std::vector<std::uint32_t> order(documents);
  std::iota(order.begin(), order.end(), 0u);
  std::shuffle(order.begin(), order.end(), random);
  return order;
}

std::vector<std::uint32_t> balanced_clusters(EmbeddingView vectors, std::size_t cluster,
                                             std::mt19937_64& random) {
  std::vector<std::uint32_t> rows(vectors.rows());
  std::iota(rows.begin(), rows.end(), 0u);
  Halving(vectors, cluster, random).run(rows);
  return rows;
}

std::vector<std::uint32_t> clustered_order(EmbeddingView vectors, std::size_t cluster,
                                           std::mt19937_64& random) {
  const std::vector<std::uint32_t> rows = balanced_clusters(vectors, cluster, random);
  std::vector<std::uint32_t> order;
  for (const std::uint32_t place : shuffled_order((rows.size() + cluster - 1) / cluster, random)) {
    const std::size_t first = place * cluster, last = std::min(first + cluster, rows.size());
    for (std::size_t i = first; i < last; ++i) order.push_back(rows[i]);
  }
  return order;
}

std::vector<std::uint32_t> epoch_order(const TrainerOptions& options, TrainingCourse::Rows rows,
                                       int finished, int dim,
                                       const std::function<std::vector<float>()>& vectors,
                                       std::mt19937_64& random) {
  std::vector<std::uint32_t> order;
  if (options.batches != "clustered" || finished == 0) {
    order = shuffled_order(rows.count, random);
  } else {
    const std::vector<float> values = vectors();
    order = clustered_order({values.data(), rows.count, dim},
                            static_cast<std::size_t>(options.cluster), random);
  }
  for (std::uint32_t& row : order) row += static_cast<std::uint32_t>(rows.first);
  return order;
}

}  // namespace dexter
