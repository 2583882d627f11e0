#pragma once

#include <vector>

#include "engine/retrieval_engine.h"

namespace dexter {

// The labels of a document in its own order. Errors: as RetrievalEngine::labels.
inline std::vector<Label> labels_of(const RetrievalEngine& engine, const Example& document) {
  LabelRanking ids;
  for (const LabelId id : document.labels) ids.push_back({id, 0});
  return engine.labels(ids);
}

}  // namespace dexter
