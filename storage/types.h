#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dexter {

// Row numbers inside one store. Never reused, so a removed id stays absent.
enum class DocumentId : std::uint64_t {};
enum class LabelId : std::uint32_t {};

constexpr std::uint64_t value(DocumentId id) { return static_cast<std::uint64_t>(id); }
constexpr std::uint32_t value(LabelId id) { return static_cast<std::uint32_t>(id); }

// What a corpus's texts are. A sparse text is the Extreme Classification repository's notation,
// "feature:value feature:value ...", and reaches the encoder as those features.
enum class TextKind : std::uint8_t { kNatural = 0, kSparse = 1 };

enum class Split : std::uint8_t { kTrain = 0, kTest = 1 };

// The two spaces of one index generation.
enum class Space : std::uint8_t { kLabels = 0, kDocuments = 1 };

// `key` is the caller's identifier, unique in a store; `name` is shown to people; `text` is what
// the encoder reads (it equals `name` where the corpus gives nothing longer, and may be empty only
// in a sparse corpus, whose labels have no text).
struct Label {
  LabelId id{};
  std::string key;
  std::string name;
  std::string text;
  bool operator==(const Label&) const = default;
};

// A document with its true labels (ascending, distinct). `excluded` are labels that evaluation
// drops from the predictions of this document before scoring: the reciprocal pairs of the LF data
// sets.
struct Example {
  DocumentId id{};
  std::string key;
  std::string text;
  std::vector<LabelId> labels;
  std::vector<LabelId> excluded;
  bool operator==(const Example&) const = default;
};

struct ScoredLabel {
  LabelId id{};
  float score = 0;
  bool operator==(const ScoredLabel&) const = default;
};

// The order of a ranking: by score, and where that is the same by id.
inline bool ranks_before(const ScoredLabel& a, const ScoredLabel& b) {
  return a.score != b.score ? a.score > b.score : a.id < b.id;
}

struct ScoredDocument {
  DocumentId id{};
  float score = 0;
  bool operator==(const ScoredDocument&) const = default;
};

// Best first; ties by ascending id.
using DocumentRanking = std::vector<ScoredDocument>;
using LabelRanking = std::vector<ScoredLabel>;

}  // namespace dexter
