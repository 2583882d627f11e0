#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "engine/access_log.h"
#include "engine/api_keys.h"
#include "engine/demo_retriever.h"
#include "engine/http_message.h"
#include "engine/http_server.h"
#include "engine/idempotent_replies.h"
#include "engine/live_store.h"
#include "engine/query_batcher.h"
#include "engine/reply_cache.h"
#include "engine/retrieval_engine.h"
#include "engine/serve_options.h"
#include "engine/server_metrics.h"
#include "engine/task_pool.h"
#include "storage/progress.h"

namespace dexter {

// How a served store is changed; none of it happens on a thread that calls the HttpApi.
struct StoreChanges {
  LiveStore& store;
  TaskPool& writers;  // short changes; as many as share a synchronous write
  TaskPool& upkeep;   // compactions, one at a time
  Progress progress;  // of upkeep; stops it
  IdempotentReplies& replies;
  std::atomic<std::size_t> compact_changes =
      0;  // changed labels that are compacted; 0: when asked only
  std::atomic<bool> compaction_waits = false;
  std::chrono::steady_clock::time_point compact_after = {};  // of upkeep's thread
};

// How demonstrations are chosen, away from the threads that call the HttpApi.
struct DemoParts {
  std::function<std::shared_ptr<const DemoRetriever>()> retriever;  // null: there are none
  TaskPool& choosers;
};

// What the routes work with; must outlive every reply.
struct ApiParts {
  ServeOptions options;
  std::string version;
  QueryBatcher& batcher;
  // Null where the store has demonstrations alone.
  std::function<std::shared_ptr<const RetrievalEngine>()> engine;
  std::function<bool()> stopping;  // the server drains
  const ApiKeys& keys;
  StoreChanges* changes = nullptr;   // null: the store is only read
  const DemoParts* demos = nullptr;  // null: as without demonstrations
  // Reads again what the server was started with, beside the requests; calls `done` with what went
  // wrong, or null. Empty: there is nothing to read.
  std::function<void(std::function<void(const std::exception_ptr&)> done)> reload = {};
  ServerMetrics* metrics = nullptr;           // null: nothing is counted
  ReplyCache* cache = nullptr;                // null: every query is computed
  AccessLog* access_log = nullptr;            // null: no line is written
  std::function<HttpFigures()> sockets = {};  // empty: there are none
};

// The HTTP interface without sockets: a table of routes (http_api.cc), each from a request to a
// reply. Where keys are wanted, a request without a known one is answered 401, and one whose key
// may not do it 403. An Error becomes a problem: kInvalidInput 400, kNotFound 404, kUnavailable and
// kInterrupted 503, a disk that takes no change 507, others 500 whose text is in the log alone.
// Each reply carries X-Request-Id, and traceparent where the request did.
// Safe from many threads.
class HttpApi {
 public:
  explicit HttpApi(ApiParts parts);
  // Calls `reply` once, now or from a thread of the batcher or the pools.
  void handle(HttpRequest&& request, ReplyFunction reply) const;
  // For requests from now on.
  void set_options(const ServeOptions& options);

 private:
  std::shared_ptr<const ApiParts> parts() const;

  mutable std::mutex mutex_;
  std::shared_ptr<const ApiParts> parts_;  // guarded by mutex_
};

}  // namespace dexter
