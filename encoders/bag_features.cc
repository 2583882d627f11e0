// Unicode words, word pairs and character n-grams as hashed features, and the vocabulary of the
// frequent ones.
#include "encoders/bag_features.h"

#include <utf8proc.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

namespace dexter {
namespace {

constexpr std::uint64_t kWordSeed = 1, kPairSeed = 2, kGramSeed = 3, kSparseSeed = 4;

bool is_ascii(std::string_view text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  return true;
}

bool is_word_character(utf8proc_int32_t c) {
  switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return true;
    default:
      return false;
  }
}

// Words of a text in UTF-8, folded, one after the other in `bytes`.
struct Words {
  std::string bytes;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> spans;  // [begin, end) in bytes
  std::string_view operator[](std::size_t i) const {
    return std::string_view(bytes).substr(spans[i].first, spans[i].second - spans[i].first);
  }
};

void split_ascii(std::string_view text, Words& words) {
  std::uint32_t begin = 0;
  bool inside = false;
  for (const char raw : text) {
    const auto c = static_cast<unsigned char>(raw);
    const bool upper = c >= 'A' && c <= 'Z';
    if (upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
      if (!inside) begin = static_cast<std::uint32_t>(words.bytes.size());
      inside = true;
      words.bytes.push_back(static_cast<char>(upper ? c + 32 : c));
    } else if (inside) {
      words.spans.emplace_back(begin, static_cast<std::uint32_t>(words.bytes.size()));
      inside = false;
    }
  }
  if (inside) words.spans.emplace_back(begin, static_cast<std::uint32_t>(words.bytes.size()));
}

// Decodes with U+FFFD for every bad byte, so that any input has an answer.
std::vector<utf8proc_int32_t> decode(std::string_view text) {
  std::vector<utf8proc_int32_t> code_points;
  const auto* at = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  auto left = static_cast<utf8proc_ssize_t>(text.size());
  while (left > 0) {
    utf8proc_int32_t c = 0;
    const utf8proc_ssize_t used = utf8proc_iterate(at, left, &c);
    code_points.push_back(used > 0 ? c : 0xFFFD);
    at += std::max<utf8proc_ssize_t>(used, 1);
    left -= std::max<utf8proc_ssize_t>(used, 1);
  }
  return code_points;
}

// Marks on one letter in canonical order, which composition takes for given: those of another class
// may be typed in any order.
void order_marks(std::vector<utf8proc_int32_t>& code_points) {
  const auto mark_class = [](utf8proc_int32_t c) {
    return utf8proc_get_property(c)->combining_class;
  };
  const auto is_mark = [&](utf8proc_int32_t c) { return mark_class(c) != 0; };
  for (auto begin = code_points.begin(); begin != code_points.end();) {
    begin = std::find_if(begin, code_points.end(), is_mark);
    const auto end = std::find_if_not(begin, code_points.end(), is_mark);
    std::stable_sort(begin, end, [&](utf8proc_int32_t a, utf8proc_int32_t b) {
      return mark_class(a) < mark_class(b);
    });
    begin = end;
  }
}

void split_unicode(std::string_view text, Words& words) {
  constexpr auto kFold = static_cast<utf8proc_option_t>(UTF8PROC_COMPAT | UTF8PROC_COMPOSE |
                                                        UTF8PROC_CASEFOLD | UTF8PROC_IGNORE);
  std::vector<utf8proc_int32_t> folded;
  for (const utf8proc_int32_t c : decode(text)) {
    utf8proc_int32_t buffer[32];
    int last_class = 0;
    const utf8proc_ssize_t n = utf8proc_decompose_char(c, buffer, 32, kFold, &last_class);
    if (n > 0 && n <= 32) folded.insert(folded.end(), buffer, buffer + n);
  }
  order_marks(folded);
  const utf8proc_ssize_t length =
      utf8proc_normalize_utf32(folded.data(), static_cast<utf8proc_ssize_t>(folded.size()), kFold);
  bool inside = false;
  std::uint32_t begin = 0;
  for (utf8proc_ssize_t i = 0; i < length; ++i) {
    const utf8proc_int32_t c = folded[static_cast<std::size_t>(i)];
    if (is_word_character(c)) {
      if (!inside) begin = static_cast<std::uint32_t>(words.bytes.size());
      inside = true;
      utf8proc_uint8_t encoded[4];
      const utf8proc_ssize_t n = utf8proc_encode_char(c, encoded);
      words.bytes.append(reinterpret_cast<const char*>(encoded), static_cast<std::size_t>(n));
    } else if (inside) {
      words.spans.emplace_back(begin, static_cast<std::uint32_t>(words.bytes.size()));
      inside = false;
    }
  }
  if (inside) words.spans.emplace_back(begin, static_cast<std::uint32_t>(words.bytes.size()));
}

std::uint64_t hash_of(std::string_view text, std::uint64_t seed) {
  return std::max<std::uint64_t>(1, XXH3_64bits_withSeed(text.data(), text.size(), seed));
}

// n-grams of code points over "<word>"; a word not longer than n is one n-gram.
void add_grams(std::string_view word, int n, std::vector<RawFeature>& out) {
  thread_local std::string padded;
  thread_local std::vector<std::uint32_t> starts;
  padded.assign(1, '<');
  padded.append(word).push_back('>');
  starts.clear();
  for (std::uint32_t i = 0; i < padded.size(); ++i)
    if ((static_cast<unsigned char>(padded[i]) & 0xC0) != 0x80) starts.push_back(i);
  starts.push_back(static_cast<std::uint32_t>(padded.size()));
  const std::size_t characters = starts.size() - 1, width = static_cast<std::size_t>(n);
  for (std::size_t i = 0; i + std::min(width, characters) <= characters; ++i) {
    const std::size_t end = std::min(i + width, characters);
    out.push_back(
        {hash_of(std::string_view(padded).substr(starts[i], starts[end] - starts[i]), kGramSeed)});
  }
}

bool by_hash(const RawFeature& a, const RawFeature& b) { return a.hash < b.hash; }

// Scales the values in [first, end), whose squares add up to `squares`, to the norm `norm`.
void scale_values(std::vector<RawFeature>& out, std::size_t first, double squares, float norm) {
  if (squares <= 0) return;
  const double scale = static_cast<double>(norm) / std::sqrt(squares);
  for (std::size_t i = first; i < out.size(); ++i)
    out[i].value = static_cast<float>(static_cast<double>(out[i].value) * scale);
}

// Merges equal hashes in [first, end) into one of the value sqrt(count), then scales the kind to
// the norm `weight`.
void finish_kind(std::vector<RawFeature>& out, std::size_t first, float weight) {
  const auto begin = out.begin() + static_cast<std::ptrdiff_t>(first);
  std::sort(begin, out.end(), by_hash);
  std::size_t kept = first;
  double squares = 0;
  for (std::size_t i = first; i < out.size();) {
    std::size_t j = i;
    double sum = 0;
    while (j < out.size() && out[j].hash == out[i].hash) sum += out[j++].value;
    out[kept++] = {out[i].hash, static_cast<float>(std::sqrt(sum))};
    squares += sum;
    i = j;
  }
  out.resize(kept);
  scale_values(out, first, squares, weight);
}

// Numbers that occur twice are added; reading ends at what is no "number:finite value".
void extract_sparse(std::string_view text, std::vector<RawFeature>& out) {
  const std::size_t first = out.size();
  const char* at = text.data();
  const char* end = at + text.size();
  while (at < end) {
    while (at < end && (*at == ' ' || *at == '\t')) ++at;
    std::uint64_t index = 0;
    double number = 0;  // a float's small values are out of range for from_chars<float>
    const auto key = std::from_chars(at, end, index);
    if (key.ec != std::errc() || key.ptr >= end || *key.ptr != ':') break;
    const auto parsed = std::from_chars(key.ptr + 1, end, number);
    const auto value = static_cast<float>(number);
    if (parsed.ec != std::errc() || !std::isfinite(value)) break;
    at = parsed.ptr;
    out.push_back(
        {std::max<std::uint64_t>(1, XXH3_64bits_withSeed(&index, sizeof index, kSparseSeed)),
         value});
  }
  std::stable_sort(out.begin() + static_cast<std::ptrdiff_t>(first), out.end(), by_hash);
  std::size_t kept = first;
  double squares = 0;
  for (std::size_t i = first; i < out.size(); ++kept) {
    double sum = 0;
    out[kept].hash = out[i].hash;
    for (; i < out.size() && out[i].hash == out[kept].hash; ++i) sum += out[i].value;
    out[kept].value = static_cast<float>(sum);
    squares += sum * sum;
  }
  out.resize(kept);
  scale_values(out, first, squares, 1);
}

void split(std::string_view text, Words& words) {
  words.bytes.clear();
  words.spans.clear();
  is_ascii(text) ? split_ascii(text, words) : split_unicode(text, words);
}

}  // namespace

