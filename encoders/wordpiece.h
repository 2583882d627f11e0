#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace dexter {

// The tokenizer of BERT-family models: text to ids of a vocabulary of word pieces, the same ids as
// the Python ecosystem's `tokenizers` gives. Immutable, safe from many threads.
class WordPiece {
 public:
  // `json` is a tokenizer.json with a WordPiece model; `source` names it in errors. kIncompatible
  // for another kind of tokenizer, kCorrupt for what is no such file.
  WordPiece(std::string_view json, const std::string& source);

  // [CLS], the pieces of the text as far as they fit, [SEP]: at most `longest` ids, at least 2.
  // Invalid UTF-8 is read with U+FFFD in place of bad bytes. Text that spells a special token, like
  // "[SEP]", becomes that token.
  std::vector<std::int32_t> encode(std::string_view text, std::size_t longest) const;

  std::int32_t id_count() const { return id_count_; }  // ids are below it

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  using Pieces = std::unordered_map<std::string, std::int32_t, Hash, std::equal_to<>>;

  std::int32_t id_of(std::string_view token) const;
  void add_plain(std::string_view text, std::vector<std::int32_t>& ids) const;
  void add_word(const std::vector<std::int32_t>& word, std::vector<std::int32_t>& ids) const;

  std::string source_, prefix_ = "##";
  bool clean_ = true, ideographs_ = true, accents_ = true, lower_ = true;
  std::size_t longest_word_ = 100, longest_piece_ = 0;  // in characters, in bytes
  Pieces pieces_;
  std::vector<std::pair<std::string, std::int32_t>> special_;  // found in the raw text
  std::int32_t unknown_ = 0, begin_ = 0, end_ = 0, id_count_ = 0;
};

// The tokenizer.json of a vocab.txt and a tokenizer_config.json, which may be empty.
std::string tokenizer_json_of(std::string_view vocabulary, std::string_view config,
                              const std::string& source);

}  // namespace dexter
