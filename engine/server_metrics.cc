// The server's figures, kept by prometheus-cpp.
#include "engine/server_metrics.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <sstream>
#include <vector>

#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <spdlog/fmt/fmt.h>

#include "engine/json_text.h"

namespace dexter {
namespace {

using Clock = std::chrono::steady_clock;
using prometheus::ClientMetric;
using prometheus::Histogram;
using prometheus::MetricFamily;

constexpr int kStatuses = 600;
constexpr std::array<const char*, 4> kStages = {"wait", "encode", "search", "read"};

// Seconds: 20 microseconds to 20 seconds, five to a decade and a half more where answers lie.
const Histogram::BucketBoundaries& time_buckets() {
  static const Histogram::BucketBoundaries buckets = {
      0.00002, 0.00005, 0.0001, 0.00015, 0.0002, 0.0003, 0.0005, 0.0007, 0.001, 0.0015, 0.002,
      0.003,   0.005,   0.007,  0.01,    0.015,  0.02,   0.03,   0.05,   0.07,  0.1,    0.15,
      0.2,     0.3,     0.5,    0.7,     1,      2,      5,      10,     20};
  return buckets;
}

const Histogram::BucketBoundaries& size_buckets() {
  static const Histogram::BucketBoundaries buckets = {1,  2,  3,  4,  6,   8,   12,  16,
                                                      24, 32, 48, 64, 128, 256, 512, 1024};
  return buckets;
}

double seconds(std::chrono::nanoseconds time) { return static_cast<double>(time.count()) / 1e9; }

// Below which a part `q` of what was counted lies: within its bucket by straight line. The largest
// bound where it lies beyond all buckets.
double quantile(const ClientMetric::Histogram& histogram, double q) {
  if (histogram.sample_count == 0) return 0;
  const double wanted = q * static_cast<double>(histogram.sample_count);
  double below = 0, lower = 0;
  for (const ClientMetric::Bucket& bucket : histogram.bucket) {
    const auto count = static_cast<double>(bucket.cumulative_count);
    const bool is_last = &bucket == &histogram.bucket.back();
    if (count >= wanted && count > below)
      return is_last ? lower
                     : lower + (bucket.upper_bound - lower) * (wanted - below) / (count - below);
    below = count;
    if (!is_last) lower = bucket.upper_bound;
  }
  return lower;
}

std::string times_json(const ClientMetric::Histogram& histogram) {
  return fmt::format(
      R"("count":{},"mean_ms":{:.3f},"p50_ms":{:.3f},"p95_ms":{:.3f},"p99_ms":{:.3f})",
      histogram.sample_count,
      histogram.sample_count == 0
          ? 0.0
          : 1000 * histogram.sample_sum / static_cast<double>(histogram.sample_count),
      1000 * quantile(histogram, 0.5), 1000 * quantile(histogram, 0.95),
      1000 * quantile(histogram, 0.99));
}

std::string request_json(const ClientMetric& metric) {
  std::string row = "{";
  for (const ClientMetric::Label& label : metric.label) {
    row += fmt::format("\"{}\":", label.name);
    if (label.name == "status")
      row += label.value;
    else
      append_json(row, label.value);
    row += ',';
  }
  return row + times_json(metric.histogram) + '}';
}

struct Reading {
  const char* name;
  const char* help;
  prometheus::MetricType type;
  double value;
};

std::vector<Reading> readings_of(const ServerState& state, std::chrono::nanoseconds age) {
  constexpr auto kGauge = prometheus::MetricType::Gauge;
  constexpr auto kCounter = prometheus::MetricType::Counter;
  const auto number = [](auto count) { return static_cast<double>(count); };
  const BatcherFigures& queue = state.batcher;
  const HttpFigures& http = state.http;
  return {
      {"dexter_queue_texts", "Texts that wait for a batch", kGauge, number(queue.waiting)},
      {"dexter_queue_changes", "Changes that wait for a writer", kGauge,
       number(state.waiting_changes)},
      {"dexter_texts_total", "Texts and vectors answered", kCounter, number(queue.texts)},
      {"dexter_queries_refused_total", "Queries that found the queue full", kCounter,
       number(queue.refused)},
      {"dexter_queries_expired_total", "Queries whose time was over before they began", kCounter,
       number(queue.expired)},
      {"dexter_cache_hits_total", "Queries answered from the cache", kCounter,
       number(state.cache.hits)},
      {"dexter_cache_misses_total", "Queries that were not in the cache", kCounter,
       number(state.cache.misses)},
      {"dexter_cache_replies", "Replies in the cache", kGauge, number(state.cache.replies)},
      {"dexter_cache_bytes", "Memory of the cache", kGauge, number(state.cache.bytes)},
      {"dexter_connections", "Open connections", kGauge, number(http.connections)},
      {"dexter_connections_total", "Connections taken", kCounter, number(http.accepted)},
      {"dexter_connections_refused_total", "Connections beyond serve.connections", kCounter,
       number(http.turned_away)},
      {"dexter_http_requests_total", "Requests whose header was read", kCounter,
       number(http.requests)},
      {"dexter_http_malformed_total", "Requests refused before they reached a route", kCounter,
       number(http.malformed)},
      {"dexter_http_timeouts_total", "Connections that were too slow", kCounter,
       number(http.timeouts)},
      {"dexter_generation", "Generation that answers", kGauge, number(state.generation)},
      {"dexter_labels", "Labels that can be answered", kGauge, number(state.labels)},
      {"dexter_changed_labels", "Labels changed since the generation was built", kGauge,
       number(state.changed_labels)},
      {"process_resident_memory_bytes", "Memory in RAM", kGauge,
       number(state.process.resident_bytes)},
      {"process_open_fds", "Open descriptors", kGauge, number(state.process.descriptors)},
      {"dexter_uptime_seconds", "Time since the server was put together", kGauge, seconds(age)}};
}

MetricFamily family_of(const Reading& reading) {
  ClientMetric metric;
  (reading.type == prometheus::MetricType::Gauge ? metric.gauge.value : metric.counter.value) =
      reading.value;
  return {.name = reading.name, .help = reading.help, .type = reading.type, .metric = {metric}};
}

}  // namespace

struct ServerMetrics::Impl {
  Impl();
  Histogram& reply_histogram(const RouteName& route, int status);

