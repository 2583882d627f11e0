#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/http_server.h"
#include "engine/query_batcher.h"
#include "engine/reply_cache.h"

namespace dexter {

// A row of the table of routes.
struct RouteName {
  std::size_t number = 0;  // below ServerMetrics::kRoutes; 0: no route fits
  std::string_view method = "";
  std::string_view path = "none";
};

enum class Stage { kWait, kEncode, kSearch, kRead };

// Of this process: memory in RAM and open descriptors; 0 where the system does not tell.
struct ProcessFigures {
  std::uint64_t resident_bytes = 0, descriptors = 0;
};
ProcessFigures process_figures();

// What is read off the server at the moment it is asked.
struct ServerState {
  BatcherFigures batcher;
  HttpFigures http;
  CacheFigures cache;
  std::size_t waiting_changes = 0;
  std::uint64_t generation = 0, labels = 0, changed_labels = 0;
  ProcessFigures process;
};

// Counts what a server does: latencies by route and status and by stage, sizes of batches. Kept in
// histograms of fixed buckets (a fifth to a half apart) since the start. Safe from many threads;
// counting takes less than a microsecond.
class ServerMetrics {
 public:
  static constexpr std::size_t kRoutes = 64;

  ServerMetrics();
  ~ServerMetrics();
  ServerMetrics(const ServerMetrics&) = delete;
  ServerMetrics& operator=(const ServerMetrics&) = delete;

  // `route` is the same at each call with its number.
  void count_reply(const RouteName& route, int status, std::chrono::nanoseconds time);
  void count_stage(Stage stage, std::chrono::nanoseconds time);
  void count_batch(std::size_t texts);

  // All of it in Prometheus' text format.
  std::string to_text(const ServerState& state) const;
  // All of it as a JSON object, histograms as quantiles: interpolated within a bucket.
  std::string to_json(const ServerState& state) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dexter
