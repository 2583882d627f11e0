// What the trainers of all kinds share.
#include "encoders/training_state.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include <unistd.h>

namespace dexter {

std::string state_text(const TrainingState& state) {
  std::string text =
      fmt::format("{} {} {} {}\n", state.epoch, state.step, state.best_epoch, state.best_ndcg);
  for (const EpochRecord& r : state.history)
    text += fmt::format("{} {} {} {} {} {} {} {} {} {} {} {}\n", r.epoch, r.loss, r.validation_p1,
                        r.validation_p5, r.learning_rate, r.seconds, r.documents_per_second,
                        r.resident_bytes, r.chunk_tokens, r.pretraining ? 1 : 0,
                        fmt::join(r.band_shares, " "), r.waiting);
  return text;
}

TrainingState read_state(std::string_view text) {
  std::istringstream in{std::string(text)};
  TrainingState state;
  in >> state.epoch >> state.step >> state.best_epoch >> state.best_ndcg;
  ensure(static_cast<bool>(in), ErrorKind::kCorrupt,
         "resuming a training: its checkpoint's state is unreadable; train without --resume");
  std::string line;
  std::getline(in, line);
  while (std::getline(in, line)) {
    std::istringstream fields(line);
    EpochRecord r;
    if (!(fields >> r.epoch >> r.loss >> r.validation_p1 >> r.validation_p5 >> r.learning_rate >>
          r.seconds >> r.documents_per_second >> r.resident_bytes))
      break;
    if (!(fields >> r.chunk_tokens)) r.chunk_tokens = 0;    // lines of former builds end before it
    if (!(fields >> r.pretraining)) r.pretraining = false;  // or before this
    for (double& share : r.band_shares) fields >> share;
    if (!(fields >> r.waiting)) r.waiting = 0;
    state.history.push_back(r);
  }
  return state;
}

double rate_share(std::int64_t step, double steps, double warmup) {
  const double rise = std::max(1.0, warmup * steps);
  const auto taken = static_cast<double>(step);
  return taken < rise ? (taken + 1) / rise : 1 - taken / steps;
}

std::uint64_t resident_bytes() {
  std::uint64_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

std::uint64_t mixed_seed(std::uint64_t seed, std::uint64_t salt) {
  return seed * 0x9E3779B97F4A7C15u + salt;
}

std::vector<std::uint32_t> label_rows(const Example& example) {
  std::vector<std::uint32_t> rows;
  for (const LabelId label : example.labels) rows.push_back(value(label));
  std::sort(rows.begin(), rows.end());
  return rows;
}

std::size_t validation_limit(const TrainerOptions& options, std::size_t labels) {
  constexpr std::size_t kScores = 300'000'000, kFewest = 1000;
  return std::min(static_cast<std::size_t>(options.validation_documents),
                  std::max(kFewest, kScores / std::max<std::size_t>(labels, 1)));
}

}  // namespace dexter
