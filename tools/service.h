#pragma once

#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>

#include "engine/api_keys.h"
#include "engine/config.h"
#include "engine/demo_retriever.h"
#include "engine/http_api.h"
#include "engine/http_server.h"
#include "engine/live_store.h"
#include "engine/query_batcher.h"
#include "engine/task_pool.h"

namespace dexter {

// The parts of a running `dexter serve`, put together. Safe from many threads.
class Service {
 public:
  using ConfigSource = std::function<Config()>;

  // Opens the store and listens. `configs` gives the configuration of the moment; after a stop was
  // asked for, nothing new is begun. Errors as of the parts.
  Service(std::filesystem::path store, ConfigSource configs, const std::stop_token& stop);
  void run();  // until a stop is done
  // Reads keys and configuration again, and what another process wrote where the store is only
  // read; beside the requests. `done` is called once, with what went wrong or null.
  void reload(const std::function<void(const std::exception_ptr&)>& done);

 private:
  std::shared_ptr<const RetrievalEngine> engine() const;
  std::shared_ptr<const DemoRetriever> demos() const;
  std::string what_is_served() const;
  void read_again();
  void say_ready() const;

  const std::filesystem::path path_;
  const ConfigSource configs_;
  const std::stop_token stop_;
  const Config config_;
  const int cores_;
  ApiKeys keys_;
  mutable std::mutex mutex_;
  std::shared_ptr<const DemoRetriever> demos_;  // guarded by mutex_; null: there are none
  const bool has_labels_;                       // there are stores of demonstrations alone
  std::unique_ptr<LiveStore> live_;             // null where the store is only read
  // Guarded by mutex_; null where it is live or there are no labels.
  std::shared_ptr<const RetrievalEngine> read_;
  TaskPool choosers_;
  const DemoParts demo_parts_;
  IdempotentReplies replies_;
  TaskPool writers_;
  TaskPool upkeep_;
  std::unique_ptr<StoreChanges> changes_;
  ServerMetrics metrics_;
  AccessLog access_log_;
  ReplyCache cache_;
  QueryBatcher batcher_;
  HttpApi api_;
  HttpServer server_;
};

}  // namespace dexter
