// The page of an evaluation, section by section.
#include "engine/report.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include "engine/history.h"
#include "engine/html_text.h"
#include "engine/report_style.h"
#include "engine/svg_chart.h"

namespace dexter {
namespace {

constexpr std::size_t kShownCharacters = 170;
constexpr std::size_t kShownNameCharacters = 80;

std::string card(const std::string& heading, const std::string& note, const std::string& body,
                 const char* style = "card") {
  return fmt::format("<section class=\"{}\"><h2>{}</h2><p class=\"note\">{}</p>\n{}</section>\n",
                     style, escaped(heading), escaped(note), body);
}

const MetricAtK* metric_at(const std::vector<MetricAtK>& metrics, int k) {
  const auto found = std::find_if(metrics.begin(), metrics.end(),
                                  [&](const MetricAtK& metric) { return metric.k == k; });
  return found == metrics.end() ? nullptr : &*found;
}

std::string tile(const std::string& what, const std::string& number, const std::string& below) {
  return fmt::format(
      "<div class=\"tile\"><span class=\"what\">{}</span><b>{}</b><small>{}</small></div>\n",
      escaped(what), number, below);
}

std::string metric_tile(const char* name, const std::vector<MetricAtK>& metrics, int k) {
  const MetricAtK* metric = metric_at(metrics, k);
  if (metric == nullptr) return {};
  return tile(fmt::format("{}@{}", name, k), fmt::format("{:.1f} %", metric->value),
              fmt::format("\u00b1 {:.2f}", metric->half_width));
}

std::string tiles(const Report& report) {
  return "<div class=\"tiles\">\n" + metric_tile("P", report.precision, 1) +
         metric_tile("P", report.precision, 5) + metric_tile("nDCG", report.ndcg, 5) +
         metric_tile("PSP", report.psp, 5) + metric_tile("R", report.recall, 10) +
         tile("Speed", grouped(static_cast<std::uint64_t>(report.queries_per_second)),
              "texts a second") +
         "</div>\n";
}

BarGroup group_of(const char* name, const std::vector<MetricAtK>& metrics) {
  BarGroup group{name, {}};
  for (const MetricAtK& metric : metrics)
    group.bars.push_back({fmt::format("@{}", metric.k), metric.value, metric.half_width});
  return group;
}

// Figures of one metric, a column for each of `ranks`.
std::string figure_row(const char* name, const std::vector<MetricAtK>& metrics,
                       const std::vector<MetricAtK>& ranks) {
  std::string cells;
  for (const MetricAtK& rank : ranks) {
    const MetricAtK* metric = metric_at(metrics, rank.k);
    cells += "<td class=\"number\">";
    if (metric != nullptr)
      cells += fmt::format("{:.2f}<span class=\"pm\">\u00b1 {:.2f}</span>", metric->value,
                           metric->half_width);
    cells += "</td>";
  }
  return fmt::format("<tr><td>{}</td>{}</tr>\n", name, cells);
}

// Recall is given at every rank of the others and at 10.
std::string figure_table(const Report& report) {
  std::string head;
  for (const MetricAtK& metric : report.recall)
    head += fmt::format("<th class=\"number\">@{}</th>", metric.k);
  return "<table class=\"figures\"><thead><tr><th></th>" + head + "</tr></thead><tbody>\n" +
         figure_row("Precision", report.precision, report.recall) +
         figure_row("nDCG", report.ndcg, report.recall) +
         figure_row("PSP", report.psp, report.recall) +
         figure_row("Recall", report.recall, report.recall) + "</tbody></table>\n";
}

std::string accuracy_card(const Report& report) {
  const BarGroup groups[] = {group_of("Precision", report.precision), group_of("nDCG", report.ndcg),
                             group_of("PSP", report.psp), group_of("Recall", report.recall)};
  return card("Accuracy by rank", "Percent, with 95 % intervals over documents.",
              bar_chart(groups, "Precision, nDCG, PSP and recall by rank") + figure_table(report));
}

LineChart chart_over_epochs(const TrainReport& training, double EpochRecord::*field) {
  LineChart chart;
  for (const EpochRecord& epoch : training.history) {
    chart.x.push_back(epoch.epoch);
    chart.y.push_back(epoch.*field);
  }
  chart.marked = training.best_epoch;
  return chart;
}

std::string training_card(const TrainReport& training) {
  if (training.history.empty())
    return card("Training", "The store keeps no history of this encoder's training.", "");
  LineChart loss = chart_over_epochs(training, &EpochRecord::loss);
  loss.description = "Training loss by epoch";
  loss.series = "second";
  loss.decimals = 2;
  LineChart precision = chart_over_epochs(training, &EpochRecord::validation_p1);
  precision.description = "P@1 on the validation part by epoch";
  precision.series = "accent";
  const auto pretraining =
      std::count_if(training.history.begin(), training.history.end(),
                    [](const EpochRecord& epoch) { return epoch.pretraining; });
  std::string note =
      fmt::format("{} epochs in {}{}; the ringed one, {}, is in use.", training.history.size(),
                  duration_text(training.seconds), training.stopped_early ? ", stopped early" : "",
                  training.best_epoch);
  if (pretraining > 0) note += fmt::format(" The first {} learnt guessed labels.", pretraining);
  return card("Training", note,
              "<h3>P@1 on the validation part, percent</h3>" + line_chart(precision) +
                  "<h3>Training loss</h3>" + line_chart(loss));
}

std::string band_name(const std::string& name) {
  return name == "none" ? "none (from text alone)" : name;
}

std::string band_row(const BandRow& band) {
  if (band.positives == 0) return {};
  return fmt::format(
      "<tr><td>{}</td><td class=\"number hide-narrow\">{}</td><td class=\"number "
      "hide-narrow\">{}</td>"
      "<td><div class=\"track\"><span class=\"bg-soft\" style=\"width:{:.1f}%\"></span>"
      "<span class=\"bg-accent\" style=\"width:{:.1f}%\"></span></div></td>"
      "<td class=\"number\">{:.1f}</td><td class=\"number\">{:.1f}</td></tr>\n",
      escaped(band_name(band.name)), grouped(band.labels), grouped(band.positives),
      band.recall_at_10, band.recall_at_5, band.recall_at_5, band.recall_at_10);
}

std::string band_card(const Report& report) {
  std::string body =
      "<table><thead><tr><th>Training documents</th><th class=\"number hide-narrow\">Labels</th>"
      "<th class=\"number hide-narrow\">Pairs</th><th></th><th class=\"number\">R@5</th>"
      "<th class=\"number\">R@10</th></tr></thead><tbody>\n";
  for (const BandRow& band : report.bands) body += band_row(band);
  body += fmt::format(
      "</tbody></table><div class=\"legend\"><span><i class=\"bg-accent\"></i>found in the first "
      "5</span>"
      "<span><i class=\"bg-soft\"></i>in the first 10</span></div>"
      "<h3>Coverage</h3><p>{:.1f} % of the labels that occur in the truth are found at least once "
      "in the "
      "first 5 answers.</p><div class=\"track\"><span class=\"bg-accent\" style=\"width:{:.1f}%\">"
      "</span></div>\n",
      report.coverage_at_5, report.coverage_at_5);
  return card(
      "Frequent and rare labels",
      "Share of the true document\u2013label pairs found, by the label's number of training "
      "documents.",
      body);
}

std::string score_card(const Report& report) {
  HistogramPair chart;
  chart.description = "Scores of right and wrong answers";
  chart.hits = report.score_histogram_hits;
  chart.misses = report.score_histogram_misses;
  if (chart.hits.empty() || chart.misses.size() != chart.hits.size()) return {};
  return card("Scores",
              "Cosine of the first five answers of every document; each shape sums to 100 %.",
              histogram_chart(chart) +
                  "<div class=\"legend\"><span><i class=\"bg-accent\"></i>right answers</span>"
                  "<span><i class=\"bg-second\"></i>wrong answers</span></div>\n");
}

std::string shown_name(const std::string& name) {
  return escaped(shortened(name, kShownNameCharacters));
}

std::string answer_box(const SampleAnswer& sample) {
  std::string body;
  for (std::size_t i = 0; i < sample.answers.size(); ++i) {
    const auto& [name, score] = sample.answers[i];
    body += fmt::format("<li{}><span>{} {}</span><span class=\"score\">{:.2f}</span></li>\n",
                        sample.correct[i] ? " class=\"true\"" : "",
                        sample.correct[i] ? "\u2713" : "\u00b7", shown_name(name), score);
  }
  std::string missed;
  for (const std::string& name : sample.truth) {
    const bool found = std::any_of(sample.answers.begin(), sample.answers.end(),
                                   [&](const auto& answer) { return answer.first == name; });
    if (!found) missed += (missed.empty() ? "" : ", ") + shown_name(name);
  }
  if (!missed.empty()) missed = fmt::format("<div class=\"missed\">missed: {}</div>", missed);
  return fmt::format("<article class=\"answer\"><p>{}</p><ol>{}</ol>{}</article>\n",
                     escaped(shortened(sample.text, kShownCharacters)), body, missed);
}

bool is_hit(const SampleAnswer& sample) {
  return !sample.correct.empty() && sample.correct.front();
}

std::string sample_card(const Report& report, bool hits) {
  std::string boxes;
  for (const SampleAnswer& sample : report.samples)
    if (is_hit(sample) == hits) boxes += answer_box(sample);
  if (boxes.empty()) return {};
  return card(hits ? "Documents answered right" : "Documents answered wrong",
              hits ? "Drawn at random from those whose best answer is a true label."
                   : "Drawn at random from those whose best answer is not a true label; label sets "
                     "are often incomplete, so a wrong answer may be a missing label.",
              "<div class=\"answers\">\n" + boxes + "</div>\n", "card wide");
}

using Facts = std::vector<std::pair<std::string, std::string>>;

std::string fact_list(const char* heading, const Facts& facts) {
  std::string body = fmt::format("<dl><h3>{}</h3>", heading);
  for (const auto& [name, text] : facts)
    body += fmt::format("<dt>{}</dt><dd>{}</dd>", escaped(name), escaped(text));
  return body + "</dl>\n";
}

Facts corpus_facts(const CorpusInfo& corpus) {
  Facts facts = {{"format", corpus.format},
                 {"training documents", grouped(corpus.train_documents)},
                 {"test documents", grouped(corpus.test_documents)},
                 {"labels", grouped(corpus.labels)}};
  if (corpus.text_kind == TextKind::kSparse)
    facts.emplace_back("features", grouped(corpus.sparse_features));
  return facts;
}

Facts model_facts(const GenerationInfo& generation) {
  const EncoderInfo& encoder = generation.encoder;
  return {{"encoder", fmt::format("{}, {} dimensions", encoder.kind, encoder.dim)},
          {"encoder file", size_text(encoder.file.bytes)},
          {"fingerprint", encoder.fingerprint},
          {"index", generation.index_kind},
          {"chosen because", generation.index_reason},
          {"index file", size_text(generation.label_index.bytes)},
          {"generation", std::to_string(generation.number)}};
}

Facts run_facts(const ReportPage& page) {
  const Report& report = page.report;
  return {{"evaluated", page.part},
          {"documents", grouped(report.documents)},
          {"documents without labels", grouped(report.documents_without_labels)},
          {"answerable labels", grouped(report.labels)},
          {"time", duration_text(report.seconds)}};
}

std::string fact_card(const ReportPage& page) {
  std::string lists = fact_list("Evaluation", run_facts(page));
  if (page.manifest.corpus) lists += fact_list("Corpus", corpus_facts(*page.manifest.corpus));
  if (page.manifest.generation) lists += fact_list("Model", model_facts(*page.manifest.generation));
  return fmt::format(
      "<section class=\"card wide\"><h2>What was measured</h2><div "
      "class=\"facts\">{}</div></section>\n",
      lists);
}

std::string config_card(const std::vector<ConfigField>& config) {
  if (config.empty()) return {};
  std::string rows;
  for (const ConfigField& field : config)
    rows += fmt::format(
        "<tr{}><td><code>{}</code></td><td><code>{}</code></td><td "
        "class=\"hide-narrow\">{}</td></tr>\n",
        field.value == field.default_value ? "" : " class=\"changed\"", escaped(field.key),
        escaped(field.value), escaped(field.description));
  return fmt::format(
      "<section class=\"card wide\"><details><summary>Configuration</summary><p "
      "class=\"note\">Options that "
      "differ from their defaults are in bold.</p><table><thead><tr><th>Option</th><th>Value</th>"
      "<th "
      "class=\"hide-narrow\">Meaning</th></tr></thead><tbody>\n{}</tbody></table></details></"
      "section>\n",
      rows);
}

constexpr std::string_view kFooter =
    "<footer><p>P@k: share of the first k answers that are true. R@k: share of the true labels "
    "among the "
    "first k answers. nDCG@k: hits discounted by rank, against the ideal ranking.</p><p>PSP@k: "
    "precision "
    "in which rare labels weigh more (inverse propensities), as a share of the best attainable.</p>"
    "<p>Made by dexter.</p></footer>\n";

}  // namespace

ReportPage report_page(const RetrievalEngine& engine, Report report, std::string part) {
  const Catalog& catalog = engine.catalog();
  ReportPage page;
  std::filesystem::path store = std::filesystem::absolute(catalog.path()).lexically_normal();
  if (!store.has_filename()) store = store.parent_path();
  page.title = store.filename().string();
  page.part = std::move(part);
  page.manifest = catalog.manifest();
  page.training = training_history(catalog);
  Config config;
  if (!page.manifest.config.empty())
    merge_json(config, page.manifest.config, "the store's configuration");
  page.config = describe(config);
  page.report = std::move(report);
  return page;
}

std::string html_report(const ReportPage& page) {
  const Report& report = page.report;
  std::string html = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
      "<title>{} \u2013 evaluation</title>\n<style>{}</style></head>\n<body><main>\n"
      "<header><h1>{}</h1><p class=\"soft\">{} documents of the {} answered from {} "
      "labels</p></header>\n",
      escaped(page.title), report_style(), escaped(page.title), grouped(report.documents),
      escaped(page.part), grouped(report.labels));
  html += tiles(report);
  html += "<div class=\"cards\">\n";
  html +=
      accuracy_card(report) + band_card(report) + training_card(page.training) + score_card(report);
  html += sample_card(report, true) + sample_card(report, false);
  html += fact_card(page) + config_card(page.config);
  html += "</div>\n";
  html += kFooter;
  return html + "</main></body></html>\n";
}

}  // namespace dexter
