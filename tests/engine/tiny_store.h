#pragma once

#include <filesystem>

#include "engine/offline.h"
#include "storage/catalog.h"
#include "storage/importer.h"
#include "tests/support/tiny_corpus.h"

// The tiny corpus taken through the offline flow, with settings under which a second is enough.
namespace dexter::tiny {

inline Config config() {
  Config config;
  config.encoder.dim = 32;
  config.encoder.hidden = 32;
  config.encoder.min_count = 1;
  config.train.epochs = 30;
  config.train.batch = 8;
  config.train.negatives = 0;
  config.train.learning_rate = 0.02;
  config.train.patience = 0;
  config.train.validation_fraction = 0.1;
  config.index.kind = "flat";
  config.runtime.threads = 1;
  return config;
}

// `folder` is an existing one for the corpus files; the store is made in `folder`/store.
inline std::filesystem::path import_store(const std::filesystem::path& folder) {
  const Files files = write_jsonl(folder);
  Catalog catalog = Catalog::open(folder / "store", OpenMode::kCreate);
  ImportOptions options;
  options.format = "jsonl";
  options.train = files.train;
  options.test = files.test;
  options.labels = files.labels;
  import_corpus(catalog, options, {});
  return folder / "store";
}

inline std::filesystem::path trained_store(const std::filesystem::path& folder) {
  const std::filesystem::path store = import_store(folder);
  Catalog catalog = Catalog::open(store, OpenMode::kWrite);
  train(catalog, config(), /*resume=*/false, {}, {});
  return store;
}

inline std::filesystem::path indexed_store(const std::filesystem::path& folder,
                                           const Config& with = config()) {
  const std::filesystem::path store = trained_store(folder);
  Catalog catalog = Catalog::open(store, OpenMode::kWrite);
  build_generation(catalog, with, {});
  return store;
}

inline Config config_with_documents() {
  Config with = config();
  with.documents.documents = true;
  return with;
}

// Its generation searches the documents beside the labels.
inline std::filesystem::path remembering_store(const std::filesystem::path& folder) {
  return indexed_store(folder, config_with_documents());
}

}  // namespace dexter::tiny
