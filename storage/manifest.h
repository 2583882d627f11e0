#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/section_file.h"
#include "storage/types.h"

namespace dexter {

// The newest store format this build reads and writes.
inline constexpr int kStoreFormat = 1;

struct CorpusInfo {
  std::uint32_t number = 0;  // grows with every import; records of another number are garbage
  std::string format;        // "jsonl", "lf-xmc", ...
  TextKind text_kind = TextKind::kNatural;
  std::uint64_t train_documents = 0;
  std::uint64_t test_documents = 0;
  std::uint32_t labels = 0;           // imported labels; ids below this came with the corpus
  std::uint64_t sparse_features = 0;  // D of an xmc corpus, 0 for text
  bool operator==(const CorpusInfo&) const = default;
};

struct EncoderInfo {
  FileRef file;
  std::string kind;         // "bag"
  std::string fingerprint;  // hash of weights and tokenizer; two equal fingerprints encode alike
  int dim = 0;
  std::uint32_t corpus = 0;  // CorpusInfo::number it was trained on
  bool operator==(const EncoderInfo&) const = default;
};

// How neighbours' labels join the labels' own scores (engine/vote_fusion.h), tuned on the
// validation part when the documents were indexed.
struct VoteFusion {
  bool helps = false;  // there; what queries do that do not say
  int pool = 100;      // labels whose scores are read
  double label_weight = 0.7;
  double label_temperature = 0.08;
  int neighbours = 100;  // documents nearest by vector, and by words
  double temperature = 0.12;
  double word_weight = 0.1;       // what this and label_weight leave is the nearest by vector's
  double word_temperature = 0.1;  // of scores over the best one
  double rarity = 0.1;            // exponent that favours votes for rare labels
  // Measured there, percent: without votes, and with them.
  std::uint64_t validation_documents = 0;
  double p1_without = 0, p1 = 0, p5_without = 0, p5 = 0, psp5_without = 0, psp5 = 0;
  double r10_without = 0, r10 = 0;
  bool operator==(const VoteFusion&) const = default;
};

// The second space of a generation: documents, searched by what encodes the queries for labels.
struct DocumentsInfo {
  FileRef index;                 // vectors by document id
  FileRef table;                 // which documents, and the labels of each
  std::optional<FileRef> words;  // an inverted index of their texts, by row of the table
  VoteFusion fusion;
  std::string index_kind;
  std::string index_reason;
  std::uint64_t documents = 0;
  bool operator==(const DocumentsInfo&) const = default;
};

// What queries are answered from: one encoder and the index of the vectors it made.
struct GenerationInfo {
  std::uint64_t number = 0;
  EncoderInfo encoder;
  FileRef label_index;
  std::string index_kind;    // the kind built: "flat", "ivf", "hnsw"
  std::string index_reason;  // why `auto` chose it, or "asked for"
  std::uint64_t labels = 0;
  std::optional<DocumentsInfo> documents;
  bool operator==(const GenerationInfo&) const = default;
};

// Everything a store is, in one record written in one synchronous write.
struct Manifest {
  int format = kStoreFormat;
  std::uint32_t next_label = 0;  // the id the next added label gets
  std::optional<CorpusInfo> corpus;
  std::optional<EncoderInfo> trained;        // the newest finished training
  std::optional<GenerationInfo> generation;  // the newest finished index
  std::string
      config;  // the effective configuration of the newest train/index, as JSON; may be empty
  bool operator==(const Manifest&) const = default;
};

std::string to_json(const Manifest& manifest);
// Throws kIncompatible for a newer format, kCorrupt for anything unreadable.
Manifest manifest_from_json(std::string_view json);

}  // namespace dexter
