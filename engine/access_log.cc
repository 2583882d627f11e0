// Access lines through spdlog's asynchronous logger.
#include "engine/access_log.h"

#include <algorithm>

#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include "engine/json_text.h"

namespace dexter {
namespace {

constexpr std::size_t kWaitingLines = 8192;
constexpr std::size_t kLongestMethod = 16, kLongestBody = 2048;

}  // namespace

struct AccessLog::Impl {
  std::shared_ptr<spdlog::details::thread_pool> thread =
      std::make_shared<spdlog::details::thread_pool>(kWaitingLines, 1);
  // shared, because each line that waits holds it
  std::shared_ptr<spdlog::async_logger> logger = std::make_shared<spdlog::async_logger>(
      "access", spdlog::default_logger()->sinks().begin(), spdlog::default_logger()->sinks().end(),
      thread, spdlog::async_overflow_policy::overrun_oldest);
};

std::string access_line(const AccessEntry& entry) {
  std::string line = fmt::format("access method={} route={} status={} ms={:.3f} bytes={} id={}",
                                 entry.method.substr(0, kLongestMethod), entry.route, entry.status,
                                 entry.ms, entry.bytes, entry.request_id);
  if (!entry.trace_id.empty()) line.append(" trace=").append(entry.trace_id);
  if (entry.body.empty()) return line;
  line += " body=";
  append_json(line, entry.body.substr(0, kLongestBody));
  return line;
}

AccessLog::AccessLog() : impl_(std::make_unique<Impl>()) {}
AccessLog::~AccessLog() = default;

void AccessLog::write(const AccessEntry& entry) { impl_->logger->info("{}", access_line(entry)); }

}  // namespace dexter
