// How often the bag encoder's steps draw from each band of label frequency.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <numeric>

#include "encoders/bag_trainer.h"

namespace dexter {
namespace {

constexpr std::size_t kSample = 256;     // documents that a gradient is measured over
constexpr std::size_t kRareBands = 2;    // those aimed at
constexpr std::size_t kAimedAt = 20000;  // held-out documents at most

double cosine(std::span<const float> a, std::span<const float> b) {
  const auto dot = [](std::span<const float> x, std::span<const float> y) {
    return std::inner_product(x.begin(), x.end(), y.begin(), 0.0);
  };
  const double norms = std::sqrt(dot(a, a) * dot(b, b));
  return norms > 0 ? dot(a, b) / norms : 0;
}

}  // namespace

void BagTrainer::prepare_mixing(const TrainingSet& set, std::size_t known,
                                std::span<const std::uint32_t> frequency) {
  mixture_.emplace(std::span(positives_).first(known), frequency);
  for (const Example& example : set.validation) {
    std::vector<std::uint32_t> labels = label_rows(example);
    if (labels.empty() || BandMixture::band_of(labels, frequency) >= kRareBands) continue;
    if (aimed_at_.size() == kAimedAt) break;
    aimed_at_.push_back(static_cast<std::uint32_t>(positives_.size()));
    add_document(example.text, std::move(labels), 0);
  }
  ensure(!aimed_at_.empty(), ErrorKind::kInvalidInput,
         fmt::format("training: train.mixing is aligned, but of the {} held-out documents none has "
                     "a label with at most {} training documents; raise "
                     "train.validation_fraction ({}), or set train.mixing=as_is",
                     set.validation.size(), BandMixture::kMost[kRareBands - 1],
                     options_.validation_fraction));
  const BandMixture::Shares shares = mixture_->natural_shares();
  for (BlockTrainer& block : blocks_) block.band_shares.assign(shares.begin(), shares.end());
}

// Gradients are compared where all documents have them in common: on the vectors of the labels.
void BagTrainer::align_shares(BlockTrainer& trainer, std::mt19937_64& random) {
  std::vector<std::vector<std::uint32_t>> samples;
  for (std::size_t band = 0; band < BandMixture::kBands; ++band)
    samples.push_back(mixture_->sample(band, kSample, random));
  samples.emplace_back();
  std::sample(aimed_at_.begin(), aimed_at_.end(), std::back_inserter(samples.back()), kSample,
              random);
  std::vector<std::uint32_t> all;
  for (const auto& sample : samples) all.insert(all.end(), sample.begin(), sample.end());
  const StepTargets targets = targets_->choose(all, random);
  const std::span<const std::uint32_t> labels = targets.labels;
  trainer.label_side.forward(labels_, labels, &model_.free_rows);
  const std::size_t size = labels.size() * static_cast<std::size_t>(model_.width());
  std::vector<std::vector<float>> gradients;
  for (std::size_t first = 0; const auto& sample : samples) {
    if (sample.empty()) {
      gradients.emplace_back(size, 0.0F);
      continue;
    }
    trainer.document_side.forward(documents_, sample);
    score_step_.run({.documents = trainer.document_side.vectors(),
                     .n = sample.size(),
                     .labels = trainer.label_side.vectors(),
                     .m = labels.size(),
                     .positives = std::span(targets.columns).subspan(first, sample.size()),
                     .offsets = targets.offsets,
                     .adjustments = targets.adjustments});
    first += sample.size();
    const float* gradient = score_step_.label_gradient();
    gradients.emplace_back(gradient, gradient + size);
  }
  std::array<double, BandMixture::kBands> cosines{};
  for (std::size_t band = 0; band < cosines.size(); ++band)
    cosines[band] = cosine(gradients[band], gradients.back());
  BandMixture::align(cosines, options_.mixing_rate, trainer.band_shares);
}

std::array<double, BandMixture::kBands> BagTrainer::mean_shares() const {
  std::array<double, BandMixture::kBands> means{};
  for (const BlockTrainer& block : blocks_)
    for (std::size_t band = 0; band < means.size(); ++band)
      means[band] +=
          static_cast<double>(block.band_shares[band]) / static_cast<double>(blocks_.size());
  return means;
}

}  // namespace dexter
