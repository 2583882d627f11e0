#include "engine/bm25.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace dexter {
namespace {

using ::testing::ElementsAre;
using testing::expect_error;
using ::testing::IsEmpty;
using Hits = std::vector<Bm25Index::Hit>;

Bm25Index index_of(const std::vector<std::string_view>& texts, const std::string& stemmer) {
  Bm25Options options;
  options.stemmer = stemmer;
  return {texts, options};
}

std::vector<std::uint32_t> rows_of(const Hits& hits) {
  std::vector<std::uint32_t> rows;
  for (const Bm25Index::Hit& hit : hits) rows.push_back(hit.row);
  return rows;
}

// Three texts of 2, 3 and 1 words, 2 on average. With k1 = 0.9 and b = 0.4 the norm of a text of
// average length is 0.9, that of the second 0.9 (0.6 + 0.4 * 3/2) = 1.08.
// idf("cat") = ln(1 + 2.5/1.5) = 0.980829, idf("red") = ln(1 + 1.5/2.5) = 0.470004.
TEST(Bm25Index, GivesTheScoresOfTheFormula) {
  const Bm25Index index = index_of({"red cat", "red red dog", "bird"}, "none");
  const Hits hits = index.search("red cat", 10);
  ASSERT_THAT(rows_of(hits), ElementsAre(0, 1));
  EXPECT_NEAR(hits[0].score, 0.980829 * 1.9 / 1.9 + 0.470004 * 1.9 / 1.9, 1e-5);
  EXPECT_NEAR(hits[1].score, 0.470004 * 2 * 1.9 / (2 + 1.08), 1e-5);
}

TEST(Bm25Index, CountsAWordOfTheQueryAsOftenAsItOccurs) {
  const Bm25Index index = index_of({"red cat", "red red dog", "bird"}, "none");
  EXPECT_NEAR(index.search("red RED", 1)[0].score, 2 * index.search("red", 1)[0].score, 1e-6);
}

TEST(Bm25Index, MeetsWordsByTheirStems) {
  const std::vector<std::string_view> texts = {"training runs", "rivers"};
  EXPECT_THAT(rows_of(index_of(texts, "english").search("he trains, and a river", 5)),
              ElementsAre(1, 0));
  EXPECT_THAT(index_of(texts, "none").search("he trains, and a river", 5), IsEmpty());
  EXPECT_THAT(rows_of(index_of({"talossa", "autossa"}, "finnish").search("talo", 5)),
              ElementsAre(0));
}

TEST(Bm25Index, NamesTheNearestStemmer) {
  expect_error(
      ErrorKind::kInvalidInput, [] { index_of({}, "finish"); }, "'finish'",
      "the nearest is 'finnish'", "none");
}

TEST(Bm25Index, OrdersEqualScoresByRow) {
  const Bm25Index index = index_of({"cat", "dog", "cat", "cat"}, "none");
  EXPECT_THAT(rows_of(index.search("cat", 2)), ElementsAre(0, 2));
}

TEST(Bm25Index, AnswersWithTheFiltersRowsAlone) {
  const Bm25Index index = index_of({"cat", "cat cat", "cat cat cat"}, "none");
  EXPECT_THAT(rows_of(index.search("cat", 5, [](std::uint32_t row) { return row != 2; })),
              ElementsAre(1, 0));
}

TEST(Bm25Index, AnswersNothingWhereNoWordIsShared) {
  EXPECT_THAT(index_of({"cat"}, "english").search("dog ?!", 5), IsEmpty());
  EXPECT_THAT(index_of({}, "english").search("dog", 5), IsEmpty());
  EXPECT_EQ(index_of({"a", "b"}, "english").size(), 2u);
}

class RandomTexts : public ::testing::Test {
 protected:
  RandomTexts() {
    for (int i = 0; i < 300; ++i) texts_.push_back(text(1 + random_() % 12));
    views_.assign(texts_.begin(), texts_.end());
  }

  std::string text(std::size_t words) {
    std::string text;
    for (std::size_t i = 0; i < words; ++i)
      text.append("w").append(std::to_string(random_() % 30)).append(" ");
    return text;
  }

  std::vector<std::string> words_of(const std::string& text) const {
    std::vector<std::string> words;
    for (std::size_t begin = 0; begin < text.size(); begin = text.find(' ', begin) + 1)
      words.push_back(text.substr(begin, text.find(' ', begin) - begin));
    return words;
  }

  // Straight from the paper, text by text.
  double score(const std::string& query, std::size_t row) const {
    double total = 0, result = 0;
    for (const std::string& each : texts_) total += static_cast<double>(words_of(each).size());
    const auto n = static_cast<double>(texts_.size());
    const std::vector<std::string> words = words_of(texts_[row]);
    for (const std::string& word : words_of(query)) {
      double holders = 0;
      for (const std::string& each : texts_) {
        const std::vector<std::string> own = words_of(each);
        holders += std::count(own.begin(), own.end(), word) > 0;
      }
      const auto count = static_cast<double>(std::count(words.begin(), words.end(), word));
      const double norm = 0.9 * (0.6 + 0.4 * static_cast<double>(words.size()) * n / total);
      result += std::log(1 + (n - holders + 0.5) / (holders + 0.5)) * count * 1.9 / (count + norm);
    }
    return result;
  }

