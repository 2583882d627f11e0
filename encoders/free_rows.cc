// The rows of the free vectors that labels share, or have to themselves.
#include "encoders/free_rows.h"

#include <algorithm>

#include "encoders/batch_order.h"
#include "encoders/training_state.h"
#include "storage/error.h"

namespace dexter {
namespace {

constexpr std::uint64_t kClusterSeed = 0x636c7573746572;  // a stream of its own

std::size_t clusters_of(std::size_t labels, std::size_t cluster) {
  return cluster == 0 ? 0 : (labels + cluster - 1) / cluster;
}

}  // namespace

FreeRows::FreeRows(const TrainerOptions& options, std::span<const char> has_training,
                   BagBatch& added)
    : own_(options.free_vectors),
      cluster_(static_cast<std::size_t>(options.free_cluster)),
      seed_(mixed_seed(options.seed, kClusterSeed)),
      has_training_(has_training),
      added_(added) {
  lay_out();
}

std::size_t FreeRows::count(const TrainerOptions& options, std::size_t labels) {
  return labels + clusters_of(labels, static_cast<std::size_t>(options.free_cluster));
}

void FreeRows::find_clusters(EmbeddingView labels) {
  std::mt19937_64 random(seed_);
  const std::vector<std::uint32_t> order = balanced_clusters(labels, cluster_, random);
  clusters_.resize(order.size());
  for (std::size_t i = 0; i < order.size(); ++i)
    clusters_[order[i]] = static_cast<std::uint32_t>(i / cluster_);
  lay_out();
}

void FreeRows::set_clusters(std::span<const std::uint32_t> clusters) {
  const std::size_t labels = has_training_.size();
  ensure(clusters.empty() || (clusters.size() == labels &&
                              std::ranges::max(clusters) < clusters_of(labels, cluster_)),
         ErrorKind::kCorrupt,
         "resuming a training: the checkpoint's clusters of labels are not those of this corpus; "
         "train without --resume");
  clusters_.assign(clusters.begin(), clusters.end());
  lay_out();
}

void FreeRows::lay_out() {
  added_ = {};
  learnt_ = {};
  const auto labels = static_cast<std::uint32_t>(has_training_.size());
  const auto add = [&](BagBatch& rows, std::uint32_t label, bool own) {
    if (own) rows.features.push_back({label, 1});
    if (!clusters_.empty()) rows.features.push_back({labels + clusters_[label], 1});
    rows.offsets.push_back(rows.features.size());
  };
  for (std::uint32_t label = 0; label < labels; ++label) {
    add(added_, label, own_);
    add(learnt_, label, own_ && has_training_[label] != 0);
  }
}

}  // namespace dexter