  const Clock::time_point begin = Clock::now();
  prometheus::Registry registry;
  prometheus::Family<Histogram>& replies;
  std::array<Histogram*, kStages.size()> stages{};
  Histogram* batch_texts = nullptr;
  // Those of `replies` that were met, by route and status.
  std::vector<std::atomic<Histogram*>> met{kRoutes * kStatuses};
};

ServerMetrics::Impl::Impl()
    : replies(prometheus::BuildHistogram()
                  .Name("dexter_request_seconds")
                  .Help("From a request read to its answer made, by route and status")
                  .Register(registry)) {
  auto& by_stage = prometheus::BuildHistogram()
                       .Name("dexter_stage_seconds")
                       .Help(
                           "wait: of a query in the queue; encode, search: of a batch; read: "
                           "names of a query's labels")
                       .Register(registry);
  for (std::size_t i = 0; i < kStages.size(); ++i)
    stages[i] = &by_stage.Add({{"stage", kStages[i]}}, time_buckets());
  batch_texts = &prometheus::BuildHistogram()
                     .Name("dexter_batch_texts")
                     .Help("Texts of a batch")
                     .Register(registry)
                     .Add({}, size_buckets());
}

Histogram& ServerMetrics::Impl::reply_histogram(const RouteName& route, int status) {
  const auto code = static_cast<std::size_t>(std::clamp(status, 0, kStatuses - 1));
  std::atomic<Histogram*>& slot = met[std::min(route.number, kRoutes - 1) * kStatuses + code];
  Histogram* histogram = slot.load(std::memory_order_acquire);
  if (histogram == nullptr) {
    // Another thread that adds the same labels gets the same histogram.
    histogram = &replies.Add({{"method", std::string(route.method)},
                              {"route", std::string(route.path)},
                              {"status", std::to_string(status)}},
                             time_buckets());
    slot.store(histogram, std::memory_order_release);
  }
  return *histogram;
}

ServerMetrics::ServerMetrics() : impl_(std::make_unique<Impl>()) {}
ServerMetrics::~ServerMetrics() = default;

void ServerMetrics::count_reply(const RouteName& route, int status, std::chrono::nanoseconds time) {
  impl_->reply_histogram(route, status).Observe(seconds(time));
}

void ServerMetrics::count_stage(Stage stage, std::chrono::nanoseconds time) {
  impl_->stages[static_cast<std::size_t>(stage)]->Observe(seconds(time));
}

void ServerMetrics::count_batch(std::size_t texts) {
  impl_->batch_texts->Observe(static_cast<double>(texts));
}

std::string ServerMetrics::to_text(const ServerState& state) const {
  std::vector<MetricFamily> families = impl_->registry.Collect();
  for (const Reading& reading : readings_of(state, Clock::now() - impl_->begin))
    families.push_back(family_of(reading));
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, families);
  return std::move(out).str();
}

std::string ServerMetrics::to_json(const ServerState& state) const {
  std::string out = "{";
  for (const Reading& reading : readings_of(state, Clock::now() - impl_->begin)) {
    std::string_view name = reading.name;
    if (name.starts_with("dexter_")) name.remove_prefix(7);
    out += fmt::format("\"{}\":{},", name, reading.value);
  }
  out += R"("requests":[)";
  const ClientMetric::Histogram batches = impl_->batch_texts->Collect().histogram;
  std::string rows;
  for (const MetricFamily& family : impl_->registry.Collect()) {
    if (family.name != "dexter_request_seconds") continue;
    for (const ClientMetric& metric : family.metric)
      rows.append(rows.empty() ? "" : ",").append(request_json(metric));
  }
  out += rows + R"(],"stages":{)";
  for (std::size_t i = 0; i < kStages.size(); ++i)
    out += fmt::format(R"({}"{}":{{{}}})", i == 0 ? "" : ",", kStages[i],
                       times_json(impl_->stages[i]->Collect().histogram));
  out += fmt::format(R"(}},"batches":{{"count":{},"p50_texts":{:.1f},"p99_texts":{:.1f}}}}})",
                     batches.sample_count, quantile(batches, 0.5), quantile(batches, 0.99));
  return out;
}

ProcessFigures process_figures() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t whole = 0, resident = 0;
  file >> whole >> resident;
  std::error_code error;
  const std::filesystem::directory_iterator all("/proc/self/fd", error);
  // But the one that reads them.
  const auto descriptors = error ? 0 : std::distance(begin(all), end(all)) - 1;
  return {.resident_bytes = resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)),
          .descriptors = static_cast<std::uint64_t>(descriptors)};
}

}  // namespace dexter
