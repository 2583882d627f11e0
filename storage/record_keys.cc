// Keys of the catalog and what messages call them.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "storage/codec.h"

namespace dexter::codec {
namespace {

constexpr std::string_view kFrequenciesPrefix = "frequencies/";
constexpr std::string_view kNotePrefix = "note/";

template <class T>
void append_big_endian(std::string& out, T number) {
  for (std::size_t i = sizeof(T); i-- > 0;) out.push_back(static_cast<char>(number >> (8 * i)));
}

std::string corpus_key(std::uint32_t corpus) {
  std::string key;
  key.reserve(32);
  append_big_endian(key, corpus);
  return key;
}

// Every key that begins with `prefix`; it must not be all 0xff.
KeyRange prefix_range(std::string prefix) {
  std::string end = prefix;
  while (static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
  end.back() = static_cast<char>(end.back() + 1);
  return {std::move(prefix), std::move(end)};
}

std::uint64_t number_at(std::string_view key, std::size_t offset, std::size_t bytes) {
  std::uint64_t number = 0;
  for (std::size_t i = offset; i < offset + bytes && i < key.size(); ++i)
    number = number << 8 | static_cast<unsigned char>(key[i]);
  return number;
}

std::string_view after(std::string_view key, std::size_t offset) {
  return key.substr(std::min(offset, key.size()));
}

std::string_view name_of(std::uint64_t split) {
  return split == 0 ? "train" : split == 1 ? "test" : "added";
}

// Beside the spaces in the family of vectors.
constexpr auto kAddedVectors = static_cast<Space>(2);
constexpr auto kHidden = static_cast<Space>(3);

}  // namespace

KeyRange corpus_range(std::uint32_t corpus) { return {corpus_key(corpus), corpus_key(corpus + 1)}; }

KeyRange corpora_below(std::uint32_t corpus) { return {std::string(), corpus_key(corpus)}; }

KeyRange corpora_above(std::uint32_t corpus) {
  return {corpus_key(corpus + 1), corpus_key(0xffffffffu)};  // no corpus has the last number
}

std::string document_key(std::uint32_t corpus, Split split, DocumentId id) {
  std::string key = corpus_key(corpus);
  key.push_back(static_cast<char>(split));
  append_big_endian(key, value(id));
  return key;
}

KeyRange document_range(std::uint32_t corpus, Split split) {
  std::string key = corpus_key(corpus);
  key.push_back(static_cast<char>(split));
  return prefix_range(std::move(key));
}

std::string document_name_key(std::uint32_t corpus, Split split, std::string_view name) {
  std::string key = corpus_key(corpus);
  key.push_back(static_cast<char>(split));
  key.append(name);
  return key;
}

std::string label_key(std::uint32_t corpus, LabelId id) {
  std::string key = corpus_key(corpus);
  append_big_endian(key, value(id));
  return key;
}

std::string label_name_key(std::uint32_t corpus, std::string_view name) {
  return corpus_key(corpus).append(name);
}

std::string vector_key(std::uint32_t corpus, Space space, std::uint64_t set, std::uint64_t chunk) {
  std::string key = vector_range(corpus, space, set).begin;
  append_big_endian(key, chunk);
  return key;
}

KeyRange vector_range(std::uint32_t corpus, Space space, std::uint64_t set) {
  std::string key = corpus_key(corpus);
  key.push_back(static_cast<char>(space));
  append_big_endian(key, set);
  return prefix_range(std::move(key));
}

std::string added_vector_key(std::uint32_t corpus, DocumentId id) {
  return vector_key(corpus, kAddedVectors, 0, value(id));
}

KeyRange added_vector_range(std::uint32_t corpus) { return vector_range(corpus, kAddedVectors, 0); }

std::string hidden_key(std::uint32_t corpus, DocumentId id) {
  return vector_key(corpus, kHidden, 0, value(id));
}

KeyRange hidden_range(std::uint32_t corpus) { return vector_range(corpus, kHidden, 0); }

DocumentId document_in(std::string_view key) { return DocumentId{number_at(key, 13, 8)}; }

std::string frequencies_key(std::uint32_t chunk) {
  std::string key(kFrequenciesPrefix);
  append_big_endian(key, chunk);
  return key;
}

KeyRange frequencies_range() { return prefix_range(std::string(kFrequenciesPrefix)); }

std::string note_key(std::string_view name) { return std::string(kNotePrefix).append(name); }

KeyRange note_range() { return prefix_range(std::string(kNotePrefix)); }

std::string describe(Family family, std::string_view key) {
  switch (family) {
    case Family::kMeta:
      if (key.starts_with(kFrequenciesPrefix)) return "the label frequencies";
      if (key.starts_with(kNotePrefix)) return fmt::format("the note \"{}\"", after(key, 5));
      return fmt::format("the record \"{}\"", key);
    case Family::kDocuments:
      return fmt::format("document {} of the {} part", number_at(key, 5, 8),
                         name_of(number_at(key, 4, 1)));
    case Family::kDocumentKeys:
      return fmt::format("the key of document \"{}\" of the {} part", after(key, 5),
                         name_of(number_at(key, 4, 1)));
    case Family::kLabels:
      return fmt::format("label {}", number_at(key, 4, 4));
    case Family::kLabelKeys:
      return fmt::format("the key of label \"{}\"", after(key, 4));
    case Family::kVectors:
      if (number_at(key, 4, 1) >= static_cast<std::uint64_t>(kAddedVectors))
        return fmt::format("the change of document {}", number_at(key, 13, 8));
      return fmt::format("chunk {} of vector set {}", number_at(key, 13, 8), number_at(key, 5, 8));
    case Family::kChanges:
      return fmt::format("the change of label {}", number_at(key, 4, 4));
  }
  return "a record";
}

}  // namespace dexter::codec
