// A server's parts, put together.
#include "tools/service.h"

#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

#include "tools/figures.h"
#include "tools/threads.h"

namespace dexter {
namespace {

constexpr int kWaitingUpkeep = 4;
constexpr std::size_t kKeptReplies = 16384;

int cores_of(const Config& config) {
  return config.runtime.threads > 0 ? config.runtime.threads : usable_cores();
}

BatcherOptions batcher_options(const ServeOptions& options, int cores) {
  const int threads = std::max(1, cores / options.workers);
  return {.workers = options.workers,
          .queue = options.queue,
          .batch = options.batch,
          .batch_bytes = options.batch_bytes,
          .window = std::chrono::microseconds(options.window_us),
          .thread_start = [threads] { set_threads(threads); }};
}

void use_one_thread() { set_threads(1); }

}  // namespace

Service::Service(std::filesystem::path store, ConfigSource configs, const std::stop_token& stop)
    : path_(std::move(store)),
      configs_(std::move(configs)),
      stop_(stop),
      config_(configs_()),
      cores_(cores_of(config_)),
      keys_(config_.serve.api_key_file),
      live_(config_.serve.read_only ? nullptr : LiveStore::open(path_, config_.serve.device)),
      read_(live_ ? nullptr
                  : std::make_shared<const RetrievalEngine>(
                        RetrievalEngine::open(path_, config_.serve.device))),
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
      batcher_(batcher_options(config_.serve, cores_), [this] { return engine(); }),
      api_({.options = config_.serve,
            .version = DEXTER_VERSION,
            .batcher = batcher_,
            .engine = [this] { return engine(); },
            .stopping = [this] { return stop_.stop_requested(); },
            .keys = keys_,
            .changes = changes_.get(),
            .reload = [this](const auto& done) { reload(done); }}),
      server_(config_.serve, [this](HttpRequest&& request, ReplyFunction reply) {
        api_.handle(std::move(request), std::move(reply));
      }) {}

std::shared_ptr<const RetrievalEngine> Service::engine() const {
  if (live_) return live_->engine();
  const std::lock_guard lock(mutex_);
  return read_;
}

void Service::run() {
  const int threads = config_.serve.io_threads;
  server_.start(threads > 0 ? threads : (cores_ + 1) / 2);
  say_ready();
  const std::stop_callback stopping(stop_, [&] {
    spdlog::info("stopping: requests in flight are answered first");
    server_.request_stop();
  });
  server_.wait();
  writers_.stop();
  upkeep_.stop();
  batcher_.stop();
  spdlog::info("stopped after {} requests", thousands(server_.figures().requests));
}

void Service::say_ready() const {
  const ServeOptions& options = config_.serve;
  const bool is_v6 = options.host.find(':') != std::string::npos;
  const auto now = engine();
  spdlog::info("ready on http://{}{}{}:{} with {} labels, generation {}", is_v6 ? "[" : "",
               options.host, is_v6 ? "]" : "", server_.port(), thousands(now->label_count()),
               now->generation());
}

void Service::reload(const std::function<void(const std::exception_ptr&)>& done) {
  const bool taken = upkeep_.submit([this, done] {
    std::exception_ptr failure;
    try {
      read_again();
      const auto now = engine();
      spdlog::info("read again: {} keys, {} labels, generation {}", keys_.count(),
                   thousands(now->label_count()), now->generation());
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
  if (!live_)
    next =
        std::make_shared<const RetrievalEngine>(RetrievalEngine::open(path_, config.serve.device));
  keys_.reload();
  api_.set_options(config.serve);
  server_.set_options(config.serve);
  if (changes_) changes_->compact_changes = static_cast<std::size_t>(config.serve.compact_changes);
  const std::lock_guard lock(mutex_);
  read_.swap(next);
}

}  // namespace dexter
