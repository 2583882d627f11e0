// dexter serve: the store over HTTP.
#include <cstdlib>
#include <exception>
#include <memory>

#include <spdlog/spdlog.h>

#include "storage/catalog.h"
#include "tools/config_arguments.h"
#include "tools/service.h"
#include "tools/verb.h"

namespace dexter {
namespace {

// A server's log lines are what its operator has; other verbs show warnings only.
void log_from_info() {
  if (std::getenv("DEXTER_LOG") == nullptr) spdlog::set_level(spdlog::level::info);
}

ExitCode run_serve(Context& context, const ConfigArguments& arguments) {
  log_from_info();
  const std::string stored = Catalog::open(context.store, OpenMode::kRead).manifest().config;
  Service service(
      context.store, [&] { return arguments.resolve(stored); }, context.stop_on_signal());
  context.on_hangup([&service] { service.reload([](const std::exception_ptr&) {}); });
  service.run();
  context.on_hangup({});
  return ExitCode::kOk;
}

Runner add_serve(CLI::App& app, Context& context) {
  const auto arguments = std::make_shared<ConfigArguments>();
  arguments->add_to(app,
                    {{"--host", "serve.host", "ADDRESS", "IP address to listen on"},
                     {"--port", "serve.port", "N", "port to listen on; 0 takes a free one"},
                     {"--api-key-file", "serve.api_key_file", "FILE",
                      "keys that are taken, one a line; see below"},
                     {"--device", "serve.device", "DEVICE",
                      "where a flat or ivf index is searched: cpu, cuda, or auto"},
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
        "sha256:HEX, HEX as `printf %s KEY | sha256sum` prints it.\n\n"
        "SIGHUP, like POST /v1/admin/reload, reads the keys and the configuration (--config) "
        "again: limits, times and keys; address, threads and queues stay as they are until a "
        "restart. With --set serve.read_only=true many servers answer from one store that another "
        "process changes, and a reload opens what it wrote.",
    .examples =
        "dexter serve --store my-store --port 8080\n"
        "dexter serve --store my-store --host 0.0.0.0 --api-key-file keys.txt",
    .next =
        "curl -d '{\"text\": \"a grey cat asleep on the sofa\"}' "
        "http://127.0.0.1:8080/v1/query",
    .interrupted = "every change that was answered stands",
    .has_json = false,
    .add = &add_serve};

}  // namespace dexter
