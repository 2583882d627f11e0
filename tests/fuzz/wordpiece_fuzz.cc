// tokenizer.json, vocab.txt with its configuration, and texts to tokenise. The first byte chooses;
// a NUL parts the file from the text.
#include "encoders/wordpiece.h"

#include <algorithm>

#include "tests/encoders/tiny_transformer.h"
#include "tests/fuzz/fuzz_target.h"

namespace dexter::fuzz {
namespace {

constexpr std::size_t kLongest = 24;
constexpr std::string_view kText = "unaffable CAF\xC3\x89, i\xE4\xB8\xAD!";

void check(const WordPiece& tokenizer, std::string_view text) {
  const std::vector<std::int32_t> ids = tokenizer.encode(text, kLongest);
  require(ids.size() >= 2 && ids.size() <= kLongest, "a text has 2 to `longest` ids");
  require(std::all_of(ids.begin(), ids.end(),
                      [&](std::int32_t id) { return id >= 0 && id < tokenizer.id_count(); }),
          "ids are ids of the vocabulary");
}

const std::string& tiny_tokenizer() {
  static const std::string json =
      tokenizer_json_of(testing::kTinyVocabulary, "", "the tiny vocabulary");
  return json;
}

}  // namespace

std::vector<std::string> seeds() {
  const auto with = [](char choice, std::string_view file, std::string_view text) {
    return std::string(1, choice) + std::string(file) + std::string(1, '\0') + std::string(text);
  };
  return {
      with(0, "", kText),
      with(0, "", "ca\xCC\x81 \xE2\x80\x8B\xF0\x9F\x98\x80 [SEP] [MASK]a\xFF\xC0\x80"),
      with(1, tiny_tokenizer(), kText),
      with(2, testing::kTinyVocabulary, R"({"do_lower_case": false, "cls_token": "[CLS]"})"),
  };
}

void run(std::string_view input) {
  if (input.empty()) return;
  const std::size_t end = std::min(input.find('\0', 1), input.size());
  const std::string_view file = input.substr(1, end - 1);
  const std::string_view text = input.substr(std::min(end + 1, input.size()));
  if (input[0] == 1) return check(WordPiece(file, "the file"), text.empty() ? kText : text);
  if (input[0] == 2)
    return check(WordPiece(tokenizer_json_of(file, text, "the file"), "the file"), kText);
  static const WordPiece tiny(tiny_tokenizer(), "the tiny vocabulary");
  check(tiny, input.substr(1));
}

}  // namespace dexter::fuzz
