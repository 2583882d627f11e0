#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "encoders/encoder.h"
#include "engine/bm25.h"
#include "engine/demo_bank.h"
#include "index/id_set.h"
#include "index/vector_index.h"
#include "storage/catalog.h"

namespace dexter {

// What demonstrations are found by: the words of their inputs, and their inputs' vectors. Both are
// files that a bank's note "files" names.

struct BankIndexInfo {
  // Of the inputs' vectors, where there was an encoder.
  struct Vectors {
    FileRef index;
    FileRef rows;  // all of them, by demonstration
    std::string index_kind;
    std::string fingerprint;  // BankEncoder's
  };
  FileRef words;
  std::string stemmer;  // of the words
  std::optional<Vectors> vectors;
  std::optional<FileRef>
      pseudo;  // pseudo-labelled demonstrations, whose rows follow the given ones
};
// None where the bank has not been indexed.
std::optional<BankIndexInfo> bank_index(const Catalog& bank);

// The encoder of `dexter demos train`, else the one of the store's labels, else none.
struct BankEncoder {
  std::unique_ptr<Encoder> encoder;
  Instructions instructions;
  std::string fingerprint;  // of both; vectors of two equal ones are alike

  // [demonstrations x dim], in parts
  EmbeddingMatrix encode(std::span<const Demonstration> demos, const Progress& progress) const;
  // [1 x dim], of a query of `task`; without a task it has no instruction.
  EmbeddingMatrix encode(const std::string& task, const std::string& text) const;
};
BankEncoder find_bank_encoder(const std::filesystem::path& store, const Catalog& bank);

// Row i is demos[i].
Bm25Index index_words(std::span<const Demonstration> demos, const Bm25Options& options);

// Of inputs' vectors, by their numbers; those without any feature the encoder knows, which are
// zero, are left out.
std::unique_ptr<VectorIndex> index_inputs(EmbeddingView rows, const IndexOptions& options);

// The rows of each task.
using RowsOfTask = std::map<std::string, std::shared_ptr<const IdSet>>;
RowsOfTask rows_by_task(std::span<const Demonstration> demos);

// Vectors of inputs, made or read where they lie.
class InputVectors {
 public:
  InputVectors(std::span<const Demonstration> demos, const BankEncoder& encoder,
               const IndexOptions& options, const Progress& progress);
  // Errors: as load_index; kCorrupt where there are not `size` rows.
  InputVectors(const std::filesystem::path& bank, const BankIndexInfo::Vectors& files,
               std::size_t size);

  // Ids are the places in the bank; inputs without any feature the encoder knows are left out.
  const VectorIndex& index() const { return *index_; }
  EmbeddingView rows() const { return rows_; }  // [demonstrations x dim]
  // Writes both files, whose names begin with `stem`.
  BankIndexInfo::Vectors save(const std::filesystem::path& bank, const std::string& stem,
                              const std::string& fingerprint) const;

 private:
  std::unique_ptr<VectorIndex> index_;
  EmbeddingMatrix own_rows_;
  std::optional<SectionFileReader> file_;
  EmbeddingView rows_;
};

// Writes words and, where there is an encoder, vectors, and commits them. Words that are there
// already stay unless `words` asks for some. `pseudo` takes the place of the pseudo-labelled
// demonstrations that are there. Interrupted, the bank is whole, without what was to come.
void index_bank(const std::filesystem::path& store, Catalog& bank, const IndexOptions& options,
                const std::optional<Bm25Options>& words, const Progress& progress,
                const std::vector<Demonstration>* pseudo = nullptr);

}  // namespace dexter
