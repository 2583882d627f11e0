// The choice of `auto`.
#include "index/kind_choice.h"

#include <unistd.h>

#include <fstream>

#include <spdlog/fmt/fmt.h>

namespace dexter {
namespace {

// Exact search takes 0.9 ms for one query at 205 MB (200,000 x 256, two threads) and 0.14 ms each
// for 64 together, and grows with the bytes; bench/index/search_bench.cc.
constexpr double kFlatBytes = 1e9;
// A graph of more rows takes hours to build.
constexpr std::size_t kGraphRows = 2'000'000;

}  // namespace

KindChoice choose_kind(std::size_t rows, int dim, int links, double available_bytes) {
  const auto count = static_cast<double>(rows);
  const double vectors = count * dim * sizeof(float);
  // 2 * links on the lowest layer, where all rows are, a tenth more above, and bookkeeping.
  const double graph = vectors + count * (2.2 * links * sizeof(int) + 32);
  const std::string size =
      fmt::format("auto: {} vectors of {} dimensions are {:.1f} MB", rows, dim, vectors / 1e6);
  if (vectors <= kFlatBytes)
    return {"flat", fmt::format("{}, at most the {:.0f} MB that exact search reads fast enough",
                                size, kFlatBytes / 1e6)};
  if (rows > kGraphRows)
    return {"ivf", fmt::format("{}, and a graph of more than {} rows takes too long to build", size,
                               kGraphRows)};
  if (graph > available_bytes / 2)
    return {"ivf",
            fmt::format(
                "{}, and {:.1f} MB with a graph are more than half of the {:.1f} MB of free memory",
                size, graph / 1e6, available_bytes / 1e6)};
  return {"hnsw", fmt::format("{}, more than the {:.0f} MB that exact search reads fast enough; "
                              "{:.1f} MB with a graph fit half "
                              "of the {:.1f} MB of free memory",
                              size, kFlatBytes / 1e6, graph / 1e6, available_bytes / 1e6)};
}

double available_memory() {
  std::ifstream meminfo("/proc/meminfo");
  std::string name;
  for (double kib = 0; meminfo >> name >> kib; meminfo.ignore(64, '\n'))
    if (name == "MemAvailable:") return kib * 1024;
  return static_cast<double>(sysconf(_SC_AVPHYS_PAGES)) *
         static_cast<double>(sysconf(_SC_PAGESIZE));
}

}  // namespace dexter
