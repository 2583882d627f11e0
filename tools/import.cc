// dexter import: a corpus becomes a store.
#include <memory>
#include <numeric>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "storage/importer.h"
#include "tools/figures.h"
#include "tools/json_output.h"
#include "tools/verb.h"

namespace dexter {
namespace {

std::string formats() {
  std::string text = "how the files are laid out; auto looks at the file's name and first line";
  for (const CorpusFormat& format : corpus_formats())
    text += fmt::format("\n{}: {}", format.name, format.summary);
  return text;
}

std::uint64_t pairs_in(const Catalog& catalog) {
  const std::vector<std::uint32_t> frequencies = catalog.label_frequencies();
  return std::accumulate(frequencies.begin(), frequencies.end(), std::uint64_t{0});
}

void print_json(Context& context, const ImportReport& report, std::uint64_t pairs) {
  const CorpusInfo& corpus = report.corpus;
  context.terminal.print(json_line({{"format", corpus.format},
                                    {"train_documents", corpus.train_documents},
                                    {"test_documents", corpus.test_documents},
                                    {"labels", corpus.labels},
                                    {"train_pairs", pairs},
                                    {"labels_without_training", report.labels_without_training},
                                    {"filter_pairs", report.filter_pairs},
                                    {"sparse_features", corpus.sparse_features},
                                    {"skipped", report.skipped},
                                    {"seconds", report.seconds}}));
}

void print_table(Context& context, const ImportReport& report, std::uint64_t pairs) {
  const CorpusInfo& corpus = report.corpus;
  const auto documents = static_cast<double>(corpus.train_documents);
  const std::uint64_t all = corpus.train_documents + corpus.test_documents;
  Table table("<>");
  table.row({"format", corpus.format})
      .row({"training documents", thousands(corpus.train_documents)})
      .row({"test documents", thousands(corpus.test_documents)})
      .row({"labels", thousands(corpus.labels)})
      .row({"labels without training documents", thousands(report.labels_without_training)});
  if (documents > 0)
    table.row({"labels per training document",
               fmt::format("{:.2f}", static_cast<double>(pairs) / documents)});
  if (corpus.sparse_features > 0) table.row({"features", thousands(corpus.sparse_features)});
  if (report.filter_pairs > 0) table.row({"filter pairs", thousands(report.filter_pairs)});
  if (report.skipped > 0) table.row({"bad rows left out", thousands(report.skipped)});
  table.row({"time", duration_of(report.seconds)});
  if (report.seconds > 0)
    table.row({"documents per second", rate_of(static_cast<double>(all) / report.seconds)});
  context.terminal.print(table.text());
  context.terminal.remark(fmt::format("next: dexter train --store {}", context.store.string()));
}

ExitCode run_import(Context& context, const ImportOptions& options) {
  const bool existed = std::filesystem::exists(context.store);
  const Progress progress = context.stoppable_progress();
  ImportReport report;
  std::uint64_t pairs = 0;
  try {
    Catalog catalog = Catalog::open(context.store, OpenMode::kCreate);
    report = import_corpus(catalog, options, progress);
    pairs = pairs_in(catalog);
  } catch (...) {
    // A store that was not there before is not left behind as an empty one.
    if (!existed) std::filesystem::remove_all(context.store);
    throw;
  }
  context.terminal.finish_stage();
  context.json ? print_json(context, report, pairs) : print_table(context, report, pairs);
  return ExitCode::kOk;
}

Runner add_import(CLI::App& app, Context& context) {
  const auto options = std::make_shared<ImportOptions>();
  const char* corpus = "Corpus";
  app.add_option("--train", options->train, "training documents, plain or gzip")
      ->type_name("FILE")
      ->required()
      ->group(corpus);
  app.add_option("--test", options->test, "test documents, kept apart for `dexter eval`")
      ->type_name("FILE")
      ->group(corpus);
  app.add_option("--labels", options->labels,
                 "every label with its name and text; jsonl works without, lf-xmc looks for "
                 "lbl.json[.gz] beside the training documents")
      ->type_name("FILE")
      ->group(corpus);
  app.add_option("--filter", options->filter,
                 "lines `test_row label_row`: answers that `dexter eval` passes over")
      ->type_name("FILE")
      ->group(corpus);
  app.add_option("--format", options->format, formats())
      ->type_name("FORMAT")
      ->default_str("auto")
      ->group(corpus);
  const char* rows = "Bad rows";
  app.add_option("--skip-bad", options->skip_bad,
                 "leave out up to N bad rows, each with a warning, before giving up")
      ->type_name("N")
      ->default_str("0")
      ->group(rows);
  app.add_option("--max-line-bytes", options->max_line_bytes, "the longest line that is read")
      ->type_name("N")
      ->default_str("16777216")
      ->group(rows);
  app.add_flag("--replace", options->replace,
               "the store may hold a corpus; it goes, with its encoder and index")
      ->group("Store");
  return [options, &context] { return run_import(context, *options); };
}

}  // namespace

constinit const Verb kImportVerb = {
    .name = "import",
    .summary = "read a corpus of texts and their labels into a store",
    .arguments = "--store DIR --train FILE [--test FILE] [--labels FILE] [options]",
    .about =
        "Makes the store if there is none. Files stream through bounded memory, so millions "
        "of rows are fine. Any bad row (malformed, unknown label, key given twice, empty or "
        "not UTF-8) stops the import with the file and line, and leaves the store as it was.",
    .examples =
        "dexter import --store my-store --train train.jsonl --test test.jsonl --labels "
        "labels.jsonl\n"
        "dexter import --store my-store --format lf-xmc --train trn.json.gz --test tst.json.gz",
    .next = "dexter train --store my-store",
    .interrupted = "the store is as it was before; run the same command again",
    .add = &add_import};

}  // namespace dexter
