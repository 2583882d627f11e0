#include "engine/demo_labelling.h"

#include <map>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/demo_index.h"
#include "engine/demo_pseudo.h"
#include "engine/demo_retriever.h"
#include "tests/engine/tiny_bank.h"
#include "tests/support/expect_error.h"

namespace dexter {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using testing::expect_error;
using testing::flip_byte;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using testing::TempDir;
using testing::write_bytes;

namespace fs = std::filesystem;

// Says what it is told to of each input, and that views disagree for the rest.
class Told final : public InputLabeller {
 public:
  explicit Told(std::map<std::string, PseudoLabel> labels) : labels_(std::move(labels)) {}
  PseudoLabel label(const Demonstration& input, const Progress&) override {
    const auto found = labels_.find(input.input);
    return found == labels_.end() ? PseudoLabel{"x", 1, false} : found->second;
  }

 private:
  std::map<std::string, PseudoLabel> labels_;
};

class Labelled : public ::testing::Test {
 protected:
  Labelling label(InputLabeller& labeller, const std::vector<Demonstration>& inputs,
                  double min_confidence = 0.5) {
    write_bytes(folder_ / "inputs.jsonl", tiny::jsonl_of(inputs));
    const std::vector<fs::path> files = {folder_ / "inputs.jsonl"};
    return label_inputs(store_, files, labeller, min_confidence, {});
  }
  fs::path write(const std::vector<Demonstration>& demos) const {
    write_bytes(folder_ / "more.jsonl", tiny::jsonl_of(demos));
    return folder_ / "more.jsonl";
  }
  std::vector<Demonstration> pseudo() const {
    return load_pseudo(open_bank(store_, OpenMode::kRead));
  }
  std::vector<std::string> found(const DemoQuery& query) const {
    std::vector<std::string> ids;
    const DemoRetriever retriever = DemoRetriever::open(store_);
    for (const FoundDemo& each : retriever.retrieve(query)) ids.push_back(each.demo->id);
    return ids;
  }

