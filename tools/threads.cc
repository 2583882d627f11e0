// The one place that sizes thread pools.
#include "tools/threads.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include <ATen/Parallel.h>
#include <omp.h>

namespace dexter {

int usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const int allowed = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
  // A container's quota leaves the affinity whole; threads beyond the quota only wait for each
  // other.
  std::ifstream quota_file("/sys/fs/cgroup/cpu.max");
  double quota = 0;
  double period = 0;
  if (quota_file >> quota >> period && period > 0)
    return std::clamp(static_cast<int>(std::ceil(quota / period)), 1, std::max(allowed, 1));
  return std::max(allowed, 1);
}

void set_threads(int threads) {
  const int count = threads > 0 ? threads : usable_cores();
  omp_set_num_threads(count);
  at::set_num_threads(count);
}

}  // namespace dexter
