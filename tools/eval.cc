// dexter eval: how good the answers are.
#include <algorithm>
#include <memory>
#include <optional>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "engine/config.h"
#include "engine/evaluator.h"
#include "engine/offline.h"
#include "engine/report.h"
#include "storage/corpus_reader.h"
#include "storage/file_io.h"
#include "tools/answer_arguments.h"
#include "tools/evaluation_source.h"
#include "tools/figures.h"
#include "tools/json_output.h"
#include "tools/threads.h"
#include "tools/verb.h"

namespace dexter {
namespace {

struct EvalArguments {
  std::filesystem::path data;
  std::string format = "auto";
  std::vector<int> at = {1, 3, 5};
  std::vector<double> propensity;
  std::filesystem::path page;
  AnswerOptions answer;
  DeviceOptions device;
  int threads = 0;
};

EvaluatorOptions options_of(const EvalArguments& arguments) {
  EvaluatorOptions options;
  options.answer = arguments.answer;
  options.at = arguments.at;
  std::sort(options.at.begin(), options.at.end());
  options.at.erase(std::unique(options.at.begin(), options.at.end()), options.at.end());
  ensure(arguments.propensity.empty() || arguments.propensity.size() == 2, ErrorKind::kInvalidInput,
         "--propensity takes two numbers, A,B, such as 0.55,1.5");
  if (!arguments.propensity.empty())
    options.propensity = {.a = arguments.propensity[0], .b = arguments.propensity[1]};
  return options;
}

std::string cell(const std::vector<MetricAtK>& metrics, int k) {
  const auto found = std::find_if(metrics.begin(), metrics.end(),
                                  [k](const MetricAtK& metric) { return metric.k == k; });
  return found == metrics.end() ? ""
                                : fmt::format("{:.2f} ±{:.2f}", found->value, found->half_width);
}

std::string metric_table(const Report& report) {
  std::vector<int> ranks;
  for (const auto* metrics : {&report.precision, &report.ndcg, &report.psp, &report.recall})
    for (const MetricAtK& metric : *metrics) ranks.push_back(metric.k);
  std::sort(ranks.begin(), ranks.end());
  ranks.erase(std::unique(ranks.begin(), ranks.end()), ranks.end());
  std::vector<std::string> head = {"percent ±95 %"};
  for (const int k : ranks) head.push_back(fmt::format("@{}", k));
  Table table('<' + std::string(ranks.size(), '>'));
  table.row(head);
  const auto add = [&](const char* name, const std::vector<MetricAtK>& metrics) {
    std::vector<std::string> cells = {name};
    for (const int k : ranks) cells.push_back(cell(metrics, k));
    table.row(std::move(cells));
  };
  add("P   precision", report.precision);
  add("R   recall", report.recall);
  add("nDCG", report.ndcg);
  add("PSP propensity-scored", report.psp);
  return table.text();
}

std::string band_table(const Report& report) {
  Table table("<>>>>");
  table.row({"training documents of a label", "labels", "pairs", "R@5", "R@10"});
  for (const BandRow& band : report.bands)
    table.row({band.name, thousands(band.labels), thousands(band.positives),
               band.positives == 0 ? "-" : fmt::format("{:.2f}", band.recall_at_5),
               band.positives == 0 ? "-" : fmt::format("{:.2f}", band.recall_at_10)});
  return table.text();
}

void print_people(Context& context, const Report& report, const EvaluationSource& source) {
  std::string out = fmt::format("{}: {} documents against {} labels, {} per second\n\n",
                                source.name(), thousands(report.documents),
                                thousands(report.labels), rate_of(report.queries_per_second));
  out += metric_table(report) + '\n' + band_table(report) + '\n';
  out += fmt::format(
      "  {:.2f} % of the labels asked for are hit at least once in the first five answers\n",
      report.coverage_at_5);
  if (report.documents_without_labels > 0)
    out += fmt::format("  {} documents have no label and count as misses\n",
                       thousands(report.documents_without_labels));
  context.terminal.print(out);
}

boost::json::object json_of(const Report& report, const EvaluationSource& source) {
  boost::json::object object = boost::json::parse(to_json(report)).as_object();
  object["data"] = source.name();
  object["unknown_label_mentions"] = source.unknown_mentions();
  return object;
}

void warn_unknown(Context& context, const EvaluationSource& source) {
  if (source.unknown_mentions() == 0) return;
  context.terminal.warn(fmt::format(
      "warning: {} of {} label mentions ({}) name labels the store does not have; they were left "
      "out "
      "of the truth, the first is '{}'",
      thousands(source.unknown_mentions()), thousands(source.mentions()),
      percent_of(source.unknown_mentions(), source.mentions()), source.first_unknown()));
}

// The store keeps its newest evaluation; a store that cannot be written is still evaluated.
void keep_note(Context& context, const boost::json::object& evaluation) {
  try {
    Catalog::open(context.store, OpenMode::kWrite).put_note("evaluation", json_line(evaluation));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kUnavailable && error.kind() != ErrorKind::kIo) throw;
    context.terminal.warn(
        fmt::format("warning: the result was not kept in the store: {}", error.what()));
  }
}

ExitCode run_eval(Context& context, const EvalArguments& arguments) {
  EvaluatorOptions options = options_of(arguments);
  set_threads(arguments.threads);
  boost::json::object evaluation;
  {
    const RetrievalEngine engine = RetrievalEngine::open(context.store, arguments.device);
    EvaluationSource source =
        arguments.data.empty()
            ? EvaluationSource(engine.catalog())
            : EvaluationSource(engine.catalog(), arguments.data, arguments.format);
    if (!source.remark().empty()) context.terminal.remark(source.remark());
    if (engine.document_space() != nullptr && options.answer.memory != Memory::kOff)
      options.answer.silent = source.training_documents();
    const Report report = evaluate(
        engine, [&](Example& example) { return source.next(example); }, options,
        context.stoppable_progress());
    context.terminal.finish_stage();
    warn_unknown(context, source);
    evaluation = json_of(report, source);
    context.json ? context.terminal.print(json_line(evaluation))
                 : print_people(context, report, source);
    if (!arguments.page.empty()) {
      write_file_atomically(arguments.page,
                            html_report(report_page(engine, report, std::string(source.name()))));
      context.terminal.remark(fmt::format("report: {}", arguments.page.string()));
    }
  }
  keep_note(context, evaluation);
  return ExitCode::kOk;
}

Runner add_eval(CLI::App& app, Context& context) {
  const auto arguments = std::make_shared<EvalArguments>();
  app.add_option(
         "--data", arguments->data,
         "documents to evaluate instead of the store's test part; labels the store does not have "
         "are left out of the truth and counted")
      ->type_name("FILE")
      ->group("Documents");
  app.add_option("--format", arguments->format,
                 "the format of --data, as `dexter import` names them")
      ->type_name("FORMAT")
      ->default_str("auto")
      ->group("Documents");
  const char* figures = "Figures";
  app.add_option("-k", arguments->at, "ranks of P, nDCG and PSP")
      ->type_name("N,N,...")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->default_str("1,3,5")
      ->check(CLI::Range(1, 1000).description(""))
      ->group(figures);
  app.add_option(
         "--propensity", arguments->propensity,
         "constants of the propensity model; A = 0.6, B = 2.6 are used for the Amazon sets, "
         "0.5, 0.4 for Wikipedia")
      ->type_name("A,B")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->default_str("0.55,1.5")
      ->group(figures);
  add_answer_options(app, arguments->answer, "Answers");
  app.add_option("--report", arguments->page, "also write a page with plots, one file of HTML")
      ->type_name("FILE.html")
      ->group(figures);
  add_device_options(app, arguments->device, "General");
  app.add_option("--threads", arguments->threads, "threads; 0 takes every core")
      ->type_name("N")
      ->check(CLI::Range(0, 1 << 30).description(""))
      ->group("General");
  return [arguments, &context] { return run_eval(context, *arguments); };
}

}  // namespace

constinit const Verb kEvalVerb = {
    .name = "eval",
    .summary = "measure precision, recall, nDCG and PSP on test documents",
    .arguments = "--store DIR [--data FILE] [-k 1,3,5] [--report FILE.html] [options]",
    .about =
        "Answers every test document and compares with its labels. Without a test part the "
        "validation part is used, the training documents that `dexter train` held out. The "
        "table gives percent with 95 % intervals, then recall by how many training documents "
        "a label has. The result is kept in the store (`dexter info` shows it). JSON keys: "
        "P@1, R@10, nDCG@5, PSP@5, ..., documents, labels, queries_per_second.",
    .examples =
        "dexter eval --store my-store\n"
        "dexter eval --store my-store --data more.jsonl -k 1,5,10 --report more.html",
    .next =
        "dexter info --store my-store\n"
        "dexter train --store my-store --set KEY=VALUE, then index and eval again",
    .interrupted = "nothing was kept; run the same command again",
    .add = &add_eval};

}  // namespace dexter