  const TempDir folder_;
  const std::vector<Demonstration> given_ = {{"1", "colour", "red cat", "red"},
                                             {"2", "colour", "red dog", "red"},
                                             {"3", "colour", "blue whale", "blue"},
                                             {"4", "animal", "red cat", "cat"}};
  const fs::path store_ = tiny::bank_store(folder_.path(), given_);
  const Demonstration horse_ = {"h", "colour", "red horse", ""};
  const Demonstration bird_ = {"b", "colour", "blue bird", ""};
  Told sure_{{{"red horse", {"red", 0.75, true}}, {"blue bird", {"blue", 0.5, true}}}};
};

TEST_F(Labelled, KeepWhatTheGateLetsThrough) {
  Told told({{"red horse", {"red", 0.75, true}},
             {"blue bird", {"blue", 0.25, true}},
             {"grey mouse", {"grey", 1, false}}});
  const Labelling report = label(
      told, {{"h", "colour", "red horse", "red"}, bird_, {"m", "colour", "grey mouse", "blue"}});
  EXPECT_EQ(report.inputs, 3u);
  EXPECT_EQ(report.added, 1u);
  EXPECT_EQ(report.unsure, 2u);
  EXPECT_EQ(report.pseudo, 1u);
  EXPECT_THAT(report.tasks, ElementsAre(Pair("colour", 1u)));
  // The horse and the mouse came with an output; one was labelled rightly, and kept.
  EXPECT_EQ(report.judged, 2u);
  EXPECT_EQ(report.right, 1u);
  EXPECT_EQ(report.judged_kept, 1u);
  EXPECT_EQ(report.right_kept, 1u);
  EXPECT_THAT(pseudo(), ElementsAre(Demonstration{"h", "colour", "red horse", "red", 0.75}));
  EXPECT_EQ(load_bank(open_bank(store_, OpenMode::kRead)), given_);
  EXPECT_TRUE(verify_store(bank_folder(store_)).empty());
}

TEST_F(Labelled, AreTheSameAfterASecondRun) {
  const std::vector<Demonstration> inputs = {{"", "colour", "red horse", ""}, bird_};
  label(sure_, inputs);
  const std::vector<Demonstration> before = pseudo();
  ASSERT_EQ(before.size(), 2u);
  const Labelling again = label(sure_, inputs);
  EXPECT_EQ(again.added, 0u);
  EXPECT_EQ(again.replaced, 2u);
  EXPECT_EQ(pseudo(), before);
  Told other({{"red horse", {"blue", 0.9, true}}});
  const Labelling changed = label(other, inputs);
  EXPECT_EQ(changed.unsure, 1u);  // the bird's label goes with the gate's trust in it
  EXPECT_THAT(pseudo(),
              ElementsAre(Demonstration{before[0].id, "colour", "red horse", "blue", 0.9}));
}

TEST_F(Labelled, GiveWayToWhatWasGiven) {
  Told told({{"Red, cat!", {"blue", 1, true}}, {"red horse", {"red", 1, true}}});
  const Labelling report =
      label(told, {{"c", "colour", "Red, cat!", ""}, horse_, {"h", "colour", "other", ""}});
  EXPECT_EQ(report.inputs, 2u);  // two of one id are one
  EXPECT_EQ(report.given, 1u);
  EXPECT_THAT(pseudo(), ElementsAre(Demonstration{"h", "colour", "red horse", "red", 1}));
  const BankImport unrelated = import_demonstrations(
      store_, std::vector<fs::path>{write({{"5", "animal", "blue whale", "whale"}})}, {});
  EXPECT_EQ(unrelated.pseudo, 1u);
  const BankImport same = import_demonstrations(
      store_, std::vector<fs::path>{write({{"6", "colour", "Red horse", "brown"}})}, {});
  EXPECT_EQ(same.pseudo, 0u);
  EXPECT_THAT(found({.text = "horse"}), ElementsAre("6"));
}

TEST_F(Labelled, AreFoundAndLeftOutByEveryStrategy) {
  std::vector<Demonstration> demos = tiny::demonstrations();
  tiny::bank_store(folder_.path(), demos);
  const std::vector<Demonstration> inputs = {{"p1", "question", "Who plays the train ?", ""},
                                             {"p2", "topic", "the players and the train", ""}};
  Told told({{inputs[0].input, {"person", 1, true}}, {inputs[1].input, {"football", 1, true}}});
  label(told, inputs);
  tiny::train_bank(store_);
  {
    Catalog bank = open_bank(store_, OpenMode::kWrite);
    index_bank(store_, bank, {}, {}, {});
  }
  EXPECT_EQ(pseudo().size(), 2u);
  for (const DemoStrategy& strategy : demo_strategies())
    for (const char* task : {"", "question"}) {
      SCOPED_TRACE(std::string(strategy.name) + " of '" + task + "'");
      DemoQuery query{.text = "Who plays the train ?",
                      .task = task,
                      .k = 50,
                      .strategy = std::string(strategy.name)};
      EXPECT_THAT(found(query), Contains("p1"));
      query.pseudo = false;
      EXPECT_THAT(found(query), Not(Contains("p1")));
      EXPECT_THAT(found(query), Not(Contains("p2")));
      EXPECT_THAT(found(query), Not(IsEmpty()));
    }
}

TEST_F(Labelled, AreToldByTheVotesOfWordsWhereThereIsNoEncoder) {
  const auto labeller = make_vote_labeller(store_, 8);
  const PseudoLabel horse = labeller->label(horse_, {});
  EXPECT_EQ(horse.output, "red");
  EXPECT_NEAR(horse.confidence, 1, 1e-6);
  EXPECT_TRUE(horse.agreed);
  label(*labeller, {horse_, bird_});
  const PseudoLabel again = make_vote_labeller(store_, 8)->label(horse_, {});
  EXPECT_EQ(again.confidence, horse.confidence);  // what was labelled has no say
  EXPECT_FALSE(labeller->label({"", "colour", "nothing known", ""}, {}).agreed);
  // One demonstration of each output, equally near.
  EXPECT_NEAR(labeller->label({"", "colour", "whale dog", ""}, {}).confidence, 0.5, 1e-6);
}

TEST_F(Labelled, NeedBothViewsWhereThereIsAnEncoder) {
  tiny::bank_store(folder_.path(), tiny::demonstrations());
  tiny::train_bank(store_);
  const auto labeller = make_vote_labeller(store_, 3);
  const PseudoLabel label = labeller->label({"", "topic", "The players scored goals.", ""}, {});
  EXPECT_EQ(label.output, "football");
  EXPECT_TRUE(label.agreed);
  EXPECT_GT(label.confidence, 0.5);
  EXPECT_LE(label.confidence, 1);
}

TEST_F(Labelled, SayWhatIsWrongWithTheInputs) {
  expect_error(
      ErrorKind::kInvalidInput,
      [&] {
        label(sure_, {{"", "colours", "red horse", ""}});
      },
      "inputs.jsonl: its row 1", "'colours'", "the nearest is 'colour'");
  write_bytes(folder_ / "bad.jsonl", "{\"task\":\"colour\"}\n");
  const std::vector<fs::path> files = {folder_ / "bad.jsonl"};
  expect_error(
      ErrorKind::kInvalidInput, [&] { label_inputs(store_, files, sure_, 0.5, {}); },
      "bad.jsonl:1: ", "\"input\" is missing");
  expect_error(
      ErrorKind::kNotFound, [&] { label_inputs(folder_ / "none", files, sure_, 0.5, {}); },
      "dexter demos import");
  EXPECT_THAT(pseudo(), IsEmpty());
  Catalog::open(folder_ / "empty", OpenMode::kCreate);
  Catalog::open(bank_folder(folder_ / "empty"), OpenMode::kCreate);
  expect_error(
      ErrorKind::kNotFound, [&] { label_inputs(folder_ / "empty", files, sure_, 0.5, {}); },
      "dexter demos import");
  expect_error(
      ErrorKind::kNotFound,
      [&] { DemoRetriever::open(folder_ / "empty").retrieve({.text = "red"}); },
      "dexter demos import");
}

TEST_F(Labelled, NameTheirDamagedFile) {
  label(sure_, {horse_});
  const auto info = bank_index(open_bank(store_, OpenMode::kRead));
  const fs::path file = bank_folder(store_) / info->pseudo->name;
  flip_byte(file, fs::file_size(file) / 2);
  expect_error(
      ErrorKind::kCorrupt, [&] { pseudo(); }, file.filename().string());
}

}  // namespace
}  // namespace dexter
