// A server's parts, put together.
#include "tools/service.h"

#include <algorithm>
#include <utility>

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include "engine/device_search.h"
#include "tools/figures.h"
#include "tools/threads.h"

namespace dexter {
namespace {

constexpr int kWaitingUpkeep = 4;
constexpr std::size_t kKeptReplies = 16384;

int cores_of(const Config& config) {
  return config.runtime.threads > 0 ? config.runtime.threads : usable_cores();
}

BatcherOptions batcher_options(const ServeOptions& options, int cores, ServerMetrics& metrics) {
  const int threads = std::max(1, cores / options.workers);
  return {.workers = options.workers,
          .queue = options.queue,
          .batch = options.batch,
          .batch_bytes = options.batch_bytes,
          .window = std::chrono::microseconds(options.window_us),
          .thread_start = [threads] { set_threads(threads); },
          .metrics = &metrics};
}

void use_one_thread() { set_threads(1); }

// Where there are no demonstrations either, opening the labels tells what to do.
bool has_labels(const std::filesystem::path& store, bool has_demos) {
  return !has_demos || Catalog::open(store, OpenMode::kRead).manifest().generation;
}

std::shared_ptr<const DemoRetriever> open_demos(const std::filesystem::path& store) {
  if (!std::filesystem::exists(bank_folder(store))) return nullptr;
  auto demos = std::make_shared<const DemoRetriever>(DemoRetriever::open(store));
  demos->prepare();
  return demos;
}

}  // namespace

Service::Service(std::filesystem::path store, ConfigSource configs, const std::stop_token& stop)
    : path_(std::move(store)),
      configs_(std::move(configs)),
      stop_(stop),
      config_(configs_()),
      cores_(cores_of(config_)),
      keys_(config_.serve.api_key_file),
      demos_(open_demos(path_)),
      has_labels_(has_labels(path_, demos_ != nullptr)),
      live_(config_.serve.read_only || !has_labels_ ? nullptr
                                                    : LiveStore::open(path_, config_.serve.search)),
      read_(live_ || !has_labels_ ? nullptr
                                  : std::make_shared<const RetrievalEngine>(
                                        RetrievalEngine::open(path_, config_.serve.search))),
      choosers_(config_.serve.workers, config_.serve.queue,
                [threads = std::max(1, cores_ / config_.serve.workers)] { set_threads(threads); }),
      demo_parts_{.retriever = [this] { return demos(); }, .choosers = choosers_},
      replies_(kKeptReplies),
      writers_(config_.serve.writers, config_.serve.write_queue, use_one_thread),
      upkeep_(1, kWaitingUpkeep, use_one_thread),
      changes_(live_ ? new StoreChanges{.store = *live_,
                                        .writers = writers_,
                                        .upkeep = upkeep_,
                                        .progress = {.report = {}, .warn = {}, .stop = stop},
                                        .replies = replies_,
                                        .compact_changes =
                                            static_cast<std::size_t>(config_.serve.compact_changes)}
                     : nullptr),
      cache_(static_cast<std::size_t>(config_.serve.cache_mb) << 20),
      batcher_(batcher_options(config_.serve, cores_, metrics_), [this] { return engine(); }),
      api_({.options = config_.serve,
            .version = DEXTER_VERSION,
            .batcher = batcher_,
            .engine = [this] { return engine(); },
            .stopping = [this] { return stop_.stop_requested(); },
            .keys = keys_,
            .changes = changes_.get(),
            .demos = &demo_parts_,
            .reload = [this](const auto& done) { reload(done); },
            .metrics = &metrics_,
            .cache = &cache_,
            .access_log = &access_log_,
            .sockets = [this] { return server_.figures(); }}),
      server_(config_.serve, [this](HttpRequest&& request, ReplyFunction reply) {
        api_.handle(std::move(request), std::move(reply));
      }) {}

std::shared_ptr<const RetrievalEngine> Service::engine() const {
  if (live_) return live_->engine();
  const std::lock_guard lock(mutex_);
  return read_;
}

std::shared_ptr<const DemoRetriever> Service::demos() const {
  const std::lock_guard lock(mutex_);
  return demos_;
}

void Service::run() {
  const int threads = config_.serve.io_threads;
  server_.start(threads > 0 ? threads : (cores_ + 1) / 2);
  say_ready();
  const std::stop_callback stopping(stop_, [&] {
    server_.request_stop();
    spdlog::info("stopping: requests in flight are answered first");
  });
  server_.wait();
  writers_.stop();
  choosers_.stop();
  upkeep_.stop();
  batcher_.stop();
  spdlog::info("stopped after {} requests", thousands(server_.figures().requests));
}

void Service::say_ready() const {
  const ServeOptions& options = config_.serve;
  const bool is_v6 = options.host.find(':') != std::string::npos;
  spdlog::info("ready on {}://{}{}{}:{} with {}",
               options.tls_certificate.empty() ? "http" : "https", is_v6 ? "[" : "", options.host,
               is_v6 ? "]" : "", server_.port(), what_is_served());
}

std::string Service::what_is_served() const {
  std::string text;
  if (const auto now = engine())
    text =
        fmt::format("{} labels, generation {}", thousands(now->label_count()), now->generation());
  if (const auto found = demos())
    text += fmt::format("{}{} demonstrations", text.empty() ? "" : ", ", thousands(found->size()));
  return text;
}

void Service::reload(const std::function<void(const std::exception_ptr&)>& done) {
  const bool taken = upkeep_.submit([this, done] {
    std::exception_ptr failure;
    try {
      read_again();
      spdlog::info("read again: {} keys, {}", keys_.count(), what_is_served());
    } catch (const std::exception& error) {
      spdlog::error("reading again, all stays as it was: {}", error.what());
      failure = std::current_exception();
    }
    done(failure);
  });
  if (!taken)
    done(std::make_exception_ptr(
        Error(ErrorKind::kUnavailable, "reading again: other upkeep goes on; try again later")));
}

// All of it or nothing.
void Service::read_again() {
  const Config config = configs_();
  std::shared_ptr<const RetrievalEngine> next;
  if (read_)
    next = std::make_shared<const RetrievalEngine>(
        RetrievalEngine::open(path_, to_open_again(config.serve.search)));
  auto next_demos = open_demos(path_);
  HttpServer::check(config.serve);
  keys_.reload();
  api_.set_options(config.serve);
  server_.set_options(config.serve);
  if (changes_) changes_->compact_changes = static_cast<std::size_t>(config.serve.compact_changes);
  const std::lock_guard lock(mutex_);
  read_.swap(next);
  demos_.swap(next_demos);
}

}  // namespace dexter
