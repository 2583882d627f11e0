// dexter index: labels become vectors that can be searched.
#include <memory>
#include <optional>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "encoders/process_group.h"
#include "engine/offline.h"
#include "engine/store_encoding.h"
#include "tools/config_arguments.h"
#include "tools/figures.h"
#include "tools/json_output.h"
#include "tools/threads.h"
#include "tools/verb.h"

namespace dexter {
namespace {

void print_json(Context& context, const IndexReport& report) {
  boost::json::object object{{"generation", report.generation.number},
                             {"kind", report.generation.index_kind},
                             {"reason", report.generation.index_reason},
                             {"labels", report.generation.labels},
                             {"unanswerable_labels", report.unanswerable_labels},
                             {"dim", report.index.dim},
                             {"bytes", report.index.bytes},
                             {"encode_seconds", report.encode_seconds},
                             {"build_seconds", report.build_seconds}};
  if (const auto& documents = report.generation.documents)
    object["documents"] = {{"documents", documents->documents},
                           {"kind", documents->index_kind},
                           {"reason", documents->index_reason},
                           {"bytes", documents->index.bytes + documents->table.bytes},
                           {"memory_helps", documents->fusion.helps},
                           {"seconds", report.document_seconds}};
  if (report.chunks > 0)
    object["chunks"] = {{"all", report.chunks}, {"encoded", report.chunks_encoded}};
  context.terminal.print(json_line(object));
}

void print_table(Context& context, const IndexReport& report) {
  const IndexOptions& built = report.index.options;
  Table table("<<");
  table.row({"generation", thousands(report.generation.number)})
      .row({"labels", thousands(report.generation.labels)})
      .row({"kind", report.generation.index_kind})
      .row({"why", report.generation.index_reason});
  if (report.generation.index_kind == "ivf")
    table.row({"settings", fmt::format("{} lists, {} read per query", built.lists, built.probes)});
  if (report.generation.index_kind == "hnsw")
    table.row({"settings", fmt::format("{} links, ef {}", built.links, built.ef)});
  if (report.unanswerable_labels > 0)
    table.row({"left out", fmt::format("{} labels whose text has no word the encoder knows",
                                       thousands(report.unanswerable_labels))});
  table.row({"memory", size_of(report.index.bytes)})
      .row({"time", fmt::format("{} encoding, {} building", duration_of(report.encode_seconds),
                                duration_of(report.build_seconds))});
  if (const auto& documents = report.generation.documents)
    table
        .row({"documents", fmt::format("{} in {}, {}", thousands(documents->documents),
                                       size_of(documents->index.bytes + documents->table.bytes),
                                       duration_of(report.document_seconds))})
        .row({"", documents->index_reason})
        .row({"memory", text_of(documents->fusion)});
  context.terminal.print(table.text());
  context.terminal.remark(
      fmt::format("next: dexter query --store {} \"a text to label\"", context.store.string()));
}

// What the processes beside rank 0 do: they encode, and only read the store.
ExitCode help(Context& context, const ConfigArguments& arguments, const Rank& own) {
  const Config config =
      arguments.resolve(Catalog::open(context.store, OpenMode::kRead).manifest().config);
  set_threads(config.runtime.threads);
  const std::size_t encoded =
      help_to_encode(context.store, config.runtime.rank_timeout, context.stoppable_progress());
  context.terminal.finish_stage();
  if (context.json)
    context.terminal.print(json_line({{"rank", own.rank}, {"chunks", {{"encoded", encoded}}}}));
  else
    context.terminal.remark(fmt::format("rank {} of {} encoded {} chunks of texts", own.rank,
                                        own.size, thousands(encoded)));
  return ExitCode::kOk;
}

ExitCode run_index(Context& context, const ConfigArguments& arguments) {
  const std::optional<Rank> own = rank_from_environment();
  if (own && own->rank > 0) return help(context, arguments, *own);
  Catalog catalog = Catalog::open(context.store, OpenMode::kWrite);
  const Config config = arguments.resolve(catalog.manifest().config);
  set_threads(config.runtime.threads);
  const IndexReport report = build_generation(catalog, config, context.stoppable_progress(),
                                              /*shared=*/own.has_value());
  context.terminal.finish_stage();
  context.json ? print_json(context, report) : print_table(context, report);
  return ExitCode::kOk;
}

Runner add_index(CLI::App& app, Context& context) {
  const auto arguments = std::make_shared<ConfigArguments>();
  arguments->add_to(app,
                    {{"--kind", "index.kind", "KIND",
                      "auto, flat (exact), ivf or hnsw; auto chooses by size and memory"},
                     {"--storage", "index.storage", "FORM",
                      "what is kept of a label's vector: float32, float16 or byte"},
                     {"--documents", "index.documents", "", "index the training documents too"},
                     {"--threads", "runtime.threads", "N", "threads; 0 takes every core"}});
  return [arguments, &context] { return run_index(context, *arguments); };
}

}  // namespace

constinit const Verb kIndexVerb = {
    .name = "index",
    .summary = "encode every label and build the index that queries search",
    .arguments = "--store DIR [--kind auto|flat|ivf|hnsw] [--documents] [options]",
    .about =
        "Encodes all labels with the newest trained encoder and commits a new generation: "
        "queries see the old one until that moment and the new one from then on. Starts from "
        "the configuration kept in the store; what is given here is kept for the next time. "
        "Labels added since the last index are part of the new one. With --documents the training "
        "documents become a second space of the same generation: `dexter query --space documents` "
        "gives those most alike to a text, and their labels vote beside the labels' own scores.\n\n"
        "What a transformer encodes is kept chunk by chunk in the store's folder until the commit, "
        "so that a run that was stopped or killed goes on there. Where torchrun, mpirun or "
        "Kubernetes set RANK and WORLD_SIZE, all processes encode: rank 0 alone writes the store, "
        "the others may be killed, started again or left out at any time (torchrun and mpirun then "
        "end all; the next run goes on), and the vectors are those of one process. The others end "
        "when rank 0 has committed, or after runtime.rank_timeout seconds with nothing to encode; "
        "where rank 0 has not begun, or is done, after 60 at most.",
    .examples =
        "dexter index --store my-store\n"
        "dexter index --store my-store --kind hnsw --set index.recall=0.995\n"
        "dexter index --store my-store --documents\n"
        "torchrun --nproc-per-node 4 --no-python dexter index --store my-store --threads 1",
    .next =
        "dexter query --store my-store \"a text to label\"\n"
        "dexter eval --store my-store",
    .interrupted =
        "queries are answered from the former index, if there is one; run the same command again",
    .add = &add_index};

}  // namespace dexter