std::vector<std::string> folded_words(std::string_view text) {
  Words words;
  split(text, words);
  std::vector<std::string> result;
  result.reserve(words.spans.size());
  for (std::size_t i = 0; i < words.spans.size(); ++i) result.emplace_back(words[i]);
  return result;
}

void extract_features(std::string_view text, TextKind kind, const FeatureOptions& options,
                      std::vector<RawFeature>& out) {
  if (kind == TextKind::kSparse) return extract_sparse(text, out);
  thread_local Words words;
  split(text, words);
  std::size_t first = out.size();
  const std::size_t words_begin = first;
  for (std::size_t i = 0; i < words.spans.size(); ++i)
    out.push_back({hash_of(words[i], kWordSeed)});
  if (options.pairs) {
    thread_local std::vector<RawFeature> pairs;
    pairs.clear();
    for (std::size_t i = 0; i + 1 < words.spans.size(); ++i) {
      const std::uint64_t both[2] = {out[words_begin + i].hash, out[words_begin + i + 1].hash};
      pairs.push_back(
          {std::max<std::uint64_t>(1, XXH3_64bits_withSeed(both, sizeof both, kPairSeed))});
    }
    finish_kind(out, first, 1);
    first = out.size();
    out.insert(out.end(), pairs.begin(), pairs.end());
    finish_kind(out, first, options.pair_weight);
  } else {
    finish_kind(out, first, 1);
  }
  first = out.size();
  for (const int length : {options.ngram, options.short_ngram})
    for (std::size_t i = 0; length > 0 && i < words.spans.size(); ++i)
      add_grams(words[i], length, out);
  finish_kind(out, first, options.ngram_weight);
}

