#include "engine/report.h"

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/html_text.h"
#include "engine/svg_chart.h"

namespace dexter {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// The first tag of `html` that is closed wrongly or not at all; empty where all nest.
std::string unbalanced_tag(std::string_view html) {
  static const std::set<std::string_view> kVoid = {"!doctype", "meta"};
  std::vector<std::string> open;
  for (std::size_t at = html.find('<'); at != std::string_view::npos; at = html.find('<', at + 1)) {
    const std::size_t end = html.find('>', at);
    if (end == std::string_view::npos) return std::string(html.substr(at, 20));
    const bool closes = html[at + 1] == '/';
    const std::size_t start = at + (closes ? 2 : 1);
    const std::string name(html.substr(start, html.find_first_of(" >/", start) - start));
    if (closes) {
      if (open.empty() || open.back() != name) return "/" + name;
      open.pop_back();
    } else if (html[end - 1] != '/' && !kVoid.contains(name)) {
      open.push_back(name);
    }
  }
  return open.empty() ? "" : open.back();
}

ReportPage full_page() {
  ReportPage page;
  page.title = "my store";
  page.part = "test part";
  CorpusInfo corpus;
  corpus.format = "jsonl";
  corpus.train_documents = 590764;
  page.manifest.corpus = corpus;
  GenerationInfo generation;
  generation.encoder.kind = "bag";
  generation.encoder.dim = 256;
  generation.index_kind = "flat";
  generation.index_reason = "few labels";
  page.manifest.generation = generation;
  for (int epoch = 1; epoch <= 3; ++epoch) {
    EpochRecord record;
    record.epoch = epoch;
    record.loss = 5.0 - epoch;
    record.validation_p1 = 30.0 + epoch;
    record.pretraining = epoch == 1;
    page.training.history.push_back(record);
  }
  page.training.best_epoch = 3;
  page.training.seconds = 301;
  page.config = {{"index.kind", "flat", "auto", "the kind"}, {"train.seed", "1", "1", "the seed"}};
  Report& report = page.report;
  report.documents = 45651;
  report.labels = 27754;
  report.queries_per_second = 5123.4;
  report.precision = {{1, 41.25, 0.45}, {5, 18.5, 0.15}};
  report.ndcg = {{1, 41.25, 0.45}, {5, 46.5, 0.4}};
  report.psp = {{1, 34.5, 0.5}, {5, 41.75, 0.5}};
  report.recall = {{1, 24.5, 0.3}, {5, 47.25, 0.4}, {10, 55.75, 0.42}};
  report.coverage_at_5 = 38.25;
  report.bands = {{"none", 8, 9, 11.5, 17.25}, {"1-5", 0, 0, 0, 0}};
  report.score_histogram_hits.assign(40, 2);
  report.score_histogram_misses.assign(40, 0);
  report.score_histogram_misses[20] = 7;
  report.samples = {
      {"cats and dogs", {"animals"}, {{"animals", 0.8f}, {"pets", 0.5f}}, {true, false}},
      {"a goal", {"football"}, {{"money", 0.25f}}, {false}}};
  return page;
}

TEST(HtmlReport, ShowsTheFiguresOfTheEvaluation) {
  const std::string html = html_report(full_page());
  for (const char* shown :
       {"my store", "45,651 documents of the test part answered from 27,754 labels", "41.2 %",
        "41.8 %", "55.8 %", "5,123", "38.2 % of the labels", "none (from text alone)", "11.5",
        "590,764", "3 epochs in 5 min 1 s", "The first 1 learnt guessed labels", "few labels",
        "index.kind", "cats and dogs", "missed: football", "animals"})
    EXPECT_THAT(html, HasSubstr(shown));
}

TEST(HtmlReport, IsWellFormed) { EXPECT_EQ(unbalanced_tag(html_report(full_page())), ""); }

TEST(HtmlReport, FetchesAndRunsNothing) {
  const std::string html = html_report(full_page());
  for (const char* outside : {"<script", "http:", "https:", "<link", "<img", "@import", "url("})
    EXPECT_THAT(html, Not(HasSubstr(outside)));
}

TEST(HtmlReport, EscapesEveryTextOfTheStore) {
  ReportPage page = full_page();
  const std::string hostile = "<b onclick=\"x\">'&</b>";
  page.title = page.part = hostile;
  page.manifest.corpus->format = hostile;
  page.manifest.generation->index_reason = hostile;
  page.config = {{hostile, hostile, hostile, hostile}};
  page.report.samples = {{hostile, {hostile + "2"}, {{hostile, 0.5f}}, {true}},
                         {hostile, {hostile + "2"}, {{hostile, 0.5f}}, {false}}};
  page.report.bands[0].name = hostile;
  const std::string html = html_report(page);
  EXPECT_THAT(html, Not(HasSubstr("<b onclick")));
  EXPECT_THAT(html, HasSubstr("&lt;b onclick=&quot;x&quot;&gt;&#39;&amp;&lt;/b&gt;"));
  EXPECT_EQ(unbalanced_tag(html), "");
}

TEST(HtmlReport, LeavesOutWhatIsNotThere) {
  ReportPage page;
  page.report.documents = 1;
  page.report.score_histogram_hits.assign(40, 0);
  page.report.score_histogram_misses.assign(40, 0);
  const std::string html = html_report(page);
  EXPECT_EQ(unbalanced_tag(html), "");
  EXPECT_THAT(html, HasSubstr("no history"));
  EXPECT_THAT(html, Not(HasSubstr("Configuration")));
  EXPECT_THAT(html, Not(HasSubstr("nan")));
}

TEST(HtmlReport, ShowsATrainingOfOneEpoch) {
  ReportPage page = full_page();
  page.training.history.resize(1);
  const std::string html = html_report(page);
  EXPECT_EQ(unbalanced_tag(html), "");
  EXPECT_THAT(html, Not(HasSubstr("nan")));
}

TEST(HtmlText, EscapesMarkupAndControlCharacters) {
  EXPECT_EQ(escaped("a<b>&\"'\x01\n\xc3\xa4"), "a&lt;b&gt;&amp;&quot;&#39;  \xc3\xa4");
}

TEST(HtmlText, ShortensBetweenCharacters) {
  EXPECT_EQ(shortened("\xc3\xa4\xc3\xb6\xc3\xbc", 3), "\xc3\xa4\xc3\xb6\xc3\xbc");
  EXPECT_EQ(shortened("\xc3\xa4\xc3\xb6\xc3\xbc", 2), "\xc3\xa4\xc3\xb6\xe2\x80\xa6");
  EXPECT_EQ(shortened("", 0), "");
}

TEST(HtmlText, WritesNumbersForPeople) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(1234567), "1,234,567");
  EXPECT_EQ(duration_text(31.44), "31.4 s");
  EXPECT_EQ(duration_text(301), "5 min 1 s");
  EXPECT_EQ(duration_text(7260), "2 h 1 min");
  EXPECT_EQ(size_text(1023), "1023 bytes");
  EXPECT_EQ(size_text(1536), "1.5 KiB");
  EXPECT_EQ(size_text(8u << 20), "8.0 MiB");
}

// Two bars of 50 and 25: the first is twice as high.
TEST(BarChart, DrawsHeightsInProportion) {
  const BarGroup groups[] = {{"P", {{"@1", 50, 0}, {"@3", 25, 0}}}};
  const std::string svg = bar_chart(groups, "bars");
  std::vector<double> heights;
  for (std::size_t at = svg.find(" height=\""); at != std::string::npos;
       at = svg.find(" height=\"", at + 1))
    heights.push_back(std::stod(svg.substr(at + 9)));
  ASSERT_EQ(heights.size(), 2u);
  EXPECT_NEAR(heights[0], 2 * heights[1], 0.2);
  EXPECT_GT(heights[1], 10);
  EXPECT_EQ(unbalanced_tag(svg), "");
}

}  // namespace
}  // namespace dexter
