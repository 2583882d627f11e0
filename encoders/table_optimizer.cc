// Gathers the gradient of each touched row of the embedding table and applies Adam to it.
#include "encoders/table_optimizer.h"

#include <omp.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "encoders/row_kernels.h"

namespace dexter {
namespace {

constexpr float kBeta2 = 0.999f;

float bias_of(std::int64_t step) { return 1 - std::pow(kBeta2, static_cast<float>(step)); }

constexpr std::size_t kAhead = 4;  // entries
constexpr std::size_t kDigitBits = 11, kDigits = 1u << kDigitBits;

// Stable radix sort by row; `scratch` has room for all.
template <class Entry>
void sort_by_row(std::vector<Entry>& entries, std::vector<Entry>& scratch, std::size_t rows) {
  scratch.resize(entries.size());
  for (std::size_t shift = 0; (rows >> shift) > 0; shift += kDigitBits) {
    std::array<std::uint32_t, kDigits + 1> start{};
    for (const Entry& entry : entries) ++start[((entry.row >> shift) & (kDigits - 1)) + 1];
    for (std::size_t d = 0; d < kDigits; ++d) start[d + 1] += start[d];
    for (const Entry& entry : entries)
      scratch[start[(entry.row >> shift) & (kDigits - 1)]++] = entry;
    entries.swap(scratch);
  }
}

}  // namespace

TableOptimizer::TableOptimizer(std::vector<float>& table, int dim)
    : table_(table), dim_(dim), second_(table.size() / static_cast<std::size_t>(dim)) {}

void TableOptimizer::apply(std::uint32_t row, const float* gradient, float rate, float bias) {
  const RowKernels& kernels = row_kernels();
  float& second = second_[row];
  const float square = kernels.dot(gradient, gradient, dim_) / static_cast<float>(dim_);
  second = kBeta2 * second + (1 - kBeta2) * square;
  if (second <= 0) return;
  kernels.add_scaled(-rate / std::sqrt(second / bias), gradient,
                     &table_[static_cast<std::size_t>(row) * static_cast<std::size_t>(dim_)], dim_);
}

void TableOptimizer::collect(std::span<const BagGradient> sides, std::uint32_t part,
                             std::uint32_t parts, std::vector<Entry>& entries) const {
  entries.clear();
  std::uint32_t source = 0;
  for (const BagGradient& side : sides)
    for (const std::uint32_t text : side.texts) {
      for (const BagFeature& feature : side.bags->row(text))
        if (feature.row % parts == part) entries.push_back({feature.row, source, feature.value});
      ++source;
    }
}

// Rows of a step lie scattered over gigabytes; fetching the next ones hides most of the wait.
void TableOptimizer::fetch_ahead(std::uint32_t row) const {
  const float* at = &table_[static_cast<std::size_t>(row) * static_cast<std::size_t>(dim_)];
  for (int c = 0; c < dim_; c += 16) __builtin_prefetch(at + c, 1);
  __builtin_prefetch(&second_[row], 1);
}

void TableOptimizer::update(std::span<const BagGradient> sides, float rate, std::int64_t step) {
  const float bias = bias_of(step);
  const RowKernels& kernels = row_kernels();
  const auto dim = static_cast<std::size_t>(dim_);
  std::vector<const float*> gradients;
  for (const BagGradient& side : sides)
    for (std::size_t i = 0; i < side.texts.size(); ++i)
      gradients.push_back(side.gradient + i * dim);

#pragma omp parallel
  {
    thread_local std::vector<Entry> entries, scratch;
    std::vector<float> sum(dim);
    // Each thread owns the table rows of one residue, so no two touch the same row.
    collect(sides, static_cast<std::uint32_t>(omp_get_thread_num()),
            static_cast<std::uint32_t>(omp_get_num_threads()), entries);
    sort_by_row(entries, scratch, table_.size() / dim);
    for (std::size_t i = 0; i < entries.size();) {
      std::memset(sum.data(), 0, dim * sizeof(float));
      std::size_t j = i;
      fetch_ahead(entries[std::min(i + kAhead, entries.size() - 1)].row);
      for (; j < entries.size() && entries[j].row == entries[i].row; ++j)
        kernels.add_scaled(entries[j].value, gradients[entries[j].source], sum.data(), dim_);
      apply(entries[i].row, sum.data(), rate, bias);
      i = j;
    }
  }
}

}  // namespace dexter
