// dexter train: an encoder learns from the store's corpus.
#include <algorithm>
#include <memory>
#include <optional>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "engine/offline.h"
#include "tools/config_arguments.h"
#include "tools/figures.h"
#include "tools/json_output.h"
#include "tools/threads.h"
#include "tools/verb.h"

namespace dexter {
namespace {

constexpr const char* kEpochHead =
    "      epoch     loss    P@1    P@5  documents/s      memory         time         left\n";

// A corpus too small for a validation part has no figures of it.
std::string percent_cell(const EpochRecord& epoch, double value) {
  const bool measured = epoch.validation_p1 > 0 || epoch.validation_p5 > 0;
  return measured ? fmt::format("{:.2f}", value) : "-";
}

// `left` counts the epochs to come at the pace of this one; early stopping may cut them.
std::string epoch_line(const EpochRecord& epoch, int epochs) {
  const int to_come = std::max(0, epochs - epoch.epoch);
  return fmt::format("  {:>9}  {:>7.4f}  {:>5}  {:>5}  {:>11}  {:>10}  {:>11}  {:>11}\n",
                     fmt::format("{}{}/{}", epoch.pretraining ? "pre " : "", epoch.epoch, epochs),
                     epoch.loss, percent_cell(epoch, epoch.validation_p1),
                     percent_cell(epoch, epoch.validation_p5), rate_of(epoch.documents_per_second),
                     size_of(epoch.resident_bytes), duration_of(epoch.seconds),
                     to_come == 0 ? "-" : duration_of(epoch.seconds * to_come));
}

boost::json::object json_of(const EpochRecord& epoch) {
  boost::json::object object{{"epoch", epoch.epoch},
                             {"loss", epoch.loss},
                             {"validation_P@1", epoch.validation_p1},
                             {"validation_P@5", epoch.validation_p5},
                             {"learning_rate", epoch.learning_rate},
                             {"seconds", epoch.seconds},
                             {"documents_per_second", epoch.documents_per_second},
                             {"resident_bytes", epoch.resident_bytes}};
  if (epoch.chunk_tokens > 0) {
    object["chunk_tokens"] = epoch.chunk_tokens;
    object["waiting_percent"] = epoch.waiting;
  }
  if (epoch.pretraining) object["pretraining"] = true;
  if (epoch.band_shares != EpochRecord().band_shares)
    object["band_shares"] = boost::json::value_from(epoch.band_shares);
  return object;
}

void print_json(Context& context, const TrainReport& report) {
  boost::json::array history;
  for (const EpochRecord& epoch : report.history) history.push_back(json_of(epoch));
  boost::json::object object{
      {"encoder", report.encoder.kind},  {"fingerprint", report.encoder.fingerprint},
      {"dim", report.encoder.dim},       {"bytes", report.encoder.file.bytes},
      {"best_epoch", report.best_epoch}, {"stopped_early", report.stopped_early},
      {"resumed", report.resumed},       {"seconds", report.seconds},
      {"history", std::move(history)}};
  if (const PseudoLabelReport& pseudo = report.pseudo_labels; pseudo.read > 0)
    object["self_train"] = boost::json::object{{"read", pseudo.read},
                                               {"taken", pseudo.taken},
                                               {"labels", pseudo.labels},
                                               {"validation_precision", pseudo.precision}};
  context.terminal.print(json_line(object));
}

void print_summary(Context& context, const TrainReport& report) {
  Table table("<<");
  table
      .row({"encoder", fmt::format("{}, {} dimensions, {}", report.encoder.kind, report.encoder.dim,
                                   size_of(report.encoder.file.bytes))})
      .row({"kept", report.best_epoch == 0
                        ? "as it was before it learnt"
                        : fmt::format("epoch {}{}", report.best_epoch,
                                      report.stopped_early ? ", stopped early" : "")})
      .row({"time", duration_of(report.seconds)});
  if (const PseudoLabelReport& pseudo = report.pseudo_labels; pseudo.read > 0)
    table.row({"self-training",
               fmt::format("{} of {} documents taken, with {} labels; of such labels on the "
                           "validation part {:.1f} % are right",
                           thousands(pseudo.taken), thousands(pseudo.read),
                           thousands(pseudo.labels), pseudo.precision)});
  context.terminal.print(table.text());
  context.terminal.remark(fmt::format("next: dexter index --store {}", context.store.string()));
}

// Meets the other processes where the environment names some.
std::unique_ptr<ProcessGroup> join_ranks(double timeout) {
  std::optional<RankOptions> options = ranks_from_environment();
  if (!options) return nullptr;
  options->timeout_seconds = timeout;
  return std::make_unique<ProcessGroup>(*options);
}

// Rank 0 speaks for all.
ExitCode assist(Context& context, const Config& config, bool resume, const ProcessGroup& ranks) {
  Catalog catalog = Catalog::open(context.store, OpenMode::kRead);
  Progress progress;
  progress.stop = context.stop_on_signal();
  train(catalog, config, resume, {}, progress, &ranks);
  return ExitCode::kOk;
}

ExitCode run_train(Context& context, const ConfigArguments& arguments, bool resume) {
  const Config config = arguments.resolve();
  set_threads(config.runtime.threads);
  const std::unique_ptr<ProcessGroup> ranks = join_ranks(config.runtime.rank_timeout);
  if (ranks && ranks->rank() > 0) return assist(context, config, resume, *ranks);
  Catalog catalog = Catalog::open(context.store, OpenMode::kWrite);
  bool head_printed = false;
  const auto on_epoch = [&](const EpochRecord& epoch) {
    context.json ? context.terminal.finish_stage() : context.terminal.drop_stage();
    if (context.json) return;
    if (!head_printed) context.terminal.print(kEpochHead);
    head_printed = true;
    context.terminal.print(epoch_line(epoch, config.train.pretrain_epochs + config.train.epochs));
    context.terminal.flush();
  };
  const TrainReport report =
      train(catalog, config, resume, on_epoch, context.stoppable_progress(), ranks.get());
  context.terminal.finish_stage();
  if (resume && !report.resumed)
    context.terminal.remark("there was no checkpoint to resume from: trained from the beginning");
  context.json ? print_json(context, report) : print_summary(context, report);
  return ExitCode::kOk;
}

template <class Kind>
std::string names_in(const std::vector<Kind>& kinds) {
  std::string names;
  for (const Kind& kind : kinds)
    names += fmt::format("{}{} ({})", names.empty() ? "" : ", ", kind.name, kind.summary);
  return names;
}

Runner add_train(CLI::App& app, Context& context) {
  const auto arguments = std::make_shared<ConfigArguments>();
  const auto resume = std::make_shared<bool>(false);
  app.add_flag(
         "--resume", *resume,
         "go on from the last finished epoch of a run that was stopped; give the same settings")
      ->group("Run");
  arguments->add_to(
      app,
      {{"--encoder", "encoder.kind", "KIND", names_in(encoder_kinds())},
       {"--weights", "transformer.weights", "DIR",
        "folder of a pretrained model, for --encoder transformer"},
       {"--device", "transformer.device", "DEVICE",
        "of a transformer: auto (the GPU where one is there), cpu or cuda"},
       {"--teacher", "teacher.store", "DIR",
        "a store whose encoder, say a large transformer, teaches this one"},
       {"--unlabelled", "self_train.documents", "FILE",
        "texts without labels, one a line, that the store's encoder labels first: learnt beside "
        "the training documents, or before them (train.pretrain_epochs); options self_train.*"},
       {"--loss", "loss.name", "LOSS", names_in(loss_kinds())},
       {"--epochs", "train.epochs", "N", "passes over the training documents"},
       {"--seed", "train.seed", "N", "the same seed and threads give the same encoder"},
       {"--threads", "runtime.threads", "N", "threads; 0 takes every core"}});
  return [arguments, resume, &context] { return run_train(context, *arguments, *resume); };
}

}  // namespace

constinit const Verb kTrainVerb = {
    .name = "train",
    .summary = "learn an encoder from the store's training documents",
    .arguments = "--store DIR [--epochs N] [--preset fast] [options]",
    .about =
        "Learns to place a text near its labels. A part of the training documents is held out "
        "to measure P@1 after every epoch, and the epoch that did best is kept. Checkpoints "
        "are written as epochs end: a run that was stopped or killed goes on with --resume to "
        "the result it would have had. The test documents are not read. Queries go on with "
        "the former encoder until `dexter index`.\n\n"
        "A transformer is trained by several processes where torchrun, mpirun or Kubernetes set "
        "RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT: each takes its part of the documents and "
        "of the labels, and rank 0 alone writes to the store. When one ends, all end; --resume "
        "goes on with any number.",
    .examples =
        "dexter train --store my-store\n"
        "dexter train --store my-store --preset fast --seed 7\n"
        "dexter train --store my-store --encoder transformer --weights DIR --epochs 0\n"
        "torchrun --nproc-per-node 2 --no-python dexter train --store my-store --encoder "
        "transformer --weights DIR\n"
        "dexter train --store my-store --teacher transformer-store\n"
        "dexter train --store my-store --unlabelled texts.txt",
    .next = "dexter index --store my-store",
    .interrupted = "finished epochs are kept, go on with",
    .resumes = true,
    .add = &add_train};

}  // namespace dexter
