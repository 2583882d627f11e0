#include "engine/evaluator.h"

#include <boost/json.hpp>
#include <filesystem>
#include <numeric>
#include <stop_token>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/report.h"
#include "tests/engine/tiny_store.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace dexter {
namespace {

using testing::expect_error;

ExampleStream stream_of(std::vector<Example> examples) {
  return [examples = std::move(examples), next = std::size_t{0}](Example& example) mutable {
    if (next == examples.size()) return false;
    example = examples[next++];
    return true;
  };
}

const MetricAtK& at(const std::vector<MetricAtK>& metrics, int k) {
  for (const MetricAtK& metric : metrics)
    if (metric.k == k) return metric;
  throw std::out_of_range("no such rank");
}

class Evaluator : public ::testing::Test {
 protected:
  Report evaluated(std::vector<Example> examples, const EvaluatorOptions& options = {}) const {
    return evaluate(engine_, stream_of(std::move(examples)), options, {});
  }
  LabelRanking ranking_of(const std::string& text, int k) const {
    return engine_.rank(std::vector<std::string>{text}, k).at(0);
  }

  testing::TempDir folder_;
  std::filesystem::path store_ = tiny::indexed_store(folder_.path());
  RetrievalEngine engine_ = RetrievalEngine::open(store_);
};

// P@1 counted by hand over the engine's own answers.
TEST_F(Evaluator, AgreesWithCountingTheAnswers) {
  long hits = 0;
  for (const Example& example : tiny::test()) {
    const LabelId best = ranking_of(example.text, 1).at(0).id;
    hits += std::count(example.labels.begin(), example.labels.end(), best);
  }
  for (const int batch : {1, 3, 256}) {
    EvaluatorOptions options;
    options.batch = batch;
    const Report report = evaluated(tiny::test(), options);
    EXPECT_DOUBLE_EQ(at(report.precision, 1).value,
                     100.0 * static_cast<double>(hits) / tiny::kTestDocuments);
    EXPECT_EQ(report.documents, tiny::kTestDocuments);
    EXPECT_EQ(report.labels, tiny::kLabels);
    EXPECT_GT(report.queries_per_second, 0);
  }
}

// Two of the bands of the tiny corpus: "astronomy" has no training document, the others 1 to 50.
TEST_F(Evaluator, CountsThePairsOfEveryBand) {
  const Report report = evaluated(tiny::test());
  std::uint64_t pairs = 0;
  for (const BandRow& band : report.bands) pairs += band.positives;
  EXPECT_EQ(pairs, 10u);
  EXPECT_EQ(report.bands[0].positives, 1u);
  EXPECT_EQ(report.bands[3].positives, 0u);
}

TEST_F(Evaluator, DropsExcludedLabelsBeforeScoring) {
  const std::string text = "The players celebrated the late goals of their team.";
  const LabelRanking answers = ranking_of(text, 12);
  Example example;
  example.text = text;
  example.labels = {answers[7].id};
  EXPECT_DOUBLE_EQ(at(evaluated({example}).precision, 1).value, 0);
  for (std::size_t j = 0; j < 7; ++j) example.excluded.push_back(answers[j].id);
  std::sort(example.excluded.begin(), example.excluded.end());
  const Report report = evaluated({example});
  EXPECT_DOUBLE_EQ(at(report.precision, 1).value, 100);
  EXPECT_DOUBLE_EQ(at(report.recall, 10).value, 100);
}

// 12 labels, 10 places and 2 excluded ahead: the last of the twelve is still among the ten.
TEST_F(Evaluator, FillsThePlacesOfExcludedLabels) {
  const std::string text = "Rain and wind delayed every train at the station.";
  const LabelRanking answers = ranking_of(text, 12);
  Example example;
  example.text = text;
  example.labels = {answers[11].id};
  example.excluded = {answers[0].id, answers[1].id};
  std::sort(example.excluded.begin(), example.excluded.end());
  EXPECT_DOUBLE_EQ(at(evaluated({example}).recall, 10).value, 100);
}

TEST_F(Evaluator, KeepsDocumentsWithoutLabelsOrAnswersInTheMeans) {
  Example good = tiny::test()[0], unlabelled = good, silent = good;
  unlabelled.labels.clear();
  silent.text = "";
  const Report report = evaluated({good, unlabelled, silent});
  EXPECT_EQ(report.documents, 3u);
  EXPECT_EQ(report.documents_without_labels, 1u);
  EXPECT_NEAR(at(report.precision, 1).value, 100.0 / 3, 1e-9);
}

TEST_F(Evaluator, SamplesHitsAndMissesWithNames) {
  std::vector<Example> examples = tiny::test();
  for (std::size_t i = 0; i < 4; ++i) examples[i].labels = {LabelId{11}};  // wrong on purpose
  EvaluatorOptions options;
  options.sample_hits = 4;
  const Report report = evaluated(examples, options);
  ASSERT_EQ(report.samples.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    const SampleAnswer& sample = report.samples[i];
    EXPECT_EQ(sample.correct.at(0), i < 2) << "hits come first";
    EXPECT_EQ(sample.answers.size(), 5u);
    EXPECT_EQ(sample.correct.size(), 5u);
  }
  EXPECT_EQ(report.samples[3].truth, std::vector<std::string>{"Astronomy"});
  EXPECT_EQ(evaluated(examples, options).samples[0].text, report.samples[0].text);
}

TEST_F(Evaluator, ScoresLabelsAddedAfterwards) {
  LabelId pets{};
  {
    Catalog catalog = Catalog::open(store_, OpenMode::kWrite);
    pets = add_labels(catalog, std::vector<Label>{{LabelId{}, "pets", "Pets",
                                                   "cats, dogs and rabbits in a basket"}})[0];
  }
  engine_ = RetrievalEngine::open(store_);
  Example example;
  example.text = "cats, dogs and rabbits in a basket";
  example.labels = {pets};
  const Report report = evaluated({example});
  EXPECT_EQ(report.bands[0].positives, 1u);
  EXPECT_DOUBLE_EQ(report.bands[0].recall_at_5, 100);
}

TEST_F(Evaluator, CountsARemovedLabelAsAMiss) {
  {
    Catalog catalog = Catalog::open(store_, OpenMode::kWrite);
    ASSERT_TRUE(catalog.remove_label("animals"));
  }
  engine_ = RetrievalEngine::open(store_);
  const Report report = evaluated({tiny::test()[0]});
  EXPECT_DOUBLE_EQ(at(report.recall, 10).value, 0);
  EXPECT_EQ(report.samples.at(0).truth, std::vector<std::string>{"(a removed label)"});
}

TEST_F(Evaluator, ReportsItsProgressAndCanBeStopped) {
  std::vector<std::uint64_t> done;
  std::stop_source stop;
  Progress progress;
  progress.stop = stop.get_token();
  progress.report = [&](const ProgressEvent& event) {
    done.push_back(event.done);
    EXPECT_EQ(event.total, 8u);
    if (event.done == 6) stop.request_stop();
  };
  EvaluatorOptions options;
  options.batch = 3;
  options.documents_expected = 8;
  expect_error(ErrorKind::kInterrupted,
               [&] { evaluate(engine_, stream_of(tiny::test()), options, progress); });
  EXPECT_EQ(done, (std::vector<std::uint64_t>{3, 6}));
}

TEST_F(Evaluator, RefusesBadOptionsAndAnEmptyStream) {
  EvaluatorOptions options;
  options.at = {1, 0};
  expect_error(
      ErrorKind::kInvalidInput, [&] { evaluated(tiny::test(), options); }, "[1,0]");
  expect_error(
      ErrorKind::kInvalidInput, [&] { evaluated({}); }, "--data");
}

TEST_F(Evaluator, WritesTheFiguresAsJson) {
  EvaluatorOptions options;
  options.at = {5, 1, 5};
  const Report report = evaluated(tiny::test(), options);
  const boost::json::value parsed = boost::json::parse(to_json(report));
  const boost::json::object& json = parsed.as_object();
  const auto number = [&](const char* key) { return json.at(key).to_number<double>(); };
  EXPECT_NEAR(number("P@1"), at(report.precision, 1).value, 1e-4);
  EXPECT_NEAR(number("P@5"), at(report.precision, 5).value, 1e-4);
  EXPECT_NEAR(number("nDCG@5"), at(report.ndcg, 5).value, 1e-4);
  EXPECT_NEAR(number("PSP@5"), at(report.psp, 5).value, 1e-4);
  EXPECT_NEAR(number("R@10"), at(report.recall, 10).value, 1e-4);
  EXPECT_NEAR(number("coverage@5"), report.coverage_at_5, 1e-4);
  EXPECT_EQ(number("documents"), 8);
  EXPECT_EQ(number("labels"), 12);
  EXPECT_GT(number("queries_per_second"), 0);
  EXPECT_FALSE(json.contains("P@3"));
  EXPECT_NEAR(json.at("intervals").at("P@1").to_number<double>(),
              at(report.precision, 1).half_width, 1e-4);
  EXPECT_EQ(json.at("bands").at("none").at("positives").to_number<int>(), 1);
}

TEST_F(Evaluator, FillsThePageFromTheStore) {
  EvaluatorOptions options;
  options.sample_hits = 16;  // every document
  const ReportPage page = report_page(engine_, evaluated(tiny::test(), options), "test part");
  EXPECT_EQ(page.title, "store");
  EXPECT_EQ(page.training.history.size(), 30u);
  EXPECT_EQ(page.manifest.generation->index_kind, "flat");
  const std::string html = html_report(page);
  EXPECT_THAT(html, ::testing::HasSubstr("8 documents of the test part"));
  EXPECT_THAT(html, ::testing::HasSubstr("A piano concert with old songs."));
}

}  // namespace
}  // namespace dexter
