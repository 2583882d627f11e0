#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "engine/retrieval_engine.h"
#include "storage/embedding_matrix.h"
#include "storage/manifest.h"
#include "storage/progress.h"

namespace dexter {

// Writes the index file of the generation after `base`'s that holds `base`'s labels as they are
// now, from the vectors at hand: nothing is encoded but queries to tune the index by. `put` gets
// the vectors of the generation for the store, in chunks, by ascending id. The store is not
// written; commit what is returned. Errors: as build_index and Catalog's readers; kInterrupted.
GenerationInfo compacted_generation(
    const RetrievalEngine& base,
    const std::function<void(std::span<const std::int64_t>, EmbeddingView)>& put,
    const Progress& progress);

}  // namespace dexter
