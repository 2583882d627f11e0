#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/catalog.h"
#include "storage/embedding_matrix.h"
#include "storage/record_store.h"
#include "storage/types.h"

// Records of the catalog to bytes and back; FORMAT.md, "Records". A key begins with the corpus
// number, numbers in it are big-endian, so that key order is id order. A value carries its type,
// its version and an XXH3-64 over both, the payload and the key, so that a value under a wrong key
// is damage too. Decoding any bytes gives the record, kCorrupt naming it, or kIncompatible for a
// newer version. Pure functions.
namespace dexter::codec {

KeyRange corpus_range(std::uint32_t corpus);  // of every family but kMeta
KeyRange corpora_below(std::uint32_t corpus);
KeyRange corpora_above(std::uint32_t corpus);

std::string document_key(std::uint32_t corpus, Split split, DocumentId id);
KeyRange document_range(std::uint32_t corpus, Split split);
std::string document_name_key(std::uint32_t corpus, Split split, std::string_view name);
std::string label_key(std::uint32_t corpus, LabelId id);  // of kLabels and kChanges
std::string label_name_key(std::uint32_t corpus, std::string_view name);
// Vectors lie in chunks of rows under the number of the set they belong to.
std::string vector_key(std::uint32_t corpus, Space space, std::uint64_t set, std::uint64_t chunk);
KeyRange vector_range(std::uint32_t corpus, Space space, std::uint64_t set);
// Beside the two parts of a corpus: documents added since its import.
inline constexpr auto kAdded = static_cast<Split>(2);
// Of documents changed since the import, in kVectors: a chunk of one row for one that was added,
// one without rows for one that is hidden.
std::string added_vector_key(std::uint32_t corpus, DocumentId id);
KeyRange added_vector_range(std::uint32_t corpus);
std::string hidden_key(std::uint32_t corpus, DocumentId id);
KeyRange hidden_range(std::uint32_t corpus);
DocumentId document_in(std::string_view key);  // of the four above
// kMeta.
inline constexpr std::string_view kManifestKey = "manifest";
inline constexpr std::string_view kCountsKey = "counts";
std::string frequencies_key(std::uint32_t chunk);
KeyRange frequencies_range();
std::string note_key(std::string_view name);
KeyRange note_range();

// "document 17 of the train part", for messages.
std::string describe(Family family, std::string_view key);

struct VectorSet {
  std::uint64_t number = 0;  // 0: none yet
  std::uint64_t rows = 0;
  bool operator==(const VectorSet&) const = default;
};

// What the catalog counts beside the manifest, written with it.
struct Counts {
  std::uint64_t labels = 0;          // present
  std::array<VectorSet, 2> vectors;  // current, by Space
  bool operator==(const Counts&) const = default;
};

struct VectorChunk {
  std::vector<std::int64_t> ids;
  EmbeddingMatrix rows;
};

// `out` is replaced. Example::id, Label::id and LabelChange::id lie in the key alone.
void encode(std::string& out, std::string_view key, const Label& label);
void encode(std::string& out, std::string_view key, const Example& example);
void encode(std::string& out, std::string_view key, const LabelChange& change);
void encode(std::string& out, std::string_view key, const Counts& counts);
void encode_id(std::string& out, std::string_view key, std::uint64_t id);
void encode_text(std::string& out, std::string_view key, std::string_view text);
void encode_numbers(std::string& out, std::string_view key, std::span<const std::uint32_t> numbers);
void encode_vectors(std::string& out, std::string_view key, std::span<const std::int64_t> ids,
                    EmbeddingView rows);

Label decode_label(std::string_view key, std::string_view value);
Example decode_example(std::string_view key, std::string_view value);
LabelChange decode_change(std::string_view key, std::string_view value);
Counts decode_counts(std::string_view key, std::string_view value);
std::uint64_t decode_id(Family family, std::string_view key, std::string_view value);
std::string decode_text(std::string_view key, std::string_view value);
std::vector<std::uint32_t> decode_numbers(std::string_view key, std::string_view value);
VectorChunk decode_vectors(std::string_view key, std::string_view value);

// Decodes whatever record of the family it is, for its errors.
void verify(Family family, std::string_view key, std::string_view value);

}  // namespace dexter::codec
