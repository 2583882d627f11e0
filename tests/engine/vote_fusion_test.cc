#include "engine/vote_fusion.h"

#include <cmath>
#include <map>

#include <gmock/gmock.h>

namespace dexter {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;

// Documents 0, 1, ... with these labels; label 9 was removed.
struct Store {
  std::vector<std::vector<LabelId>> documents;
  std::map<LabelId, double> weights = {};

  VoteLookup lookup() const {
    return {
        .labels = [this](DocumentId id) -> std::span<const LabelId> {
          return documents[value(id)];
        },
        .counts = [](LabelId id) { return id != LabelId{9}; },
        .vote_weight = [this](LabelId id) { return weights.contains(id) ? weights.at(id) : 1.0; }};
  }
};

VoteFusion halves() {
  VoteFusion fusion;
  fusion.label_weight = 0.5;
  fusion.word_weight = 0;
  fusion.label_temperature = 0.1;
  fusion.temperature = 0.1;
  return fusion;
}

LabelRanking fuse(const Store& store, const LabelRanking& labels, const DocumentRanking& near,
                  std::size_t k = 10) {
  const VoteFusion fusion = halves();
  return fused(labels, voters(fusion, near, {}), fusion, store.lookup(), k);
}

TEST(VoteFusion, LeavesScoresAsTheyAreWithoutVotes) {
  const Store store{{{}}};
  const LabelRanking labels = {{LabelId{1}, 0.5F}, {LabelId{2}, 0.25F}};
  EXPECT_EQ(fuse(store, labels, {}), labels);
  EXPECT_EQ(fuse(store, labels, {{DocumentId{0}, 0.9F}}), labels);
}

TEST(VoteFusion, SilentDocumentsLeaveNoTraceInTheOthersScores) {
  const DocumentRanking found = {
      {DocumentId{4}, 8}, {DocumentId{7}, 2}, {DocumentId{1}, 1}, {DocumentId{2}, 0.5F}};
  EXPECT_EQ(relative(heard(found, IdSet({4}), 2)),
            (DocumentRanking{{DocumentId{7}, 1}, {DocumentId{1}, 0.5F}}));
  EXPECT_EQ(heard(found, IdSet(), 9), found);
  EXPECT_THAT(relative(heard(found, IdSet({1, 2, 4, 7}), 2)), IsEmpty());
}

TEST(VoteFusion, RanksByTheWeightedSumOfTheSoftmaxes) {
  // Labels 1 and 2 score 0.4 and 0.3, one temperature apart: shares e/(e+1) and 1/(e+1). Documents
  // 0 and 1 likewise; 0 has label 2, 1 has label 3, which scores like label 2 at most.
  const Store store{{{LabelId{2}}, {LabelId{3}}}};
  const LabelRanking found = fuse(store, {{LabelId{1}, 0.4F}, {LabelId{2}, 0.3F}},
                                  {{DocumentId{0}, 0.8F}, {DocumentId{1}, 0.7F}});
  const double e = std::exp(1.0), first = e / (e + 1), second = 1 / (e + 1);
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0].id, LabelId{2});  // .5 * .27 + .5 * .73
  EXPECT_EQ(found[1].id, LabelId{1});  // .5 * .73
  EXPECT_EQ(found[2].id, LabelId{3});  // .5 * .27 + .5 * .27
  // On the scale of cosines: each is 0.1 log of p over that of label 1, which scores 0.4.
  const double label1 = 0.5 * first;
  EXPECT_NEAR(found[0].score, 0.4 + 0.1 * std::log((0.5 * second + 0.5 * first) / label1), 1e-6);
  EXPECT_FLOAT_EQ(found[1].score, 0.4F);
  EXPECT_NEAR(found[2].score, 0.4 + 0.1 * std::log(second / label1), 1e-6);
}

TEST(VoteFusion, WeighsTheGroupsAsTheFusionSays) {
  VoteFusion fusion = halves();
  fusion.word_weight = 0.3;
  const DocumentRanking near = {{DocumentId{0}, 1}}, alike = {{DocumentId{1}, 1}};
  const auto groups = voters(fusion, near, alike);
  EXPECT_NEAR(groups[0].weight, 0.2, 1e-12);
  EXPECT_NEAR(groups[1].weight, 0.3, 1e-12);
  const Store store{{{LabelId{1}}, {LabelId{2}}}};
  const LabelRanking found = fused({{LabelId{3}, 0.1F}}, groups, fusion, store.lookup(), 2);
  EXPECT_THAT(
      found, ElementsAre(Field(&ScoredLabel::id, LabelId{2}), Field(&ScoredLabel::id, LabelId{1})));
}

TEST(VoteFusion, PassesOverLabelsThatDoNotCount) {
  const Store store{{{LabelId{9}}}};
  const LabelRanking labels = {{LabelId{1}, 0.5F}};
  EXPECT_EQ(fuse(store, labels, {{DocumentId{0}, 0.9F}}), labels);
}

TEST(VoteFusion, CountsAVoteByTheWeightOfItsLabel) {
  const DocumentRanking near = {{DocumentId{0}, 0.9F}};
  const LabelRanking labels = {{LabelId{1}, 0.5F}, {LabelId{2}, 0.2F}, {LabelId{3}, 0.2F}};
  Store store{{{LabelId{2}, LabelId{3}}}};
  store.weights[LabelId{3}] = 2;
  const LabelRanking found = fuse(store, labels, near);
  const auto score_of = [&](std::uint32_t id) {
    for (const ScoredLabel& label : found)
      if (label.id == LabelId{id}) return label.score;
    return -1.0F;
  };
  EXPECT_GT(score_of(3), score_of(2));
  EXPECT_GT(score_of(2), 0.2F);
}

TEST(VoteFusion, KeepsTheBestAndAnswersNothingToAnUnknownText) {
  const Store store{{{LabelId{2}}}};
  EXPECT_THAT(fuse(store, {{LabelId{1}, 0.5F}, {LabelId{2}, 0.4F}}, {{DocumentId{0}, 0.9F}}, 1),
              ElementsAre(Field(&ScoredLabel::id, LabelId{2})));
  EXPECT_THAT(fuse(store, {}, {{DocumentId{0}, 0.9F}}), IsEmpty());
}

TEST(VoteFusion, LeansToTheTailByTheExponent) {
  // Label 2 is 8 times as rare: 0.1 * 0.5 * log 8 = 0.104 lifts it over label 1.
  LabelRanking ranking = {{LabelId{1}, 0.5F}, {LabelId{2}, 0.4F}};
  lean_to_tail(ranking, 0.1, 0.5,
               [](LabelId id) { return id == LabelId{2} ? std::log(8.0) : 0.0; });
  ASSERT_EQ(ranking[0].id, LabelId{2});
  EXPECT_NEAR(ranking[0].score, 0.4 + 0.05 * std::log(8.0), 1e-6);
  EXPECT_FLOAT_EQ(ranking[1].score, 0.5F);
}

}  // namespace
}  // namespace dexter
