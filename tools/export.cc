// dexter export: vectors for other programs.
#include <memory>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "encoders/transformer_encoder.h"
#include "engine/retrieval_engine.h"
#include "tools/figures.h"
#include "tools/json_output.h"
#include "tools/npy.h"
#include "tools/threads.h"
#include "tools/verb.h"

namespace dexter {
namespace {

constexpr std::size_t kChunk = 4096;

struct ExportArguments {
  std::string what;
  std::string split = "train";
  std::filesystem::path out;
  int threads = 0;
};

// The label vectors queries are compared with, those added since the index was built included.
void write_labels(const RetrievalEngine& engine, NpyWriter& writer, const Progress& progress) {
  const std::uint64_t total = engine.catalog().label_count();
  std::vector<Label> chunk;
  const auto write = [&] {
    writer.add_rows(engine.encode_labels(chunk));
    chunk.clear();
    progress.update({.stage = "encoding labels",
                     .done = writer.rows(),
                     .total = total,
                     .unit = "labels",
                     .note = ""});
    progress.check("exporting labels");
  };
  engine.catalog().scan_labels([&](Label&& label) {
    writer.add_key(label.key);
    chunk.push_back(std::move(label));
    if (chunk.size() == kChunk) write();
  });
  write();
}

void write_documents(const RetrievalEngine& engine, Split split, NpyWriter& writer,
                     const Progress& progress) {
  const auto& corpus = engine.catalog().manifest().corpus;
  const std::uint64_t total = !corpus                  ? 0
                              : split == Split::kTrain ? corpus->train_documents
                                                       : corpus->test_documents;
  std::vector<std::string> chunk;
  const auto write = [&] {
    writer.add_rows(engine.encode(chunk));
    chunk.clear();
    progress.update(
        {.stage = "encoding documents", .done = writer.rows(), .total = total, .note = ""});
    progress.check("exporting documents");
  };
  engine.catalog().scan_examples(split, [&](Example&& example) {
    writer.add_key(example.key);
    chunk.push_back(std::move(example.text));
    if (chunk.size() == kChunk) write();
  });
  write();
}

ExitCode export_encoder(Context& context, const std::filesystem::path& folder) {
  const Catalog catalog = Catalog::open(context.store, OpenMode::kRead);
  const auto& trained = catalog.manifest().trained;
  ensure(trained.has_value(), ErrorKind::kNotFound,
         fmt::format("exporting from {}: the store has no encoder; run `dexter train`",
                     context.store.string()));
  export_transformer(context.store, trained->file, folder);
  context.terminal.print(context.json ? json_line({{"folder", folder.string()}})
                                      : fmt::format("{}: {}, {} dimensions\n", folder.string(),
                                                    trained->kind, trained->dim));
  return ExitCode::kOk;
}

ExitCode run_export(Context& context, const ExportArguments& arguments) {
  if (arguments.what == "encoder") return export_encoder(context, arguments.out);
  set_threads(arguments.threads);
  const RetrievalEngine engine = RetrievalEngine::open(context.store);
  const int dim = engine.index().dim;
  NpyWriter writer(arguments.out, dim);
  const Progress progress = context.stoppable_progress();
  if (arguments.what == "labels")
    write_labels(engine, writer, progress);
  else
    write_documents(engine, arguments.split == "test" ? Split::kTest : Split::kTrain, writer,
                    progress);
  writer.commit();
  context.terminal.finish_stage();
  if (context.json) {
    context.terminal.print(json_line({{"rows", writer.rows()},
                                      {"dim", dim},
                                      {"vectors", arguments.out.string()},
                                      {"ids", writer.keys_file().string()}}));
    return ExitCode::kOk;
  }
  context.terminal.print(fmt::format("{}: {} x {} float32\n{}: the key of each row\n",
                                     arguments.out.string(), thousands(writer.rows()), dim,
                                     writer.keys_file().string()));
  return ExitCode::kOk;
}

Runner add_export(CLI::App& app, Context& context) {
  const auto arguments = std::make_shared<ExportArguments>();
  const char* group = "Vectors";
  app.add_option("--what", arguments->what, "labels, documents or encoder")
      ->type_name("SPACE")
      ->required()
      ->check(CLI::IsMember({"labels", "documents", "encoder"}).description(""))
      ->group(group);
  app.add_option("--split", arguments->split, "of documents: train or test")
      ->type_name("PART")
      ->default_str("train")
      ->check(CLI::IsMember({"train", "test"}).description(""))
      ->group(group);
  app.add_option("--out", arguments->out,
                 "the matrix, whose keys go to FILE.ids.txt beside it; of encoder, a folder")
      ->type_name("FILE")
      ->required()
      ->group(group);
  app.add_option("--threads", arguments->threads, "threads; 0 takes every core")
      ->type_name("N")
      ->check(CLI::Range(0, 1 << 30).description(""))
      ->group("General");
  return [arguments, &context] { return run_export(context, *arguments); };
}

}  // namespace

constinit const Verb kExportVerb = {
    .name = "export",
    .summary = "write vectors or the encoder for other programs",
    .arguments = "--store DIR --what labels|documents|encoder --out FILE",
    .about =
        "Writes unit vectors as a NumPy array of float32, [rows, dimensions], and the key of "
        "each row, one a line, beside it. Rows stream, so any number fits. Both files appear "
        "at the end or not at all. A transformer encoder is written as a folder that the Python "
        "ecosystem loads, and --weights.",
    .examples =
        "dexter export --store my-store --what labels --out labels.npy\n"
        "dexter export --store my-store --what documents --split test --out test.npy\n"
        "dexter export --store my-store --what encoder --out my-encoder",
    .next = "python3 -c \"import numpy; print(numpy.load('labels.npy').shape)\"",
    .interrupted = "no file was written; run the same command again",
    .add = &add_export};

}  // namespace dexter
