#pragma once

#include <memory>
#include <string>

#include "engine/retrieval_engine.h"
#include "tests/engine/tiny_store.h"
#include "tests/support/temp_dir.h"

// One tiny store for the tests of a process that only read it.
namespace dexter::tiny {

inline std::shared_ptr<const RetrievalEngine> shared_engine() {
  static const testing::TempDir folder;
  static const auto engine =
      std::make_shared<const RetrievalEngine>(RetrievalEngine::open(indexed_store(folder.path())));
  return engine;
}

}  // namespace dexter::tiny
