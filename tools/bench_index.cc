// dexter bench index: what each kind of index does with these vectors and queries.
#include <algorithm>
#include <memory>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "engine/device_search.h"
#include "engine/retrieval_engine.h"
#include "index/faiss_search.h"
#include "index/index_bench.h"
#include "tools/answer_arguments.h"
#include "tools/evaluation_source.h"
#include "tools/figures.h"
#include "tools/json_output.h"
#include "tools/npy.h"
#include "tools/threads.h"
#include "tools/verb.h"

namespace dexter {
namespace {

constexpr std::size_t kStoreQueries = 4096;

struct BenchArguments {
  std::filesystem::path base, queries;
  IndexBenchOptions bench;
  std::string device;
  bool half = false, replicas = false;
  double memory = 0.9;
  int codes = 0;
  int threads = 0;
};

struct Vectors {
  EmbeddingMatrix base, queries;
};

// The store's label vectors, and documents of its test part (else its validation part) as queries.
Vectors vectors_of_store(const std::filesystem::path& store) {
  const RetrievalEngine engine = RetrievalEngine::open(store);
  std::vector<Label> labels;
  engine.catalog().scan_labels([&](Label&& label) { labels.push_back(std::move(label)); });
  EvaluationSource source(engine.catalog());
  std::vector<std::string> texts;
  for (Example example; texts.size() < kStoreQueries && source.next(example);)
    texts.push_back(std::move(example.text));
  return {engine.encode_labels(labels), engine.encode(texts)};
}

Vectors read_vectors(const Context& context, const BenchArguments& arguments) {
  ensure(arguments.base.empty() == arguments.queries.empty(), ErrorKind::kInvalidInput,
         "measuring indexes: --base and --queries go together; give both files, or neither and "
         "--store");
  if (!arguments.base.empty()) return {read_npy(arguments.base), read_npy(arguments.queries)};
  ensure(!context.store.empty(), ErrorKind::kInvalidInput,
         "measuring indexes: neither files nor a store; give --base and --queries, or --store");
  return vectors_of_store(context.store);
}

std::string json_of(const IndexMeasurement& m) {
  return json_line({{"kind", m.kind},
                    {"setting", m.setting},
                    {"batch", m.batch},
                    {"filter", m.filter},
                    {"queries_per_second", m.queries_per_second},
                    {"recall", m.recall},
                    {"build_seconds", m.build_seconds},
                    {"bytes_per_vector", m.bytes_per_vector}});
}

// LibTorch's device, and FAISS's where it has one.
std::vector<IndexBenchOptions::Device> devices_of(const BenchArguments& arguments) {
  const std::string form = arguments.half ? " in half precision" : "";
  const FaissOptions faiss{.gpu = arguments.device == "cuda",
                           .half = arguments.half,
                           .codes = arguments.codes,
                           .memory = arguments.memory,
                           .replicas = arguments.replicas};
  const std::string without = faiss.gpu ? faiss_without_gpu() : std::string();
  ensure(arguments.codes == 0 || without.empty(), ErrorKind::kInvalidInput,
         "measuring --device-codes on a GPU: " + without);
  if (arguments.codes > 0)  // of ivf alone
    return {{fmt::format("{} by FAISS, codes of {} bytes", arguments.device, arguments.codes),
             {.flat = {}, .ivf = by_faiss(faiss).ivf}}};
  std::vector<IndexBenchOptions::Device> devices = {
      {arguments.device + form, on_device(arguments.device, arguments.half, arguments.memory)}};
  if (without.empty()) devices.push_back({arguments.device + " by FAISS" + form, by_faiss(faiss)});
  return devices;
}

ExitCode run_bench(Context& context, BenchArguments arguments) {
  arguments.bench.validate();
  set_threads(arguments.threads);
  if (!arguments.device.empty()) arguments.bench.devices = devices_of(arguments);
  const std::string without = arguments.device == "cuda" ? faiss_without_gpu() : std::string();
  if (!without.empty() && std::ranges::count(arguments.bench.kinds, "ivf") > 0)
    context.terminal.warn("warning: ivf is measured on the processors: " + without);
  const Vectors vectors = read_vectors(context, arguments);
  Table table("<<>>>>>");
  table.row({"kind", "setting", "batch", "queries/s", fmt::format("recall@{}", arguments.bench.k),
             "build", "bytes/vector"});
  const auto report = [&](const IndexMeasurement& m) {
    context.terminal.drop_stage();
    if (context.json) {
      context.terminal.print(json_of(m));
      context.terminal.flush();
      return;
    }
    context.terminal.remark(fmt::format("measured {} in batches of {}", m.kind, m.batch));
    const std::string among =
        m.filter < 1 ? fmt::format(", among {:.2g} %", 100 * m.filter) : std::string();
    table.row({m.kind, m.setting + among, thousands(static_cast<std::uint64_t>(m.batch)),
               rate_of(m.queries_per_second), fmt::format("{:.4f}", m.recall),
               duration_of(m.build_seconds), fmt::format("{:.0f}", m.bytes_per_vector)});
  };
  measure_indexes(arguments.bench, vectors.base, vectors.queries, report,
                  context.reading_progress());
  if (context.json) return ExitCode::kOk;
  context.terminal.print(table.text());
  context.terminal.print(fmt::format(
      "  {} vectors of {} dimensions; settings tuned on {} queries, measured on {} others\n",
      thousands(vectors.base.rows()), vectors.base.dim(), thousands(vectors.queries.rows() / 2),
      thousands(vectors.queries.rows() - vectors.queries.rows() / 2)));
  return ExitCode::kOk;
}

Runner add_bench_index(CLI::App& app, Context& context) {
  const auto arguments = std::make_shared<BenchArguments>();
  for (const IndexKind& kind : index_kinds()) arguments->bench.kinds.emplace_back(kind.name);
  const char* group = "Vectors";
  app.add_option("--base", arguments->base, "vectors to search: float32, [rows, dimensions]")
      ->type_name("FILE.npy")
      ->group(group);
  app.add_option("--queries", arguments->queries, "queries of the same dimensions")
      ->type_name("FILE.npy")
      ->group(group);
  group = "Measuring";
  app.add_option("-k", arguments->bench.k, "neighbours per query")
      ->type_name("K")
      ->default_str("10")
      ->group(group);
  app.add_option("--kinds", arguments->bench.kinds, "kinds to measure, with commas between")
      ->type_name("KINDS")
      ->delimiter(',')
      ->default_str("flat,ivf,hnsw")
      ->group(group);
  app.add_option("--batches", arguments->bench.batches, "queries asked together")
      ->type_name("SIZES")
      ->delimiter(',')
      ->default_str("1,64")
      ->group(group);
  app.add_option("--filter", arguments->bench.filter,
                 "measure each search again among this share of the vectors, drawn at random")
      ->type_name("SHARE")
      ->default_str("1")
      ->group(group);
  app.add_option("--recall", arguments->bench.index.recall,
                 "recall@10 that approximate kinds are tuned to")
      ->type_name("SHARE")
      ->default_str("0.99")
      ->group(group);
  app.add_option("--storage", arguments->bench.index.storage,
                 "what each kind keeps of a vector: float32, float16 or byte; recall is against "
                 "exact search of the vectors as they are given")
      ->type_name("FORM")
      ->default_str("float32")
      ->group(group);
  app.add_option(
         "--device", arguments->device,
         "let flat search on a device of LibTorch's, and flat and ivf on FAISS's, with the same "
         "answers: cuda, or cpu to try it without a GPU")
      ->type_name("DEVICE")
      ->check(CLI::IsMember({"cuda", "cpu"}).description(""))
      ->group(group);
  app.add_flag("--half", arguments->half, "keep the device's copy in half precision")->group(group);
  app.add_flag("--replicas", arguments->replicas,
               "with several GPUs: FAISS's copy whole on each, in place of a part")
      ->group(group);
  add_device_sizes(app, arguments->memory, arguments->codes, group);
  app.add_option("--threads", arguments->threads, "threads; 0 takes every core")
      ->type_name("N")
      ->check(CLI::Range(0, 1 << 30).description(""))
      ->group("General");
  return [arguments, &context] { return run_bench(context, *arguments); };
}

}  // namespace

constinit const Verb kBenchIndexVerb = {
    .name = "bench index",
    .summary = "speed, recall and memory of each kind of index on your vectors",
    .arguments = "--base FILE.npy --queries FILE.npy | --store DIR [options]",
    .about =
        "Builds each kind of index over the vectors and searches it with the queries, one at a "
        "time and in batches. Without files it takes the labels of a store and its test "
        "documents. Approximate kinds are tuned on the first half of the queries until they reach "
        "the recall asked for, and measured on the second half; recall is against exact search. "
        "With --json each line is one kind in one batch size.",
    .examples =
        "dexter bench index --store my-store\n"
        "dexter bench index --base labels.npy --queries test.npy --kinds flat,hnsw --recall 0.95\n"
        "dexter bench index --base labels.npy --queries test.npy --filter 0.01",
    .next = "dexter index --store my-store --kind KIND",
    .interrupted = "what was printed stands; nothing else was written",
    .needs_store = false,
    .add = &add_bench_index};

}  // namespace dexter