  std::mt19937 random_{3};
  std::vector<std::string> texts_;
  std::vector<std::string_view> views_;
};

TEST_F(RandomTexts, AreRankedAsScoringEachAloneDoes) {
  const Bm25Index index = index_of(views_, "none");
  for (int i = 0; i < 3; ++i) {
    const std::string query = text(5);
    const Hits hits = index.search(query, 20);
    ASSERT_EQ(hits.size(), 20u);
    std::vector<double> all;
    for (std::size_t row = 0; row < texts_.size(); ++row) all.push_back(score(query, row));
    std::sort(all.begin(), all.end(), std::greater<>());
    for (std::size_t at = 0; at < hits.size(); ++at) {
      EXPECT_NEAR(hits[at].score, score(query, hits[at].row), 1e-4);
      EXPECT_NEAR(hits[at].score, all[at], 1e-4);
    }
  }
}

// Long lists, in which rows are looked up once no further one can be among the best: the answers
// are those of reading every list to its end, which a filter makes search do, to the last bit.
TEST(Bm25Index, FindsInLongListsWhatReadingThemAllFinds) {
  std::mt19937 random(5);
  const auto text = [&](std::size_t words) {
    std::string result;
    for (std::size_t i = 0; i < words; ++i) {
      const double u = static_cast<double>(random() % 100000) / 100000;
      // Zipf's law
      result.append("w").append(std::to_string(static_cast<int>(std::exp(u * 7)))).append(" ");
    }
    return result;
  };
  std::vector<std::string> texts;
  for (int i = 0; i < 20000; ++i) texts.push_back(text(2 + random() % 12));
  const Bm25Index index = index_of({texts.begin(), texts.end()}, "none");
  const auto all = [](std::uint32_t) { return true; };
  for (int i = 0; i < 200; ++i) {
    const std::string query = text(1 + random() % 20);
    for (const std::size_t k : {1U, 10U, 100U})
      ASSERT_EQ(index.search(query, k), index.search(query, k, all)) << query;
  }
  EXPECT_THAT(index.search("w1 w2", 0), IsEmpty());
}

TEST_F(RandomTexts, AreFoundAlikeInTheFile) {
  const testing::TempDir folder;
  const Bm25Index index(views_, {.k1 = 1.2, .b = 0.75, .stemmer = "none"});
  const FileRef file = index.save(folder / "words.idx", folder.path());
  const Bm25Index again = Bm25Index::load(folder.path(), file);
  EXPECT_EQ(again.size(), index.size());
  EXPECT_EQ(again.options(), index.options());
  for (int i = 0; i < 10; ++i) {
    const std::string query = text(4);
    EXPECT_EQ(again.search(query, 30), index.search(query, 30));
  }
}

TEST(Bm25Index, RefusesAFileWhosePartsContradictEachOther) {
  const testing::TempDir folder;
  const auto write = [&](std::uint64_t letters_end, std::uint64_t postings_end, std::uint32_t row) {
    SectionFileWriter writer(folder / "words.idx", "words", 1);
    writer.add("about", R"({"k1":0.9,"b":0.4,"stemmer":"none","rows":2})");
    writer.add("letters", std::string_view("cat"));
    writer.add("letter_ends", std::as_bytes(std::span(&letters_end, 1)));
    writer.add("posting_ends", std::as_bytes(std::span(&postings_end, 1)));
    const Bm25Index::Hit hit{row, 1};
    writer.add("postings", std::as_bytes(std::span(&hit, 1)));
    return writer.commit(folder.path());
  };
  EXPECT_THAT(rows_of(Bm25Index::load(folder.path(), write(3, 1, 1)).search("cat", 5)),
              ElementsAre(1));
  for (const auto& [letters, postings, row] :
       std::vector<std::tuple<std::uint64_t, std::uint64_t, std::uint32_t>>{
           {4, 1, 1}, {2, 1, 1}, {3, 2, 1}, {3, 0, 1}, {3, 1, 2}}) {
    const FileRef file = write(letters, postings, row);
    expect_error(
        ErrorKind::kCorrupt, [&] { Bm25Index::load(folder.path(), file); }, "words.idx",
        "build the index or import the demonstrations again");
  }
}

TEST_F(RandomTexts, GetTheSameAnswersInThreads) {
  const Bm25Index index = index_of(views_, "none");
  const Bm25Index again = index_of(views_, "none");
  const std::string query = text(6);
  const Hits expected = index.search(query, 50);
  EXPECT_EQ(again.search(query, 50), expected);
  std::vector<Hits> found(4);
  std::vector<std::thread> threads;
  for (Hits& each : found) threads.emplace_back([&] { each = index.search(query, 50); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(found, ::testing::Each(expected));
}

}  // namespace
}  // namespace dexter
