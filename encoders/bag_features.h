#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/types.h"

namespace dexter {

// Text to the features of the bag encoder: words, pairs of neighbouring words, and character
// n-grams of words, after Unicode NFKC and case folding. A sparse text gives the features it names.
// Words are maximal runs of letters, marks and digits.

// The words of a text so folded, in their order.
std::vector<std::string> folded_words(std::string_view text);

struct FeatureOptions {
  int min_count = 2;           // texts a feature must occur in
  int max_features = 1 << 20;  // most frequent first
  int ngram = 5;        // characters of a character n-gram, the word's ends counted; 0 for none
  int short_ngram = 0;  // n-grams of this length too; 0 for none
  bool pairs = true;
  float pair_weight = 1;
  float ngram_weight = 1;
};

// One feature of a text before the vocabulary: its hash and value.
struct RawFeature {
  std::uint64_t hash = 0;
  float value = 1;
};

// Appends the distinct features of `text` to `out`. Values are scaled so that each kind (words,
// pairs, n-grams) has Euclidean norm 1 over the text. Safe from many threads.
void extract_features(std::string_view text, TextKind kind, const FeatureOptions& options,
                      std::vector<RawFeature>& out);

// A feature of the vocabulary: its row in the embedding table, and value.
struct BagFeature {
  std::uint32_t row = 0;
  float value = 1;
};

// Features to rows of the embedding table, most frequent first, so that hot rows lie together.
class FeatureVocabulary {
 public:
  FeatureVocabulary() = default;
  // `hashes` in row order, distinct.
  explicit FeatureVocabulary(std::vector<std::uint64_t> hashes);

  std::size_t size() const { return hashes_.size(); }
  std::span<const std::uint64_t> hashes() const { return hashes_; }
  // Row of a hash, or kUnknown.
  static constexpr std::uint32_t kUnknown = 0xffffffffu;
  std::uint32_t find(std::uint64_t hash) const;

 private:
  std::vector<std::uint64_t> hashes_;
  std::vector<std::uint32_t> slots_;  // open addressing, kUnknown = empty
  std::uint64_t mask_ = 0;
};

// Counts features over texts and keeps those seen often enough.
class VocabularyBuilder {
 public:
  explicit VocabularyBuilder(const FeatureOptions& options) : options_(options) {}
  void add(std::string_view text, TextKind kind);
  FeatureVocabulary build() const;

 private:
  void grow();
  FeatureOptions options_;
  std::vector<std::uint64_t> keys_;  // open addressing, 0 = empty
  std::vector<std::uint32_t> counts_;
  std::size_t used_ = 0;
  std::vector<RawFeature> scratch_;
};

// Rows of texts in compressed form: text i has features [offsets[i], offsets[i + 1]).
struct BagBatch {
  std::vector<std::uint64_t> offsets{0};
  std::vector<BagFeature> features;

  std::size_t rows() const { return offsets.size() - 1; }
  std::span<const BagFeature> row(std::size_t i) const {
    return {features.data() + offsets[i], features.data() + offsets[i + 1]};
  }
};

void append_text(BagBatch& batch, std::string_view text, TextKind kind,
                 const FeatureOptions& options, const FeatureVocabulary& vocabulary);

}  // namespace dexter
