#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "storage/catalog.h"
#include "storage/corpus_reader.h"
#include "storage/progress.h"

namespace dexter {

struct ImportOptions {
  std::string format = "auto";
  std::filesystem::path train{};
  std::filesystem::path test{};  // may be empty
  // May be empty: jsonl then takes labels from the documents, lf-xmc looks for lbl.json[.gz] beside
  // train, xmc numbers them.
  std::filesystem::path labels{};
  // May be empty: "test_row label_row" lines, the LF data sets' reciprocal pairs.
  std::filesystem::path filter{};
  std::uint64_t skip_bad = 0;  // bad rows tolerated in all; each is a warning
  std::uint64_t max_line_bytes = 16u << 20;
  bool replace = false;  // the store may hold a corpus, which this one replaces
};

struct ImportReport {
  CorpusInfo corpus;
  std::uint64_t skipped = 0;
  std::uint64_t filter_pairs = 0;
  std::uint64_t labels_without_training = 0;
  double seconds = 0;
};

// Reads a corpus into `catalog` (open for writing). Any error leaves the store as it was. Errors:
// kInvalidInput "FILE:LINE: ..." for a bad row beyond `skip_bad`; kCorrupt for a damaged file.
ImportReport import_corpus(Catalog& catalog, const ImportOptions& options,
                           const Progress& progress);

}  // namespace dexter
