#include "engine/retrieval_metrics.h"

#include <cmath>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace dexter {
namespace {

using testing::expect_error;
using ::testing::Pair;
using testing::TempDir;
using ::testing::UnorderedElementsAre;
using testing::write_bytes;

const std::vector<std::string> kFound = {"x", "a", "y", "b", "z", "c"};

// Of a, b, c and d, at 10: found at ranks 2, 4 and 6.
TEST(RetrievalScores, AreThoseByHand) {
  const RetrievalScores scores =
      retrieval_scores(kFound, {{"a", 1}, {"b", 2}, {"c", 1}, {"d", 1}}, 10);
  EXPECT_EQ(scores.hits, 1);
  EXPECT_DOUBLE_EQ(scores.recall, 3.0 / 4);
  EXPECT_DOUBLE_EQ(scores.mrr, 1.0 / 2);
  EXPECT_DOUBLE_EQ(scores.map, (1.0 / 2 + 2.0 / 4 + 3.0 / 6) / 4);
  EXPECT_DOUBLE_EQ(scores.multihop_map, (1.0 / 2 + 1.0 / 4 + 1.0 / 6) / 4);
  const double gained = 1 / std::log2(3) + 2 / std::log2(5) + 1 / std::log2(7);
  const double best = 2 / std::log2(2) + 1 / std::log2(3) + 1 / std::log2(4) + 1 / std::log2(5);
  EXPECT_DOUBLE_EQ(scores.ndcg, gained / best);
}

TEST(RetrievalScores, LookAtTheFirstKAlone) {
  const RetrievalScores scores = retrieval_scores(kFound, {{"a", 1}, {"b", 1}, {"c", 1}}, 2);
  EXPECT_DOUBLE_EQ(scores.recall, 1.0 / 3);
  EXPECT_DOUBLE_EQ(scores.map, (1.0 / 2) / 2);  // no more than 2 can be found
  EXPECT_DOUBLE_EQ(scores.ndcg, (1 / std::log2(3)) / (1 + 1 / std::log2(3)));
}

TEST(RetrievalScores, AreZeroWhereNothingIsFoundAndOneAtTheTop) {
  const RetrievalScores none = retrieval_scores(kFound, {{"q", 1}}, 10);
  for (const double each :
       {none.hits, none.recall, none.mrr, none.map, none.multihop_map, none.ndcg})
    EXPECT_EQ(each, 0);
  const RetrievalScores all = retrieval_scores(kFound, {{"x", 3}}, 1);
  for (const double each : {all.hits, all.recall, all.mrr, all.map, all.multihop_map, all.ndcg})
    EXPECT_EQ(each, 1);
}

TEST(Judgements, AreReadWithAHeadOrWithout) {
  const TempDir folder;
  write_bytes(folder / "head.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td2\t2\nq2\td1\t0\n");
  write_bytes(folder / "bare.tsv", "q1\td1\t1\nq1\td2\t2\n");
  for (const char* file : {"head.tsv", "bare.tsv"})
    EXPECT_THAT(
        read_judgements(folder / file),
        UnorderedElementsAre(Pair("q1", UnorderedElementsAre(Pair("d1", 1.0), Pair("d2", 2.0)))));
}

TEST(Judgements, NameTheLineThatIsNone) {
  const TempDir folder;
  for (const char* line : {"q1\td2", "q1\td2\tmuch", "q1\td2\t1\t1"}) {
    write_bytes(folder / "qrels.tsv", std::string("q1\td1\t1\n") + line + "\n");
    expect_error(
        ErrorKind::kInvalidInput, [&] { read_judgements(folder / "qrels.tsv"); }, "qrels.tsv:2: ");
  }
}

}  // namespace
}  // namespace dexter