FeatureVocabulary::FeatureVocabulary(std::vector<std::uint64_t> hashes)
    : hashes_(std::move(hashes)) {
  std::size_t capacity = 16;
  while (capacity < 2 * hashes_.size()) capacity *= 2;
  mask_ = capacity - 1;
  slots_.assign(capacity, kUnknown);
  for (std::uint32_t row = 0; row < hashes_.size(); ++row) {
    std::uint64_t slot = hashes_[row] & mask_;
    while (slots_[slot] != kUnknown) slot = (slot + 1) & mask_;
    slots_[slot] = row;
  }
}

std::uint32_t FeatureVocabulary::find(std::uint64_t hash) const {
  if (slots_.empty()) return kUnknown;
  for (std::uint64_t slot = hash & mask_; slots_[slot] != kUnknown; slot = (slot + 1) & mask_)
    if (hashes_[slots_[slot]] == hash) return slots_[slot];
  return kUnknown;
}

void VocabularyBuilder::grow() {
  std::vector<std::uint64_t> keys(std::max<std::size_t>(1024, 2 * keys_.size()));
  std::vector<std::uint32_t> counts(keys.size());
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    if (keys_[i] == 0) continue;
    std::size_t slot = keys_[i] & (keys.size() - 1);
    while (keys[slot] != 0) slot = (slot + 1) & (keys.size() - 1);
    keys[slot] = keys_[i];
    counts[slot] = counts_[i];
  }
  keys_ = std::move(keys);
  counts_ = std::move(counts);
}

void VocabularyBuilder::add(std::string_view text, TextKind kind) {
  scratch_.clear();
  extract_features(text, kind, options_, scratch_);
  for (const RawFeature& feature : scratch_) {
    if (2 * (used_ + 1) > keys_.size()) grow();
    std::size_t slot = feature.hash & (keys_.size() - 1);
    while (keys_[slot] != 0 && keys_[slot] != feature.hash) slot = (slot + 1) & (keys_.size() - 1);
    if (keys_[slot] == 0) {
      keys_[slot] = feature.hash;
      ++used_;
    }
    ++counts_[slot];
  }
}

FeatureVocabulary VocabularyBuilder::build() const {
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < keys_.size(); ++i)
    if (keys_[i] != 0 && counts_[i] >= static_cast<std::uint32_t>(options_.min_count))
      kept.push_back(i);
  std::sort(kept.begin(), kept.end(), [&](std::size_t a, std::size_t b) {
    return counts_[a] != counts_[b] ? counts_[a] > counts_[b] : keys_[a] < keys_[b];
  });
  if (kept.size() > static_cast<std::size_t>(options_.max_features))
    kept.resize(static_cast<std::size_t>(options_.max_features));
  std::vector<std::uint64_t> hashes;
  hashes.reserve(kept.size());
  for (const std::size_t i : kept) hashes.push_back(keys_[i]);
  return FeatureVocabulary(std::move(hashes));
}

void append_text(BagBatch& batch, std::string_view text, TextKind kind,
                 const FeatureOptions& options, const FeatureVocabulary& vocabulary) {
  thread_local std::vector<RawFeature> raw;
  raw.clear();
  extract_features(text, kind, options, raw);
  for (const RawFeature& feature : raw) {
    const std::uint32_t row = vocabulary.find(feature.hash);
    if (row != FeatureVocabulary::kUnknown) batch.features.push_back({row, feature.value});
  }
  batch.offsets.push_back(batch.features.size());
}

}  // namespace dexter
