#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "encoders/bag_features.h"
#include "encoders/trainer_options.h"
#include "storage/embedding_matrix.h"

namespace dexter {

// Which free vectors of a bag encoder's block each label adds: its own, row `label`, and its
// cluster's, row `labels + cluster`, as the options say. A cluster is `train.free_cluster` labels
// alike; there are none until they are found. Not safe to change from several threads.
class FreeRows {
 public:
  // `has_training` is by label; the rows that labels add are written to `added`, now and when there
  // are clusters. Both must outlive this.
  FreeRows(const TrainerOptions& options, std::span<const char> has_training, BagBatch& added);

  static std::size_t count(const TrainerOptions& options, std::size_t labels);

  bool lacks_clusters() const { return cluster_ > 0 && clusters_.empty(); }
  void find_clusters(EmbeddingView labels);
  // Found before, or empty. kCorrupt where one is not a cluster.
  void set_clusters(std::span<const std::uint32_t> clusters);
  std::span<const std::uint32_t> clusters() const { return clusters_; }  // by label

  // Those of `added` that learn: the own row of a label without training documents does not, for it
  // must go on working from its text.
  const BagBatch& learnt() const { return learnt_; }

 private:
  void lay_out();

  bool own_;
  std::size_t cluster_;
  std::uint64_t seed_;
  std::span<const char> has_training_;
  BagBatch& added_;
  std::vector<std::uint32_t> clusters_;
  BagBatch learnt_;
};

}  // namespace dexter
