// dexter serve: the store over HTTP.
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <stop_token>

#include <spdlog/spdlog.h>

#include "engine/api_keys.h"
#include "engine/http_api.h"
#include "engine/http_server.h"
#include "engine/live_store.h"
#include "engine/query_batcher.h"
#include "engine/retrieval_engine.h"
#include "engine/task_pool.h"
#include "tools/config_arguments.h"
#include "tools/figures.h"
#include "tools/threads.h"
#include "tools/verb.h"

namespace dexter {
namespace {

constexpr int kWaitingUpkeep = 4;

// A server's log lines are what its operator has; other verbs show warnings only.
void log_from_info() {
  if (std::getenv("DEXTER_LOG") == nullptr) spdlog::set_level(spdlog::level::info);
}

BatcherOptions batcher_options(const Config& config, int cores) {
  const int threads = std::max(1, cores / config.serve.workers);
  return {.workers = config.serve.workers,
          .queue = config.serve.queue,
          .batch = config.serve.batch,
          .batch_bytes = config.serve.batch_bytes,
          .window = std::chrono::microseconds(config.serve.window_us),
          .thread_start = [threads] { set_threads(threads); }};
}

void say_ready(const ServeOptions& options, int port, const RetrievalEngine& engine) {
  const bool is_v6 = options.host.find(':') != std::string::npos;
  spdlog::info("ready on http://{}{}{}:{} with {} labels, generation {}", is_v6 ? "[" : "",
               options.host, is_v6 ? "]" : "", port, thousands(engine.label_count()),
               engine.generation());
}

// Serves until a signal asks for the end; then drains.
void serve(Context& context, const Config& config) {
  const int cores = config.runtime.threads > 0 ? config.runtime.threads : usable_cores();
  const ServeOptions& options = config.serve;
  const ApiKeys keys = options.api_key_file.empty() ? ApiKeys() : ApiKeys(options.api_key_file);
  const auto store = LiveStore::open(context.store);
  const auto engine = [&] { return store->engine(); };
  const std::stop_token stop = context.stop_on_signal();
  const auto one_thread = [] { set_threads(1); };
  TaskPool writers(options.writers, options.write_queue, one_thread);
  TaskPool upkeep(1, kWaitingUpkeep, one_thread);
  const StoreChanges changes{*store, writers, upkeep, {.report = {}, .warn = {}, .stop = stop}};
  QueryBatcher batcher(batcher_options(config, cores), engine);
  const HttpApi api({.options = options,
                     .version = DEXTER_VERSION,
                     .batcher = batcher,
                     .engine = engine,
                     .stopping = [&] { return stop.stop_requested(); },
                     .keys = keys,
                     .changes = &changes});
  HttpServer server(options, [&](HttpRequest&& request, ReplyFunction reply) {
    api.handle(std::move(request), std::move(reply));
  });
  server.start(options.io_threads > 0 ? options.io_threads : (cores + 1) / 2);
  say_ready(options, server.port(), *engine());
  const std::stop_callback stopping(stop, [&] {
    spdlog::info("stopping: requests in flight are answered first");
    server.request_stop();
  });
  server.wait();
  writers.stop();
  upkeep.stop();
  batcher.stop();
  spdlog::info("stopped after {} requests", thousands(server.figures().requests));
}

ExitCode run_serve(Context& context, const ConfigArguments& arguments) {
  log_from_info();
  std::string stored = Catalog::open(context.store, OpenMode::kRead).manifest().config;
  const Config config = arguments.resolve(stored);
  serve(context, config);
  return ExitCode::kOk;
}

Runner add(CLI::App& app, Context& context) {
  const auto arguments = std::make_shared<ConfigArguments>();
  arguments->add_to(app,
                    {{"--host", "serve.host", "ADDRESS", "IP address to listen on"},
                     {"--port", "serve.port", "N", "port to listen on; 0 takes a free one"},
                     {"--api-key-file", "serve.api_key_file", "FILE",
                      "keys that are taken, one a line; see below"},
                     {"--threads", "runtime.threads", "N", "cores to use; 0 takes every core"}});
  return [arguments, &context] { return run_serve(context, *arguments); };
}

}  // namespace

constinit const Verb kServeVerb = {
    .name = "serve",
    .summary = "answer queries over HTTP",
    .arguments = "--store DIR [--host ADDRESS] [--port N] [--api-key-file FILE] [options]",
    .about =
        "Answers POST /v1/query with the labels of texts and changes labels by PUT and DELETE "
        "/v1/labels/KEY, as JSON, until SIGTERM or Ctrl-C: then requests in flight are answered "
        "and the server ends; a second signal ends it at once. A change is answered once it is on "
        "disk and counts for the next query. While it runs it is the store's only writer. Its log "
        "goes to standard error; one line says that it is ready. Limits, times and batching are "
        "the serve.* keys of `dexter config`.\n\n"
        "With --api-key-file a request needs a key, as 'Authorization: Bearer KEY' or as "
        "'X-API-Key: KEY'; only /livez and /readyz are open. The file has a key a line, followed "
        "by 'read' where it may not change anything. Instead of a key may stand its hash, "
        "sha256:HEX, HEX as `printf %s KEY | sha256sum` prints it.",
    .examples =
        "dexter serve --store my-store --port 8080\n"
        "dexter serve --store my-store --host 0.0.0.0 --api-key-file keys.txt",
    .next =
        "curl -d '{\"text\": \"a grey cat asleep on the sofa\"}' "
        "http://127.0.0.1:8080/v1/query",
    .interrupted = "every change that was answered stands",
    .has_json = false,
    .add = &add};

}  // namespace dexter
