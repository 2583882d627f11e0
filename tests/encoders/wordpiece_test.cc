// Ids of word pieces. Expected ids are by hand over a small vocabulary; wordpiece_compare.py holds
// the tokenizer against the Python ecosystem's on every code point.
#include "encoders/wordpiece.h"

#include <gtest/gtest.h>

#include "encoders/wordpiece_unicode.h"
#include "tests/encoders/tiny_transformer.h"
#include "tests/support/expect_error.h"

namespace dexter {
namespace {

using testing::expect_error;
using Ids = std::vector<std::int32_t>;

constexpr std::int32_t kUnknown = 1, kBegin = 2, kEnd = 3, kMask = 4;
// Ids are numbered by its line from 0.
constexpr const char* kVocabulary = testing::kTinyVocabulary;

WordPiece tokenizer(std::string_view config = "") {
  return WordPiece(tokenizer_json_of(kVocabulary, config, "the test"), "the test");
}

// Without the frame.
Ids ids(std::string_view text, std::string_view config = "") {
  Ids all = tokenizer(config).encode(text, 200);
  EXPECT_EQ(all.front(), kBegin);
  EXPECT_EQ(all.back(), kEnd);
  return {all.begin() + 1, all.end() - 1};
}

TEST(WordPiece, TakesTheLongestPiecesOrTheWholeWordIsUnknown) {
  EXPECT_EQ(ids("unaffable"), (Ids{5, 6, 7}));
  EXPECT_EQ(ids("unaffablex"), Ids{kUnknown});
  EXPECT_EQ(ids("cafes ab"), (Ids{8, 14, 15, 16}));
  EXPECT_EQ(ids(""), Ids{});
  EXPECT_EQ(ids(" \t\n"), Ids{});
  EXPECT_EQ(tokenizer().id_count(), 17);
}

TEST(WordPiece, FoldsCaseAndAccentsAndDropsControls) {
  EXPECT_EQ(ids("CAF\xC3\x89"), Ids{8});   // É composed
  EXPECT_EQ(ids("cafe\xCC\x81"), Ids{8});  // and as a mark
  EXPECT_EQ(ids("\xC4\xB0"), Ids{9});      // İ
  EXPECT_EQ(ids("ΣΊΣΥΦΟΣ"), Ids{13});      // no final sigma
  EXPECT_EQ(ids("ca\x01"
                "f\xE2\x80\x8B"
                "e"),
            Ids{8});  // control, zero-width space
  EXPECT_EQ(ids("ca\xFF"
                "fe"),
            Ids{8});  // a bad byte counts as U+FFFD
  EXPECT_EQ(ids("Caf\xC3\xA9", R"({"do_lower_case": false})"), Ids{kUnknown});
  EXPECT_EQ(ids("cafe", R"({"do_lower_case": false})"), Ids{8});
}

TEST(WordPiece, SplitsPunctuationAndIdeographs) {
  EXPECT_EQ(ids("i,cafe!"), (Ids{9, 10, 8, 11}));
  EXPECT_EQ(ids("i中cafe"), (Ids{9, 12, 8}));
  EXPECT_EQ(ids("i中", R"({"tokenize_chinese_chars": false})"), Ids{kUnknown});
}

TEST(WordPiece, AWordOfMoreThanAHundredCharactersIsUnknown) {
  std::string word = "a";
  while (word.size() < 100) word += 'b';
  Ids expected(100, 16);
  expected[0] = 15;
  EXPECT_EQ(ids(word), expected);
  EXPECT_EQ(ids(word + "b"), Ids{kUnknown});
}

TEST(WordPiece, SpecialTokensInTheTextAreThoseTokens) {
  EXPECT_EQ(ids("i[MASK]cafe [SEP]"), (Ids{9, kMask, 8, kEnd}));
  EXPECT_EQ(ids("[mask]").size(), 3u);  // written small it is no token
}

TEST(WordPiece, CutsToTheLongestAndKeepsTheFrame) {
  const WordPiece pieces = tokenizer();
  EXPECT_EQ(pieces.encode("unaffable i i", 4), (Ids{kBegin, 5, 6, kEnd}));
  EXPECT_EQ(pieces.encode("unaffable", 5), (Ids{kBegin, 5, 6, 7, kEnd}));
  EXPECT_EQ(pieces.encode("i", 2), (Ids{kBegin, kEnd}));
}

// One of each kind in which the ecosystem's tables differ from the present Unicode.
TEST(WordPieceUnicode, IsThatOfTheReference) {
  EXPECT_TRUE(is_bert_control(0x200B) && is_bert_control(0xE000) && is_bert_control(0xFFFD));
  EXPECT_FALSE(is_bert_control('\t') || is_bert_control(0x890) || is_bert_control(0x378));
  EXPECT_TRUE(is_bert_punctuation('$') && is_bert_punctuation(0x3001));
  EXPECT_FALSE(is_bert_punctuation(0x20AC) || is_bert_punctuation(0x2E52));
  EXPECT_TRUE(is_bert_ideograph(0x4E00) && !is_bert_ideograph(0x3042));
  EXPECT_TRUE(is_bert_space(0x85) && is_bert_space(0x2028) && !is_bert_space(0x200B));
  std::vector<std::int32_t> text{0xE9, 0x1ABF, 0xAC01};  // a newer mark stays; Hangul comes apart
  strip_accents(text);
  EXPECT_EQ(text, (std::vector<std::int32_t>{'e', 0x1ABF, 0x1100, 0x1161, 0x11A8}));
  std::vector<std::int32_t> letters{0x130, 0x1C89, 0xA7CC, 0xA7CD, 0x10D50, 0x3A3};
  lower_case(letters);
  EXPECT_EQ(letters,
            (std::vector<std::int32_t>{'i', 0x307, 0x1C8A, 0xA7CD, 0xA7CD, 0x10D70, 0x3C3}));
}

TEST(WordPiece, RefusesOtherTokenizersAndDamagedFiles) {
  const std::string sound = tokenizer_json_of(kVocabulary, "", "the test");
  const auto open = [](const std::string& json) { return [json] { WordPiece(json, "a.json"); }; };
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string json = sound;
    json.replace(json.find(from), from.size(), to);
    return json;
  };
  open(sound)();
  expect_error(ErrorKind::kCorrupt, open("{"), "a.json", "no JSON object");
  expect_error(ErrorKind::kCorrupt, open("{}"), "\"model\"");
  expect_error(ErrorKind::kIncompatible, open(with("\"WordPiece\",\"unk", "\"BPE\",\"unk")), "BPE");
  expect_error(ErrorKind::kIncompatible, open(with("BertNormalizer", "NFKC")), "NFKC");
  expect_error(ErrorKind::kCorrupt, open(with("\"##aff\":6", "\"##aff\":-6")), "-6");
  expect_error(ErrorKind::kIncompatible, open(with("\"lstrip\":false", "\"lstrip\":true")),
               "lstrip");
  expect_error(
      ErrorKind::kIncompatible, [] { WordPiece(tokenizer_json_of("a\nb\n", "", "v"), "v"); },
      "[UNK]");
}

}  // namespace
}  // namespace dexter
