// The sparse optimiser of the tables against a plain loop of its formula.
#include "encoders/table_optimizer.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <map>
#include <random>

namespace dexter {
namespace {

constexpr int kDim = 16;
constexpr std::size_t kRows = 5000;  // three digits of the sort

// Two sides of texts over shared features; the last hundred rows belong to no text.
struct Step {
  BagBatch documents, labels;
  std::vector<std::uint32_t> document_texts, label_texts;
  std::vector<float> document_gradient, label_gradient;

  explicit Step(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::normal_distribution<float> normal;
    const auto fill = [&](BagBatch& bags, std::size_t count, std::vector<std::uint32_t>& texts,
                          std::vector<float>& gradient) {
      for (std::uint32_t i = 0; i < count; ++i) {
        for (std::size_t f = 0; f < i % 9; ++f)  // some texts are empty
          bags.features.push_back(
              {static_cast<std::uint32_t>(f < 3 ? random() % 5 : random() % (kRows - 100)),
               0.1F + std::abs(normal(random))});
        bags.offsets.push_back(bags.features.size());
        texts.push_back((i * 7) % static_cast<std::uint32_t>(count));
      }
      texts.push_back(8);  // a text twice
      gradient.resize(texts.size() * kDim);
      for (float& value : gradient) value = normal(random);
    };
    fill(documents, 40, document_texts, document_gradient);
    fill(labels, 60, label_texts, label_gradient);
  }
  std::array<BagGradient, 2> sides() const {
    return {BagGradient{&documents, document_texts, document_gradient.data()},
            BagGradient{&labels, label_texts, label_gradient.data()}};
  }
};

std::vector<float> initial_table() {
  std::vector<float> table(kRows * kDim);
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal;
  for (float& value : table) value = normal(random);
  return table;
}

// v = 0.999 v + 0.001 mean(g^2);  w -= rate g / sqrt(v / (1 - 0.999^step)).
struct Formula {
  std::vector<double> table, second;
  void apply(std::size_t row, const std::vector<double>& g, double rate, int step) {
    double mean = 0;
    for (const double value : g) mean += value * value / kDim;
    second[row] = 0.999 * second[row] + 0.001 * mean;
    const double scale = rate / std::sqrt(second[row] / (1 - std::pow(0.999, step)));
    for (std::size_t c = 0; c < kDim; ++c) table[row * kDim + c] -= scale * g[c];
  }
};

TEST(TableOptimizer, FollowsItsFormulaAndLeavesOtherRowsAlone) {
  std::vector<float> table = initial_table();
  const std::vector<float> before = table;
  Formula formula{{table.begin(), table.end()}, std::vector<double>(kRows)};
  TableOptimizer optimizer(table, kDim);
  std::vector<char> touched(kRows);
  for (int step = 1; step <= 5; ++step) {
    const Step data(static_cast<std::uint64_t>(step));
    const float rate = 0.01F * static_cast<float>(step);
    const auto sides = data.sides();
    optimizer.update(sides, rate, step);
    std::map<std::uint32_t, std::vector<double>> sums;
    for (const BagGradient& side : sides)
      for (std::size_t i = 0; i < side.texts.size(); ++i)
        for (const BagFeature& feature : side.bags->row(side.texts[i])) {
          auto& sum = sums.try_emplace(feature.row, kDim).first->second;
          for (std::size_t c = 0; c < kDim; ++c)
            sum[c] += static_cast<double>(feature.value) *
                      static_cast<double>(side.gradient[i * kDim + c]);
        }
    for (const auto& [row, sum] : sums) {
      formula.apply(row, sum, static_cast<double>(rate), step);
      touched[row] = 1;
    }
  }
  EXPECT_TRUE(touched[0]);
  for (std::size_t j = 0; j < table.size(); ++j) ASSERT_NEAR(table[j], formula.table[j], 1e-5) << j;
  for (std::size_t row = 0; row < kRows; ++row) {
    if (touched[row]) continue;
    for (std::size_t c = 0; c < kDim; ++c) ASSERT_EQ(table[row * kDim + c], before[row * kDim + c]);
    ASSERT_EQ(optimizer.second_moments()[row], 0);
  }
}

TEST(TableOptimizer, GivesTheSameOnAnyNumberOfThreads) {
  const int usual = omp_get_max_threads();
  std::vector<std::vector<float>> tables;
  for (const int threads : {1, 2, 4}) {
    omp_set_num_threads(threads);
    std::vector<float> table = initial_table();
    TableOptimizer optimizer(table, kDim);
    for (int step = 1; step <= 3; ++step)
      optimizer.update(Step(static_cast<std::uint64_t>(step)).sides(), 0.01F, step);
    tables.push_back(std::move(table));
  }
  omp_set_num_threads(usual);
  EXPECT_EQ(tables[1], tables[0]);
  EXPECT_EQ(tables[2], tables[0]);
}

TEST(TableOptimizer, AZeroGradientMovesNothing) {
  std::vector<float> table = initial_table();
  const std::vector<float> before = table;
  TableOptimizer optimizer(table, kDim);
  Step data(3);
  std::fill(data.document_gradient.begin(), data.document_gradient.end(), 0.0F);
  std::fill(data.label_gradient.begin(), data.label_gradient.end(), 0.0F);
  optimizer.update(data.sides(), 0.1F, 1);
  EXPECT_EQ(table, before);
}

}  // namespace
}  // namespace dexter
