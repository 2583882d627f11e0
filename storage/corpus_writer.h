#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "storage/manifest.h"
#include "storage/types.h"

namespace dexter {

class Catalog;

// Replaces the corpus of a store, unseen until `commit`. Records stream to disk in bounded memory;
// destroyed without `commit`, or killed, the store is what it was (the leftovers go at the next
// open). Trained encoder, generation, vectors and notes of the former corpus are dropped by the
// commit. One at a time, and the catalog must outlive it.
class CorpusWriter {
 public:
  explicit CorpusWriter(Catalog& catalog);
  ~CorpusWriter();
  CorpusWriter(const CorpusWriter&) = delete;
  CorpusWriter& operator=(const CorpusWriter&) = delete;

  // Ids are given in order of arrival from 0. kInvalidInput for a key already written.
  LabelId add_label(std::string_view key, std::string_view name, std::string_view text);
  std::optional<LabelId> find_label(std::string_view key) const;
  std::uint32_t label_count() const;
  // `labels` and `excluded` need not be sorted; they are stored ascending and distinct.
  // kInvalidInput for a key already written in this split.
  DocumentId add_example(Split split, std::string_view key, std::string_view text,
                         std::span<const LabelId> labels, std::span<const LabelId> excluded);
  // `format`, `text_kind` and `sparse_features` are read from `info`; counts and number are filled
  // in. `notes`, by name, are the corpus's first (Catalog::put_note), in the same write.
  CorpusInfo commit(CorpusInfo info, const std::map<std::string, std::string>& notes = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dexter
