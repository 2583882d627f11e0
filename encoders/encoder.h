#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/embedding_matrix.h"
#include "storage/section_file.h"
#include "storage/types.h"

namespace dexter {

struct EncoderKind {
  std::string_view name;
  std::string_view summary;
};

// Text to unit vectors, one space for documents, queries and labels. Immutable, safe from many
// threads. Rows keep the order of the input and are L2-normalised; a text without any known feature
// gives a zero row.
class Encoder {
 public:
  virtual ~Encoder() = default;
  // Documents and queries. Invalid UTF-8 is read with U+FFFD in place of bad bytes.
  virtual EmbeddingMatrix encode(std::span<const std::string> texts) const = 0;
  // Labels, from their text and, where the label had training documents and its text is still the
  // one trained on, its free vector (matched by key, so ids may differ).
  virtual EmbeddingMatrix encode_labels(std::span<const Label> labels) const = 0;
  virtual int dim() const = 0;
  virtual std::string_view kind() const = 0;
  // Hash of weights and tokenizer: equal fingerprints encode alike.
  virtual std::string fingerprint() const = 0;
  virtual std::size_t parameter_count() const = 0;
};

const std::vector<EncoderKind>& encoder_kinds();

// Errors: as SectionFileReader; kIncompatible for a kind this build does not know.
std::unique_ptr<Encoder> load_encoder(const std::filesystem::path& root, const FileRef& ref);

}  // namespace dexter
