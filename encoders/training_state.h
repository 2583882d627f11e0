#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "encoders/trainer.h"

namespace dexter {

// What a run goes on from: everything that is not derived from the set, the options and the epoch.
struct TrainingState {
  int epoch = 0;          // finished
  std::int64_t step = 0;  // taken, in each block
  int best_epoch = 0;
  double best_ndcg = -1;
  std::vector<EpochRecord> history;
};

std::string state_text(const TrainingState& state);
TrainingState read_state(std::string_view text);  // kCorrupt for what is no such text

// Rises from 0 to 1 over the share `warmup` of all steps, then falls linearly to 0 at the last.
double rate_share(std::int64_t step, double steps, double warmup);

std::uint64_t resident_bytes();  // of this process
std::uint64_t mixed_seed(std::uint64_t seed, std::uint64_t salt);
std::vector<std::uint32_t> label_rows(const Example& example);  // ascending
// Validation documents scored after an epoch: so many that scoring costs a second or two, not
// minutes.
std::size_t validation_limit(const TrainerOptions& options, std::size_t labels);

}  // namespace dexter
