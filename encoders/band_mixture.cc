// How often a step draws from each band of label frequency.
#include "encoders/band_mixture.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <numeric>

namespace dexter {

std::size_t BandMixture::band_of(std::span<const std::uint32_t> labels,
                                 std::span<const std::uint32_t> frequency) {
  std::uint32_t rarest = std::numeric_limits<std::uint32_t>::max();
  for (const std::uint32_t label : labels) rarest = std::min(rarest, frequency[label]);
  const auto at = std::lower_bound(kMost.begin(), kMost.end(), rarest);
  return static_cast<std::size_t>(at - kMost.begin());
}

BandMixture::BandMixture(std::span<const std::vector<std::uint32_t>> documents,
                         std::span<const std::uint32_t> frequency) {
  for (std::uint32_t row = 0; row < documents.size(); ++row)
    bands_[band_of(documents[row], frequency)].rows.push_back(row);
}

BandMixture::Shares BandMixture::natural_shares() const {
  std::size_t all = 0;
  for (const Band& band : bands_) all += band.rows.size();
  Shares shares{};
  for (std::size_t b = 0; b < kBands; ++b)
    shares[b] = static_cast<float>(bands_[b].rows.size()) / static_cast<float>(all);
  return shares;
}

void BandMixture::begin_epoch(std::mt19937_64& random) {
  for (Band& band : bands_) {
    std::sort(band.rows.begin(), band.rows.end());  // the order depends on `random` alone
    std::shuffle(band.rows.begin(), band.rows.end(), random);
    band.next = 0;
  }
}

std::vector<std::uint32_t> BandMixture::draw(std::size_t count, std::span<const float> shares,
                                             std::mt19937_64& random) {
  std::discrete_distribution<std::size_t> choose(shares.begin(), shares.end());
  std::vector<std::uint32_t> rows;
  while (rows.size() < count) {
    Band& band = bands_[choose(random)];
    if (band.next == band.rows.size()) {
      std::shuffle(band.rows.begin(), band.rows.end(), random);
      band.next = 0;
    }
    rows.push_back(band.rows[band.next++]);
  }
  return rows;
}

std::vector<std::uint32_t> BandMixture::sample(std::size_t band, std::size_t count,
                                               std::mt19937_64& random) const {
  std::vector<std::uint32_t> rows;
  std::sample(bands_[band].rows.begin(), bands_[band].rows.end(), std::back_inserter(rows), count,
              random);
  return rows;
}

void BandMixture::align(std::span<const double> cosines, double rate, std::span<float> shares) {
  Shares moved{};
  for (std::size_t b = 0; b < kBands; ++b)
    moved[b] = shares[b] * static_cast<float>(std::exp(rate * cosines[b]));
  const float sum = std::accumulate(moved.begin(), moved.end(), 0.0F);
  for (std::size_t b = 0; b < kBands; ++b)
    shares[b] = (1 - kNew) * shares[b] + kNew * moved[b] / sum;
}

}  // namespace dexter
