// dexter demos eval: how often the chosen demonstrations have the right output, or are the right
// documents.
#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "engine/demo_prompt.h"
#include "engine/demo_retriever.h"
#include "engine/demo_scorer.h"
#include "engine/retrieval_metrics.h"
#include "storage/file_io.h"
#include "tools/config_arguments.h"
#include "tools/demos_arguments.h"
#include "tools/figures.h"
#include "tools/json_output.h"
#include "tools/threads.h"
#include "tools/verb.h"

namespace dexter {
namespace {

struct EvalArguments {
  DemoArguments demos;
  std::filesystem::path data;
  std::filesystem::path judgements;
  std::filesystem::path answers;
  bool all_tasks = false;
  std::string by = "vote";
  ConfigArguments config;
};

struct TaskResult {
  std::uint64_t queries = 0, right = 0;
  double accuracy() const {
    return queries == 0 ? 0 : 100 * static_cast<double>(right) / static_cast<double>(queries);
  }
  // Half of the 95 % interval (normal approximation).
  double margin() const {
    const double p = accuracy() / 100;
    return queries == 0 ? 0 : 196 * std::sqrt(p * (1 - p) / static_cast<double>(queries));
  }
};
using TaskResults = std::map<std::string, TaskResult>;

class Evaluation {
 public:
  Evaluation(Context& context, const EvalArguments& arguments)
      : context_(context),
        arguments_(arguments),
        progress_(context.reading_progress()),
        retriever_(DemoRetriever::open(context.store, arguments.demos.words())),
        queries_(read_demonstrations(arguments.data, progress_)) {
    if (arguments.by == "vote") return;
    model_.emplace(arguments.config.resolve().lm);
    const std::vector<Demonstration> bank = load_bank(open_bank(context.store, OpenMode::kRead));
    for (const std::string& task : retriever_.tasks()) outputs_[task] = outputs_of(bank, task);
  }

  ExitCode run() { return arguments_.judgements.empty() ? vote() : judge(); }

 private:
  std::vector<FoundDemo> found(const Demonstration& query, const std::string& task) const {
    DemoQuery asked = arguments_.demos.query_of(query.input);
    asked.task = task;
    return retriever_.retrieve(asked);
  }

  std::string strategy() const {
    const std::string& asked = arguments_.demos.query.strategy;
    return asked.empty() ? std::string(retriever_.default_strategy()) : asked;
  }

  // By the language model, where one is asked, or by the vote.
  std::string answer(const Demonstration& query) {
    const std::vector<FoundDemo> demos = found(query, arguments_.all_tasks ? "" : query.task);
    if (!model_) return majority_output(demos);
    return ask_model(*model_, nullptr, assemble_prompt(demos, query.input), outputs_[query.task],
                     progress_)
        .output;
  }

  void show(std::size_t done) const {
    progress_.update({.stage = "choosing demonstrations",
                      .done = done,
                      .total = queries_.size(),
                      .unit = "inputs",
                      .note = {}});
  }

  ExitCode vote();
  ExitCode judge();
  void print(const TaskResults& tasks) const;
  void print(const RetrievalScores& mean, std::size_t judged) const;

