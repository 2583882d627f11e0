#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace dexter {

// Training documents in bands by how rare their rarest label is, and how often a step draws from
// each: dynamic gradient alignment (Fan et al., Dynamic Gradient Alignment for Online Data Mixing,
// arXiv 2410.02498), with bands of frequency as the domains and rare labels as what is aimed at.
// With c_k the cosine of the loss's gradient over a sample of band k and over one of held-out
// documents that have a rare label,
//   a'_k = a_k e^{rate c_k} / sum_j a_j e^{rate c_j},   a_k = (1 - kNew) a_k + kNew a'_k.
class BandMixture {
 public:
  static constexpr std::array<std::uint32_t, 2> kMost{5, 50};  // documents of the rarest label
  static constexpr std::size_t kBands = kMost.size() + 1;
  static constexpr float kNew = 0.1F;
  using Shares = std::array<float, kBands>;

  // A label's training documents are `frequency`; `documents` are ascending label rows of each.
  BandMixture(std::span<const std::vector<std::uint32_t>> documents,
              std::span<const std::uint32_t> frequency);

  Shares natural_shares() const;  // each band's share of the documents
  // Each band is drawn in a new order.
  void begin_epoch(std::mt19937_64& random);
  // Rows of `count` documents, each of a band drawn by its share, the next one there.
  std::vector<std::uint32_t> draw(std::size_t count, std::span<const float> shares,
                                  std::mt19937_64& random);
  // `count` of a band, at random; empty of an empty band.
  std::vector<std::uint32_t> sample(std::size_t band, std::size_t count,
                                    std::mt19937_64& random) const;

  static std::size_t band_of(std::span<const std::uint32_t> labels,
                             std::span<const std::uint32_t> frequency);
  static void align(std::span<const double> cosines, double rate, std::span<float> shares);

 private:
  struct Band {
    std::vector<std::uint32_t> rows;
    std::size_t next = 0;
  };
  std::array<Band, kBands> bands_;
};

}  // namespace dexter
