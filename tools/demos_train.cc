// dexter demos train: an encoder that places an input near the demonstrations that help it.
#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "engine/demo_bank.h"
#include "engine/demo_feedback.h"
#include "engine/demo_index.h"
#include "engine/demo_scorer.h"
#include "engine/nearest_name.h"
#include "engine/offline.h"
#include "tools/config_arguments.h"
#include "tools/figures.h"
#include "tools/json_output.h"
#include "tools/threads.h"
#include "tools/verb.h"

namespace dexter {
namespace {

struct Scorer {
  std::string_view name;
  std::string_view summary;
};
constexpr std::array<Scorer, 3> kScorers = {
    {{"knn", "a demonstration helps an input that has its output; needs no language model"},
     {"http", "how probable a language model behind --lm-url finds the output after it"},
     {"file", "numbers from --scores"}}};

struct TrainArguments {
  ConfigArguments config;
  std::string scorer = "knn";
  std::filesystem::path scores;
  bool resume = false;
};

std::string scorers_text() {
  std::string text;
  for (const Scorer& row : kScorers)
    text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", row.name, row.summary);
  return text;
}

void check_scorer(const TrainArguments& arguments) {
  const bool known = std::any_of(kScorers.begin(), kScorers.end(),
                                 [&](const Scorer& row) { return row.name == arguments.scorer; });
  ensure(known, ErrorKind::kInvalidInput,
         fmt::format("training on demonstrations: there is no scorer '{}'; known are {}",
                     arguments.scorer, scorers_text()));
  ensure((arguments.scorer == "file") == !arguments.scores.empty(), ErrorKind::kInvalidInput,
         fmt::format("training on demonstrations: the scorer is {} and --scores '{}'; give "
                     "--scorer file and --scores FILE together, or neither",
                     arguments.scorer, arguments.scores.string()));
}

void check_task(const Catalog& bank, const std::string& without) {
  if (without.empty()) return;
  std::set<std::string> tasks;
  bank.scan_labels([&](Label&& label) { tasks.insert(std::move(label.name)); });
  const std::vector<std::string> names(tasks.begin(), tasks.end());
  ensure(tasks.contains(without), ErrorKind::kInvalidInput,
         fmt::format("training on demonstrations: --without-task is '{}', of which the bank has "
                     "none; the nearest is '{}'",
                     without, nearest_name(without, names)));
}

// Chosen on a tenth of the training parts of three tasks with 5,000 to 10,000 demonstrations each:
// smaller, slower and with more dropout than for a corpus of hundreds of thousands.
Config demo_config() {
  Config config;
  config.encoder.dim = 256;
  config.encoder.min_count = 1;
  config.loss.temperature = 0.1;
  config.train.epochs = 10;
  config.train.batch = 256;
  config.train.learning_rate = 0.002;
  config.train.feature_dropout = 0.5;
  config.train.patience = 0;
  return config;
}

void print_outputs(Context& context, const TrainReport& report) {
  context.terminal.finish_stage();
  const EpochRecord* best = nullptr;
  for (const EpochRecord& epoch : report.history)
    if (epoch.epoch == report.best_epoch) best = &epoch;
  const double accuracy = best == nullptr ? 0 : best->validation_p1;
  if (context.json) {
    context.terminal.print(json_line({{"scorer", "knn"},
                                      {"encoder", report.encoder.kind},
                                      {"fingerprint", report.encoder.fingerprint},
                                      {"dim", report.encoder.dim},
                                      {"epochs", report.history.size()},
                                      {"best_epoch", report.best_epoch},
                                      {"resumed", report.resumed},
                                      {"validation_P@1", accuracy},
                                      {"seconds", report.seconds}}));
    return;
  }
  Table table("<<");
  table
      .row({"encoder", fmt::format("{}, {} dimensions, {}", report.encoder.kind, report.encoder.dim,
                                   size_of(report.encoder.file.bytes))})
      .row({"kept", report.history.empty()
                        ? "as it was before it learnt"
                        : fmt::format("epoch {} of {}", report.best_epoch, report.history.size())})
      .row({"output first", fmt::format("{:.1f} % of the inputs held out", accuracy)})
      .row({"time", duration_of(report.seconds)});
  context.terminal.print(table.text());
}

TrainReport train_on_outputs(Context& context, Catalog& bank, const Config& config, bool resume) {
  TrainReport report = train(
      bank, config, resume, [&](const EpochRecord&) { context.terminal.drop_stage(); },
      context.stoppable_progress());
  if (resume && !report.resumed)
    context.terminal.remark("there was no checkpoint to resume from: trained from the beginning");
  return report;
}

FeedbackReport train_on_scores(Context& context, Catalog& bank, const Config& config,
                               const TrainArguments& arguments) {
  const Progress progress = context.stoppable_progress();
  const auto on_round = [&](const FeedbackRound& round) {
    context.terminal.drop_stage();
    context.terminal.remark(fmt::format(
        "round {}: {} scores, {} asked for, loss {:.3f}, pairs in the scorer's order {:.1f} % -> "
        "{:.1f} %",
        round.round, thousands(round.scores), thousands(round.asked), round.loss,
        round.order_before, round.order_after));
  };
  const std::vector<Demonstration> demos = load_bank(bank);
  if (arguments.scorer == "file")
    return train_by_scores(bank, config, read_scores(arguments.scores, demos, progress), on_round,
                           progress);
  LanguageModel model(config.lm);
  const auto scorer = make_lm_scorer(model, demos, config.demos.outputs);
  return train_by_scorer(bank, config, *scorer, on_round, progress);
}

void print_rounds(Context& context, const FeedbackReport& report, const std::string& scorer) {
  context.terminal.finish_stage();
  if (context.json) {
    boost::json::array rounds;
    for (const FeedbackRound& round : report.rounds)
      rounds.push_back({{"round", round.round},
                        {"inputs", round.inputs},
                        {"scores", round.scores},
                        {"asked", round.asked},
                        {"loss", round.loss},
                        {"order_before", round.order_before},
                        {"order_after", round.order_after},
                        {"seconds", round.seconds}});
    context.terminal.print(json_line({{"scorer", scorer},
                                      {"encoder", report.encoder.kind},
                                      {"dim", report.encoder.dim},
                                      {"rounds", std::move(rounds)},
                                      {"seconds", report.seconds}}));
    return;
  }
  const FeedbackRound& last = report.rounds.back();
  Table table("<<");
  table
      .row({"scores",
            fmt::format("{} of {} inputs", thousands(last.scores), thousands(last.inputs))})
      .row({"in the scorer's order",
            fmt::format("{:.1f} % of the pairs held out, {:.1f} % before", last.order_after,
                        report.rounds.front().order_before)})
      .row({"time", duration_of(report.seconds)});
  context.terminal.print(table.text());
}

ExitCode run_train(Context& context, const TrainArguments& arguments) {
  check_scorer(arguments);
  const Config config = arguments.config.resolve(to_json(demo_config()));
  set_threads(config.runtime.threads);
  Catalog bank = open_bank(context.store, OpenMode::kWrite);
  require_demonstrations(bank);
  check_task(bank, config.demos.without_task);
  const auto index = [&] {
    index_bank(context.store, bank, config.index, {}, context.stoppable_progress());
  };
  if (arguments.scorer == "knn") {
    const TrainReport report = train_on_outputs(context, bank, config, arguments.resume);
    index();
    print_outputs(context, report);
    return ExitCode::kOk;
  }
  if (!has_trained_encoder(bank))
    train_on_outputs(context, bank, config, arguments.resume);
  else if (arguments.resume)
    context.terminal.remark(
        fmt::format("--resume has nothing to resume: the bank has an encoder, from which the "
                    "rounds of --scorer {} go on by themselves",
                    arguments.scorer));
  const FeedbackReport report = train_on_scores(context, bank, config, arguments);
  index();
  print_rounds(context, report, arguments.scorer);
  return ExitCode::kOk;
}

Runner add_demos_train(CLI::App& app, Context& context) {
  const auto arguments = std::make_shared<TrainArguments>();
  app.add_option("--scorer", arguments->scorer,
                 "what tells which demonstrations help: " + scorers_text())
      ->type_name("NAME")
      ->default_str("knn")
      ->group("Run");
  app.add_option(
         "--scores", arguments->scores,
         "JSON lines {\"query\": ID, \"demonstration\": ID, \"score\": X}, for --scorer file")
      ->type_name("FILE")
      ->group("Run");
  app.add_flag("--resume", arguments->resume,
               "go on from the last checkpoint of a training on outputs that was stopped; give the "
               "same settings")
      ->group("Run");
  arguments->config.add_to(
      app, {{"--encoder", "encoder.kind", "KIND", "bag or transformer"},
            {"--weights", "transformer.weights", "DIR",
             "folder of a pretrained model, for --encoder transformer"},
            {"--epochs", "train.epochs", "N",
             "passes over the demonstrations; 0 for an encoder that learnt nothing"},
            {"--lm-url", "lm.url", "URL", "an OpenAI-compatible server, http://HOST:PORT/v1"},
            {"--lm-model", "lm.model", "NAME", "the model's name there"},
            {"--rounds", "demos.rounds", "N", "of mining, scoring and training"},
            {"--inputs", "demos.inputs", "N", "inputs of each task to be scored; 0 for all"},
            {"--without-task", "demos.without_task", "TASK",
             "learn nothing of this task, to see how the encoder does on a new one"},
            {"--seed", "train.seed", "N", "the same seed and threads give the same encoder"},
            {"--threads", "runtime.threads", "N", "threads; 0 takes every core"}});
  return [arguments, &context] { return run_train(context, *arguments); };
}

}  // namespace

constinit const Verb kDemosTrainVerb = {
    .name = "demos train",
    .summary = "learn which demonstrations help an input",
    .arguments = "--store DIR [--scorer knn|http|file] [--epochs N] [options]",
    .about =
        "Trains an encoder on the bank, one for all its tasks, so that an input lies near "
        "demonstrations that help to solve it. Options of `dexter config` count, with values for "
        "small banks as the defaults of encoder.*, loss.* and train.*. A part is held out to "
        "choose the epoch. Checkpoints are written at the end of an epoch, at least "
        "train.checkpoint_seconds apart: a run that was stopped or killed goes on from the last "
        "with --resume, to the encoder it would have made.\n\n"
        "The scorers http and file go on from the encoder that the bank has, or first make one "
        "as knn does: in each round candidates are mined, scored and learnt from (options demos.* "
        "and lm.*). Scores of http are kept in the bank, so that no pair is asked for twice, not "
        "even after a kill or an import: run the same command again.",
    .examples =
        "dexter demos train --store my-store\n"
        "dexter demos train --store my-store --epochs 20 --set encoder.dim=512\n"
        "dexter demos train --store my-store --scorer http --lm-url http://127.0.0.1:8000/v1\n"
        "dexter demos train --store my-store --scorer file --scores scores.jsonl.gz\n"
        "dexter demos train --store my-store --encoder transformer --weights DIR --epochs 0",
    .next =
        "dexter demos eval --store my-store --data test.jsonl\n"
        "dexter demos retrieve --store my-store \"Who wrote Hamlet ?\"",
    .interrupted = "the former encoder, if any, finished epochs and rounds stand, go on with",
    .resumes = true,
    .add = &add_demos_train};

}  // namespace dexter