  Context& context_;
  const EvalArguments& arguments_;
  Progress progress_;
  DemoRetriever retriever_;
  std::vector<Demonstration> queries_;
  std::optional<LanguageModel> model_;                       // where it answers
  std::map<std::string, std::vector<std::string>> outputs_;  // of each task, then
};

ExitCode Evaluation::vote() {
  const std::vector<std::string> known = retriever_.tasks();
  TaskResults tasks;
  std::string lines;
  for (std::size_t i = 0; i < queries_.size(); ++i) {
    const Demonstration& query = queries_[i];
    const bool any_task = arguments_.all_tasks && !model_;
    ensure(any_task || std::count(known.begin(), known.end(), query.task) > 0,
           ErrorKind::kInvalidInput,
           fmt::format("evaluating {}: its row {} is of the task '{}', of which the bank has no "
                       "demonstration; import some, or give --all-tasks",
                       arguments_.data.string(), i + 1, query.task));
    TaskResult& result = tasks[query.task];
    ++result.queries;
    const std::string said = answer(query);
    result.right += said == query.output;
    if (!arguments_.answers.empty())
      lines += json_line({{"id", query.id},
                          {"task", query.task},
                          {"input", query.input},
                          {"output", query.output},
                          {"answer", said}});
    show(i + 1);
  }
  context_.terminal.drop_stage();
  if (!arguments_.answers.empty()) write_file_atomically(arguments_.answers, lines);
  print(tasks);
  return ExitCode::kOk;
}

void Evaluation::print(const TaskResults& tasks) const {
  double sum = 0;
  for (const auto& [task, result] : tasks) sum += result.accuracy();
  const double mean = tasks.empty() ? 0 : sum / static_cast<double>(tasks.size());
  if (context_.json) {
    boost::json::object rows;
    for (const auto& [task, result] : tasks)
      rows[task] = {{"queries", result.queries},
                    {"accuracy", result.accuracy()},
                    {"margin", result.margin()}};
    context_.terminal.print(json_line({{"strategy", strategy()},
                                       {"by", arguments_.by},
                                       {"k", arguments_.demos.query.k},
                                       {"queries", queries_.size()},
                                       {"accuracy", mean},
                                       {"tasks", std::move(rows)}}));
    return;
  }
  Table table("<>>>");
  table.row({"task", "inputs", "accuracy", "95 %"});
  for (const auto& [task, result] : tasks)
    table.row({task, thousands(result.queries), fmt::format("{:.2f}", result.accuracy()),
               fmt::format("±{:.2f}", result.margin())});
  table.row({"mean of the tasks", thousands(queries_.size()), fmt::format("{:.2f}", mean), ""});
  context_.terminal.print(table.text());
  context_.terminal.print(fmt::format("  {} {} demonstrations chosen by {}\n",
                                      model_ ? "answers of the model after" : "vote of",
                                      arguments_.demos.query.k, strategy()));
}

ExitCode Evaluation::judge() {
  const Judgements judgements = read_judgements(arguments_.judgements);
  RetrievalScores mean;
  std::size_t judged = 0;
  for (std::size_t i = 0; i < queries_.size(); ++i) {
    const auto relevant = judgements.find(queries_[i].id);
    if (relevant == judgements.end()) continue;
    std::vector<std::string> ids;
    for (const FoundDemo& each : found(queries_[i], "")) ids.push_back(each.demo->id);
    const RetrievalScores scores =
        retrieval_scores(ids, relevant->second, arguments_.demos.query.k);
    ++judged;
    mean.hits += scores.hits;
    mean.recall += scores.recall;
    mean.mrr += scores.mrr;
    mean.map += scores.map;
    mean.multihop_map += scores.multihop_map;
    mean.ndcg += scores.ndcg;
    show(i + 1);
  }
  context_.terminal.drop_stage();
  ensure(judged > 0, ErrorKind::kInvalidInput,
         fmt::format("evaluating {}: none of its {} ids has a judgement in {}; give the judgements "
                     "of these queries",
                     arguments_.data.string(), queries_.size(), arguments_.judgements.string()));
  print(mean, judged);
  return ExitCode::kOk;
}

void Evaluation::print(const RetrievalScores& sum, std::size_t judged) const {
  const auto n = static_cast<double>(judged);
  const int k = arguments_.demos.query.k;
  const std::vector<std::pair<std::string, double>> rows = {
      {"nDCG", sum.ndcg / n},     {"MAP", sum.map / n},
      {"MRR", sum.mrr / n},       {"MultiHop-RAG MAP", sum.multihop_map / n},
      {"Recall", sum.recall / n}, {"Hits", sum.hits / n}};
  if (context_.json) {
    boost::json::object object = {{"strategy", strategy()}, {"k", k}, {"queries", judged}};
    for (const auto& [name, figure] : rows) object[fmt::format("{}@{}", name, k)] = figure;
    context_.terminal.print(json_line(object));
    return;
  }
  Table table("<>");
  for (const auto& [name, figure] : rows)
    table.row({fmt::format("{}@{}", name, k), fmt::format("{:.4f}", figure)});
  context_.terminal.print(table.text());
  context_.terminal.print(fmt::format("  {} judged queries, {}\n", thousands(judged), strategy()));
}

Runner add_demos_eval(CLI::App& app, Context& context) {
  const auto arguments = std::make_shared<EvalArguments>();
  const char* data = "Data";
  app.add_option("--data", arguments->data, "inputs with their true output: JSON lines as imported")
      ->required()
      ->type_name("FILE")
      ->group(data);
  CLI::Option* judgements =
      app.add_option(
             "--judgements", arguments->judgements,
             "BEIR's query-id, corpus-id, score: measures of retrieval in place of the vote")
          ->type_name("FILE")
          ->group(data);
  app.add_option("--answers", arguments->answers,
                 "file to write each row's answer to, JSON lines {\"id\", \"task\", \"input\", "
                 "\"output\", \"answer\"}, to compare two choices row by row")
      ->type_name("FILE")
      ->excludes(judgements)
      ->group(data);
  app.add_flag("--all-tasks", arguments->all_tasks,
               "choose from the whole bank, not only from the input's task")
      ->group("Choice");
  app.add_option(
         "--by", arguments->by,
         "what answers: the vote of the demonstrations' outputs, or (http) the language model "
         "behind --lm-url, which takes the most probable of its task's outputs")
      ->type_name("vote|http")
      ->default_str("vote")
      ->check(CLI::IsMember({"vote", "http"}).description(""))
      ->group("Choice");
  arguments->demos.add_to(app);
  arguments->config.add_to(app, {{"--lm-url", "lm.url", "URL", "as for `demos train`"},
                                 {"--lm-model", "lm.model", "NAME", "the model's name there"}});
  return [arguments, &context] {
    set_threads(arguments->demos.threads);
    return Evaluation(context, *arguments).run();
  };
}

}  // namespace

constinit const Verb kDemosEvalVerb = {
    .name = "demos eval",
    .summary = "measure chosen demonstrations by their vote or by judgements",
    .arguments = "--store DIR --data FILE [-k N] [--strategy NAME] [--json]",
    .about =
        "Chooses k demonstrations for each row of the data and takes the output that most of them "
        "have as the answer; prints the share of right answers of each task, which needs no "
        "language model. With --by http a language model answers the prompt made of them. With "
        "--judgements the rows are queries of a retrieval task, told by their id, and nDCG, MAP, "
        "MRR, Recall and Hits at k are printed, and what MultiHop-RAG's program names MAP.",
    .examples =
        "dexter demos eval --store my-store --data test.jsonl\n"
        "dexter demos eval --store my-store --data test.jsonl --strategy bm25 --json\n"
        "dexter demos eval --store my-store --data test.jsonl --by http --lm-url "
        "http://127.0.0.1:8000/v1\n"
        "dexter demos eval --store my-store --data queries.jsonl.gz --judgements qrels.tsv -k 10",
    .next = "dexter demos retrieve --store my-store --prompt TEXT",
    .interrupted = "nothing was changed",
    .add = &add_demos_eval};

}  // namespace dexter
