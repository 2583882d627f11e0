// dexter serve: the store over HTTP.
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <stop_token>

#include <spdlog/spdlog.h>

#include "engine/http_api.h"
#include "engine/http_server.h"
#include "engine/query_batcher.h"
#include "engine/retrieval_engine.h"
#include "tools/config_arguments.h"
#include "tools/figures.h"
#include "tools/threads.h"
#include "tools/verb.h"

namespace dexter {
namespace {

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

// Serves until a signal asks for the end; then drains.
void serve(Context& context, const Config& config) {
  const int cores = config.runtime.threads > 0 ? config.runtime.threads : usable_cores();
  const auto engine = std::make_shared<const RetrievalEngine>(RetrievalEngine::open(context.store));
  const std::stop_token stop = context.stop_on_signal();
  QueryBatcher batcher(batcher_options(config, cores), [&] { return engine; });
  const HttpApi api({.options = config.serve,
                     .version = DEXTER_VERSION,
                     .batcher = batcher,
                     .engine = [&] { return engine; },
                     .stopping = [&] { return stop.stop_requested(); }});
  HttpServer server(config.serve, [&](HttpRequest&& request, ReplyFunction reply) {
    api.handle(std::move(request), std::move(reply));
  });
  server.start(config.serve.io_threads > 0 ? config.serve.io_threads : (cores + 1) / 2);
  const bool is_v6 = config.serve.host.find(':') != std::string::npos;
  spdlog::info("ready on http://{}{}{}:{} with {} labels, generation {}", is_v6 ? "[" : "",
               config.serve.host, is_v6 ? "]" : "", server.port(), thousands(engine->label_count()),
               engine->generation());
  const std::stop_callback stopping(stop, [&] {
    spdlog::info("stopping: requests in flight are answered first");
    server.request_stop();
  });
  server.wait();
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
                     {"--threads", "runtime.threads", "N", "cores to use; 0 takes every core"}});
  return [arguments, &context] { return run_serve(context, *arguments); };
}

}  // namespace

constinit const Verb kServeVerb = {
    .name = "serve",
    .summary = "answer queries over HTTP",
    .arguments = "--store DIR [--host ADDRESS] [--port N] [options]",
    .about =
        "Answers POST /v1/query with the labels of texts, as JSON, until SIGTERM or Ctrl-C: then "
        "requests in flight are answered and the server ends; a second signal ends it at once. "
        "Its log goes to standard error; one line says that it is ready. Limits, times and "
        "batching are the serve.* keys of `dexter config`.",
    .examples =
        "dexter serve --store my-store --port 8080\n"
        "dexter serve --store my-store --host 0.0.0.0 --set serve.queue=4096",
    .next =
        "curl -d '{\"text\": \"a grey cat asleep on the sofa\"}' "
        "http://127.0.0.1:8080/v1/query",
    .interrupted = "the store is as it was",
    .has_json = false,
    .add = &add};

}  // namespace dexter
