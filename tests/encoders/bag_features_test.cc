// Text to features: spellings that must agree, counts by hand, and input no one would write.
#include "encoders/bag_features.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <utf8proc.h>

#include <cmath>
#include <cstdlib>
#include <iterator>
#include <map>
#include <random>
#include <set>

namespace dexter {
namespace {

using ::testing::ElementsAre;
using Features = std::map<std::uint64_t, float>;

constexpr FeatureOptions kWords{.min_count = 1, .ngram = 0, .pairs = false};
constexpr FeatureOptions kPairs{.min_count = 1, .ngram = 0, .pairs = true};

constexpr FeatureOptions kAll{
    .min_count = 1, .ngram = 5, .pairs = true, .pair_weight = 1, .ngram_weight = 1};

constexpr FeatureOptions grams(int n) { return {.min_count = 1, .ngram = n, .pairs = false}; }

Features features(std::string_view text, const FeatureOptions& options = kAll,
                  TextKind kind = TextKind::kNatural) {
  std::vector<RawFeature> raw;
  extract_features(text, kind, options, raw);
  Features all;
  for (const RawFeature& feature : raw)
    EXPECT_TRUE(all.emplace(feature.hash, feature.value).second) << "a feature twice";
  return all;
}

Features sparse(std::string_view text) { return features(text, kAll, TextKind::kSparse); }

std::uint64_t word(std::string_view text) { return features(text, kWords).begin()->first; }

double squares(const Features& all) {
  double sum = 0;
  for (const auto& [hash, value] : all) sum += static_cast<double>(value) * value;
  return sum;
}

TEST(BagFeatures, AWordsValueIsTheRootOfItsCountInANormOfOne) {
  const Features all = features("A cat, a dog - a CAT!", kWords);  // a 3, cat 2, dog 1
  ASSERT_EQ(all.size(), 3u);
  EXPECT_FLOAT_EQ(all.at(word("a")), std::sqrt(3.0F / 6));
  EXPECT_FLOAT_EQ(all.at(word("cat")), std::sqrt(2.0F / 6));
  EXPECT_FLOAT_EQ(all.at(word("dog")), std::sqrt(1.0F / 6));
}

TEST(BagFeatures, WordsAreRunsOfLettersMarksAndDigits) {
  for (const auto& [text, count] :
       std::vector<std::pair<std::string, std::size_t>>{{"rock-n-roll", 3},
                                                        {"snake_case", 2},
                                                        {"don't", 2},
                                                        {"4.5GB", 2},
                                                        {"x86", 1},
                                                        {"--- ... !?", 0},
                                                        {"日本語 学習", 2},
                                                        {"日本語、学習。", 2},
                                                        {"हिन्दी भाषा", 2},
                                                        {"snake_cäse", 2},
                                                        {"l’été", 2},
                                                        {"😀", 0},
                                                        {"a😀b", 2}})
    EXPECT_EQ(features(text, kWords).size(), count) << text;
}

TEST(BagFeatures, EqualSpellingsGiveEqualFeatures) {
  for (const auto& [a, b] : std::vector<std::pair<std::string, std::string>>{
           {"The Cat sat", "tHE cAT SAT"},
           {"café au lait", "CAFE\u0301 AU LAIT"},
           {"ＡＢＣ１２ full width", "abc12 full width"},
           {"ﬁne ﬂow", "fine flow"},
           {"Straße", "STRASSE"},
           {"Ⅳ", "iv"},
           {"x²", "x2"},
           {"ΟΔΟΣ", "οδοσ"},
           {"ｶﾞ", "ガ"},
           {"co\u00ADoperate", "cooperate"},
           {"a\u0302\u0323", "\u1EAD"},  // marks typed in either order
           {"q\u0307\u0323", "q\u0323\u0307"},
           {"two\u00A0words", "two words"}})
    EXPECT_EQ(features(a), features(b)) << a << " | " << b;
  EXPECT_NE(features("cat"), features("cats"));
}

// utf8proc's own normal form of a whole text is the oracle.
TEST(BagFeatures, ATextHasTheFeaturesOfItsNormalForm) {
  constexpr auto kNormalForm = static_cast<utf8proc_option_t>(UTF8PROC_COMPAT | UTF8PROC_COMPOSE |
                                                              UTF8PROC_CASEFOLD | UTF8PROC_IGNORE);
  constexpr utf8proc_int32_t kCharacters[] = {
      'a',    'q',  'E',   ' ',   0x301, 0x302, 0x307, 0x323,  0x328,  0x345,  0x3b1,
      0x1ea1, 0xe2, 0x5d1, 0x5bc, 0x5b0, 0x915, 0x93c, 0x1100, 0x1161, 0x11a8, 0xfb01};
  std::mt19937 random(1);
  for (int i = 0; i < 5000; ++i) {
    std::string text;
    for (std::size_t left = 1 + random() % 9; left > 0; --left) {
      utf8proc_uint8_t bytes[4];
      const auto size = utf8proc_encode_char(kCharacters[random() % std::size(kCharacters)], bytes);
      text.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
    }
    utf8proc_uint8_t* mapped = nullptr;
    const auto size =
        utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                     static_cast<utf8proc_ssize_t>(text.size()), &mapped, kNormalForm);
    ASSERT_GE(size, 0);
    const std::string normal(reinterpret_cast<const char*>(mapped), static_cast<std::size_t>(size));
    std::free(mapped);
    ASSERT_EQ(features(text), features(normal)) << text;
  }
}

// ASCII text takes a shorter way than other text; a word is the same on both.
TEST(BagFeatures, AWordIsTheSameBesideOtherScripts) {
  const Features mixed = features("The 2nd CAT_x é", kWords);
  for (const char* ascii : {"the", "2nd", "cat", "x"}) EXPECT_EQ(mixed.count(word(ascii)), 1u);
  EXPECT_EQ(mixed.size(), 5u);
}

TEST(BagFeatures, PairsAreOfNeighboursInTheirOrder) {
  EXPECT_EQ(features("a b c", kPairs).size(), 3u + 2u);
  EXPECT_EQ(features("a b a b", kPairs).size(), 2u + 2u);  // ab twice, ba once
  EXPECT_EQ(features("a", kPairs).size(), 1u);
  Features forward = features("a b", kPairs), backward = features("b a", kPairs);
  for (const char* name : {"a", "b"}) {
    EXPECT_EQ(forward.erase(word(name)), 1u);
    EXPECT_EQ(backward.erase(word(name)), 1u);
  }
  EXPECT_NE(forward.begin()->first, backward.begin()->first);
  EXPECT_EQ(features("a, b", kPairs), features("A b", kPairs));
}

std::size_t gram_count(std::string_view text, int n) {
  return features(text, grams(n)).size() - features(text, kWords).size();
}

TEST(BagFeatures, CharacterGramsCountTheEndsOfAWord) {
  EXPECT_EQ(gram_count("a", 5), 1u);         // "<a>" whole
  EXPECT_EQ(gram_count("cat", 5), 1u);       // "<cat>"
  EXPECT_EQ(gram_count("cats", 5), 2u);      // "<cats", "cats>"
  EXPECT_EQ(gram_count("cat", 1), 5u);       // < c a t >
  EXPECT_EQ(gram_count("aaaa", 3), 3u);      // "<aa", "aaa" twice, "aa>"
  EXPECT_EQ(gram_count("cats cat", 3), 5u);  // "<ca", "cat" twice each, "ats", "ts>", "at>"
}

TEST(BagFeatures, CharacterGramsAreOfCharactersNotBytes) {
  EXPECT_EQ(gram_count("日本語", 2), 4u);  // "<日", "日本", "本語", "語>"
  EXPECT_EQ(gram_count("日本語", 5), 1u);
  EXPECT_EQ(gram_count("été", 4), 2u);  // "<été", "été>"
}

TEST(BagFeatures, WordsOfOneStemShareGrams) {
  const Features a = features("cooking", grams(4)), b = features("cooked", grams(4));
  std::size_t shared = 0;
  for (const auto& [hash, value] : a) shared += b.count(hash);
  EXPECT_EQ(shared, 2u);  // "<coo", "cook"
}

TEST(BagFeatures, EveryKindHasNormOne) {
  const std::string text = "the cat and the dog and the bird";
  EXPECT_NEAR(squares(features(text, kWords)), 1, 1e-5);
  EXPECT_NEAR(squares(features(text, kPairs)), 2, 1e-5);
  EXPECT_NEAR(squares(features(text, grams(5))), 2, 1e-5);
  EXPECT_NEAR(squares(features(text)), 3, 1e-5);
  EXPECT_NEAR(squares(features("one")), 2, 1e-5);  // no pair
  EXPECT_NEAR(squares(sparse("1:3 2:-4 9:0.5")), 1, 1e-5);
}

TEST(BagFeatures, WeightsAreTheNormsOfPairsAndGrams) {
  FeatureOptions options = kWords;
  options.pairs = true;
  options.ngram = 4;
  options.pair_weight = 0.5F;
  options.ngram_weight = 3;
  EXPECT_NEAR(squares(features("the cat and the dog", options)), 1 + 0.25 + 9, 1e-4);
}

TEST(BagFeatures, AppendToWhatIsThere) {
  std::vector<RawFeature> raw;
  extract_features("cat", TextKind::kNatural, kWords, raw);
  extract_features("cat dog", TextKind::kNatural, kWords, raw);
  extract_features("5:2", TextKind::kSparse, kWords, raw);
  ASSERT_EQ(raw.size(), 4u);
  EXPECT_EQ(raw[0].value, 1);
  EXPECT_EQ(raw[3].value, 1);
}

TEST(BagFeatures, BadBytesSeparateWords) {
  const Features clean = features("caf bar");
  EXPECT_EQ(features("caf\xff\xfe bar"), clean);
  EXPECT_EQ(features("caf\xed\xa0\x80 bar"), clean);  // a surrogate
  EXPECT_EQ(features("caf\uFFFD bar"), clean);
  EXPECT_EQ(features(std::string("caf\0bar", 7)), clean);
  EXPECT_EQ(features("caf\xc0\xafxbar", kWords).size(), 2u);  // an overlong "/"
  EXPECT_EQ(features(std::string("日本").substr(0, 5)), features("日"));
  for (int byte = 1; byte < 256; ++byte)
    EXPECT_LE(features(std::string(3, static_cast<char>(byte)), kWords).size(), 1u) << byte;
}

TEST(BagFeatures, EmptyTextHasNone) {
  EXPECT_TRUE(features("").empty());
  EXPECT_TRUE(features(" \t\r\n").empty());
  EXPECT_TRUE(sparse("").empty());
}

TEST(BagFeatures, AWordOfAMegabyteIsAWord) {
  // "<aaaa", "aaaaa", "aaaa>"
  EXPECT_EQ(features(std::string(1 << 20, 'a')).size(), 1u + 3u);
  std::string accented;
  for (int i = 0; i < 1 << 19; ++i) accented += "é";
  EXPECT_EQ(features(accented).size(), 1u + 3u);
  std::string marks = "a";  // one letter under half a million accents
  for (int i = 0; i < 1 << 18; ++i) marks += "\u0301";
  EXPECT_EQ(features(marks, kWords).size(), 1u);
}

TEST(SparseFeatures, AreTheNumbersInANormOfOne) {
  const Features all = sparse("3:0.5 17:2 4000000000000:1e-1");
  ASSERT_EQ(all.size(), 3u);
  const float norm = std::sqrt(0.25F + 4 + 0.01F);
  EXPECT_FLOAT_EQ(all.at(sparse("3:1").begin()->first), 0.5F / norm);
  EXPECT_FLOAT_EQ(all.at(sparse("17:1").begin()->first), 2 / norm);
  EXPECT_EQ(sparse("  3:0.5\t17:2  4000000000000:0.1 "), all);
  EXPECT_NE(sparse("3:1"), features("3"));
  EXPECT_EQ(sparse("7:-2").begin()->second, -1);
}

TEST(SparseFeatures, AMalformedTailIsLeftOut) {
  const Features clean = sparse("3:0.5 8:1");
  for (const char* tail : {"x:1", "17:", "17", "-1:2", ":2", "17:x", "17 :2", "17:1e999",
                           "99999999999999999999:1", "17:nan", "17:inf", "\xff"})
    EXPECT_EQ(sparse(std::string("3:0.5 8:1 ") + tail), clean) << tail;
  EXPECT_TRUE(sparse("words, not numbers").empty());
}

// An import takes any value that is finite as a float, however small.
TEST(SparseFeatures, OfAVerySmallValueAreFinite) {
  EXPECT_EQ(sparse("3:1e-50 8:1"), sparse("3:0 8:1"));
  for (const char* value : {"1e-30", "1e-38", "1e-42"}) {
    const Features all = sparse(std::string("3:") + value + " 8:-" + value);
    ASSERT_EQ(all.size(), 2u) << value;
    EXPECT_NEAR(all.at(sparse("3:1").begin()->first), std::sqrt(0.5F), 1e-6) << value;
    EXPECT_NEAR(all.at(sparse("8:1").begin()->first), -std::sqrt(0.5F), 1e-6) << value;
  }
}

TEST(SparseFeatures, OfOneNumberTwiceAreAdded) {
  EXPECT_EQ(sparse("3:0.5 8:2 3:1"), sparse("3:1.5 8:2"));
}

TEST(FeatureVocabulary, KeepsWhatIsSeenOftenEnoughMostFrequentFirst) {
  const auto build = [](const FeatureOptions& options) {
    VocabularyBuilder builder(options);
    for (const char* text : {"a b", "a c c c", "b a", "d d d d"})  // texts with a 3, b 2, c 1, d 1
      builder.add(text, TextKind::kNatural);
    const FeatureVocabulary vocabulary = builder.build();
    return std::vector<std::uint64_t>(vocabulary.hashes().begin(), vocabulary.hashes().end());
  };
  FeatureOptions options = kWords;
  options.min_count = 2;
  EXPECT_THAT(build(options), ElementsAre(word("a"), word("b")));
  options.min_count = 3;
  EXPECT_THAT(build(options), ElementsAre(word("a")));
  options.min_count = 4;
  EXPECT_THAT(build(options), ElementsAre());
  options.min_count = 1;
  EXPECT_THAT(build(options), ElementsAre(word("a"), word("b"), std::min(word("c"), word("d")),
                                          std::max(word("c"), word("d"))));
  options.max_features = 3;
  EXPECT_EQ(build(options).size(), 3u);
}

TEST(FeatureVocabulary, FindsEveryRowOfAsManyAsThereAre) {
  VocabularyBuilder builder(kWords);
  std::string text;
  for (int i = 0; i < 20'000; ++i) text.append("w").append(std::to_string(i)).append(" ");
  builder.add(text, TextKind::kNatural);
  const FeatureVocabulary vocabulary = builder.build();
  ASSERT_EQ(vocabulary.size(), 20'000u);
  for (std::uint32_t row = 0; row < vocabulary.size(); ++row)
    ASSERT_EQ(vocabulary.find(vocabulary.hashes()[row]), row);
  EXPECT_EQ(vocabulary.find(word("unseen")), FeatureVocabulary::kUnknown);
  EXPECT_EQ(FeatureVocabulary().find(word("unseen")), FeatureVocabulary::kUnknown);
}

TEST(BagBatch, HoldsTheKnownFeaturesOfEveryText) {
  const FeatureVocabulary vocabulary({word("dog"), word("cat")});
  BagBatch batch;
  for (const char* text : {"Cat and dog", "", "unseen", "cat"})
    append_text(batch, text, TextKind::kNatural, kWords, vocabulary);
  ASSERT_EQ(batch.rows(), 4u);
  std::map<std::uint32_t, float> first;
  for (const BagFeature& feature : batch.row(0)) first[feature.row] = feature.value;
  ASSERT_EQ(first.size(), 2u);
  EXPECT_FLOAT_EQ(first.at(0), 1 / std::sqrt(3.0F));  // "and" counts for the norm
  EXPECT_FLOAT_EQ(first.at(1), 1 / std::sqrt(3.0F));
  EXPECT_TRUE(batch.row(1).empty());
  EXPECT_TRUE(batch.row(2).empty());
  ASSERT_EQ(batch.row(3).size(), 1u);
  EXPECT_EQ(batch.row(3)[0].row, 1u);
}

}  // namespace
}  // namespace dexter
