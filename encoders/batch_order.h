#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <vector>

#include "encoders/training_course.h"
#include "storage/embedding_matrix.h"

namespace dexter {

// Clusters of alike rows, and the order in which an epoch visits its documents.

std::vector<std::uint32_t> shuffled_order(std::size_t documents, std::mt19937_64& random);

// Rows ordered so that each run of `cluster` is alike: they are halved along the line between two
// means until clusters are left, so all but the last have the same size. O(n dim log n).
std::vector<std::uint32_t> balanced_clusters(EmbeddingView vectors, std::size_t cluster,
                                             std::mt19937_64& random);

// Such clusters of documents, one after the other in random order (Dahiya et al., NGAME: Negative
// Mining-aware Mini-batching for Extreme Classification, WSDM 2023): the labels of a batch's other
// documents are hard negatives then.
std::vector<std::uint32_t> clustered_order(EmbeddingView vectors, std::size_t cluster,
                                           std::mt19937_64& random);

// The documents `rows` in the order of the epoch after `finished` ones, as `options.batches` says.
// The first is always shuffled, for its vectors say nothing yet; `vectors` gives those of `rows`,
// [rows.count x dim], where they are clustered.
std::vector<std::uint32_t> epoch_order(const TrainerOptions& options, TrainingCourse::Rows rows,
                                       int finished, int dim,
                                       const std::function<std::vector<float>()>& vectors,
                                       std::mt19937_64& random);

}  // namespace dexter
