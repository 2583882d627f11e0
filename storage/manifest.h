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

// What queries are answered from: one encoder and the index of the vectors it made.
struct GenerationInfo {
  std::uint64_t number = 0;
  EncoderInfo encoder;
  FileRef label_index;
  std::string index_kind;    // the kind built: "flat", "ivf", "hnsw"
  std::string index_reason;  // why `auto` chose it, or "asked for"
  std::uint64_t labels = 0;
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
