// dexter demos train: an encoder that places an input near the demonstrations that help it.
#include <array>
#include <memory>
#include <string>
#include <vector>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "engine/demo_bank.h"
#include "engine/demo_index.h"
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
constexpr std::array<Scorer, 1> kScorers = {
    {{"knn", "a demonstration helps an input that has its output; needs no language model"}}};

std::string scorers_text() {
  std::string text;
  for (const Scorer& row : kScorers)
    text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", row.name, row.summary);
  return text;
}

void check_scorer(const std::string& name) {
  for (const Scorer& row : kScorers)
    if (row.name == name) return;
  throw Error(ErrorKind::kInvalidInput,
              fmt::format("training on demonstrations: there is no scorer "
                          "'{}'; known are {}",
                          name, scorers_text()));
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

ExitCode run_train(Context& context, const ConfigArguments& arguments, const std::string& scorer) {
  check_scorer(scorer);
  const Config config = arguments.resolve(to_json(demo_config()));
  set_threads(config.runtime.threads);
  Catalog bank = open_bank(context.store, OpenMode::kWrite);
  const TrainReport report = train(
      bank, config, /*resume=*/false, [&](const EpochRecord&) { context.terminal.drop_stage(); },
      context.stoppable_progress());
  index_bank(context.store, bank, config.index, {}, context.stoppable_progress());
  context.terminal.finish_stage();
  const EpochRecord* best = nullptr;
  for (const EpochRecord& epoch : report.history)
    if (epoch.epoch == report.best_epoch) best = &epoch;
  const double accuracy = best == nullptr ? 0 : best->validation_p1;
  if (context.json) {
    context.terminal.print(json_line({{"scorer", scorer},
                                      {"encoder", report.encoder.kind},
                                      {"dim", report.encoder.dim},
                                      {"epochs", report.history.size()},
                                      {"best_epoch", report.best_epoch},
                                      {"validation_P@1", accuracy},
                                      {"seconds", report.seconds}}));
    return ExitCode::kOk;
  }
  Table table("<<");
  table
      .row({"encoder", fmt::format("{}, {} dimensions, {}", report.encoder.kind, report.encoder.dim,
                                   size_of(report.encoder.file.bytes))})
      .row({"kept", fmt::format("epoch {} of {}", report.best_epoch, report.history.size())})
      .row({"output first", fmt::format("{:.1f} % of the inputs held out", accuracy)})
      .row({"time", duration_of(report.seconds)});
  context.terminal.print(table.text());
  return ExitCode::kOk;
}

Runner add(CLI::App& app, Context& context) {
  const auto arguments = std::make_shared<ConfigArguments>();
  const auto scorer = std::make_shared<std::string>("knn");
  app.add_option("--scorer", *scorer, "what tells which demonstrations help: " + scorers_text())
      ->type_name("NAME")
      ->group("Run");
  arguments->add_to(
      app, {{"--encoder", "encoder.kind", "KIND", "bag or transformer"},
            {"--weights", "transformer.weights", "DIR",
             "folder of a pretrained model, for --encoder transformer"},
            {"--epochs", "train.epochs", "N", "passes over the demonstrations"},
            {"--seed", "train.seed", "N", "the same seed and threads give the same encoder"},
            {"--threads", "runtime.threads", "N", "threads; 0 takes every core"}});
  return [arguments, scorer, &context] { return run_train(context, *arguments, *scorer); };
}

}  // namespace

constinit const Verb kDemosTrainVerb = {
    .name = "demos train",
    .summary = "learn which demonstrations help an input",
    .arguments = "--store DIR [--scorer knn] [--epochs N] [options]",
    .about =
        "Trains an encoder on the bank, one for all its tasks, so that an input lies near "
        "demonstrations that help to solve it. Options of `dexter config` count, with values for "
        "small banks as the defaults of encoder.*, loss.* and train.*. A part is held out to "
        "choose the epoch.",
    .examples =
        "dexter demos train --store my-store\n"
        "dexter demos train --store my-store --epochs 20 --set encoder.dim=512\n"
        "dexter demos train --store my-store --encoder transformer --weights DIR --epochs 0",
    .next =
        "dexter demos eval --store my-store --data test.jsonl\n"
        "dexter demos retrieve --store my-store \"Who wrote Hamlet ?\"",
    .interrupted = "the former encoder, if any, stands",
    .add = &add};

}  // namespace dexter
