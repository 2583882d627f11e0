// The ranges of the server's options.
#include "engine/serve_options.h"

#include <string_view>

#include <spdlog/fmt/fmt.h>

#include "engine/cross_origin.h"
#include "storage/error.h"

namespace dexter {
namespace {

void check_range(std::string_view name, int found, int least, int most) {
  if (found >= least && found <= most) return;
  throw Error(ErrorKind::kInvalidInput,
              fmt::format("checking options: serve.{} is {}, but {} to {} is possible", name, found,
                          least, most));
}

}  // namespace

void ServeOptions::validate() const {
  constexpr int kDay = 24 * 3600 * 1000;
  constexpr int kMany = 1 << 20;
  check_origins(cors_origins);
  check_range("port", port, 0, 65535);
  check_range("io_threads", io_threads, 0, 1024);
  check_range("workers", workers, 1, 1024);
  check_range("connections", connections, 1, kMany);
  check_range("header_bytes", header_bytes, 256, kMany);
  check_range("body_bytes", body_bytes, 1024, 1 << 30);
  check_range("header_ms", header_ms, 1, kDay);
  check_range("body_ms", body_ms, 1, kDay);
  check_range("write_ms", write_ms, 1, kDay);
  check_range("idle_ms", idle_ms, 1, kDay);
  check_range("grace_ms", grace_ms, 0, kDay);
  check_range("drain_ms", drain_ms, 0, kDay);
  ensure(search.name == "cpu" || search.name == "cuda" || search.name == "auto",
         ErrorKind::kInvalidInput,
         fmt::format("checking options: serve.device is '{}', but must be cpu, cuda or auto",
                     search.name));
  ensure(search.memory > 0, ErrorKind::kInvalidInput,
         fmt::format("checking options: serve.device_memory is {}, but must be above 0",
                     search.memory));
  check_range("device_codes", search.codes, 0, 96);
  check_range("max_k", max_k, 1, kMany);
  check_range("max_offset", max_offset, 0, 1 << 30);
  check_range("max_texts", max_texts, 1, kMany);
  check_range("text_bytes", text_bytes, 1, 1 << 30);
  check_range("timeout_ms", timeout_ms, 1, kDay);
  check_range("queue", queue, 1, kMany);
  check_range("refused_per_s", refused_per_s, 0, kMany);
  check_range("batch", batch, 1, 1 << 16);
  check_range("batch_bytes", batch_bytes, 1, 1 << 30);
  check_range("window_us", window_us, 0, 1000000);
  check_range("cache_mb", cache_mb, 0, 1 << 20);
  check_range("writers", writers, 1, 1024);
  check_range("write_queue", write_queue, 1, kMany);
  check_range("compact_changes", compact_changes, 0, 1 << 30);
  check_range("max_labels", max_labels, 1, kMany);
}

}  // namespace dexter
