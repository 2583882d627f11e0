// Rounds of mining, scoring and training.
#include "engine/demo_feedback.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <numeric>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include "encoders/encoder.h"
#include "encoders/feedback_trainer.h"
#include "engine/demo_lists.h"
#include "engine/offline.h"
#include "engine/score_log.h"
#include "storage/checksum.h"
#include "storage/crash_point.h"
#include "storage/error.h"

namespace dexter {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void best_first(std::vector<ScoredDemo>& demos) {
  std::sort(demos.begin(), demos.end(), [](const ScoredDemo& a, const ScoredDemo& b) {
    return a.score != b.score ? a.score > b.score : a.row < b.row;
  });
}

class FeedbackTraining {
 public:
  FeedbackTraining(Catalog& catalog, const Config& config, const Progress& progress)
      : catalog_(catalog),
        config_(config),
        progress_(progress),
        bank_(load_bank(catalog)),
        instructions_(load_instructions(catalog)) {
    config.validate();
    ensure(has_trained_encoder(catalog), ErrorKind::kNotFound,
           fmt::format("training on feedback in {}: the bank has no encoder trained on its "
                       "demonstrations; run `dexter demos train` with --scorer knn first",
                       catalog.path().string()));
    report_.encoder = *catalog.manifest().trained;
    for (std::uint32_t row = 0; row < bank_.size(); ++row)
      if (bank_[row].task != config.demos.without_task)
        rows_of_task_[bank_[row].task].push_back(row);
  }

  const std::vector<Demonstration>& bank() const { return bank_; }
  const Instructions& instructions() const { return instructions_; }

  // Inputs to be scored: of each task so many as were asked for, and an eighth as many held out.
  void choose_inputs() {
    for (const auto& [task, rows] : rows_of_task_) {
      std::vector<std::pair<std::uint64_t, std::uint32_t>> order;
      for (const std::uint32_t row : rows)
        order.emplace_back(checksum64(bank_[row].id, config_.train.seed), row);
      std::sort(order.begin(), order.end());
      const auto asked = static_cast<std::size_t>(config_.demos.inputs);
      const std::size_t most = asked == 0 ? rows.size() : asked;
      const std::size_t most_held_out =
          asked == 0 ? rows.size() : std::max<std::size_t>(most / 8, 1);
      std::size_t taken = 0, held_out = 0;
      for (const auto& [hash, row] : order) {
        if (is_held_out(row) ? held_out++ < most_held_out : taken++ < most)
          inputs_.push_back({row, {}});
      }
    }
  }

  CandidateMiner miner() const {
    std::vector<std::uint32_t> rows;
    for (const auto& [task, own] : rows_of_task_) rows.insert(rows.end(), own.begin(), own.end());
    std::sort(rows.begin(), rows.end());
    return {bank_, std::move(rows)};
  }

  std::unique_ptr<Encoder> encoder() const {
    return load_encoder(catalog_.path(), report_.encoder.file);
  }

  std::vector<ScoredInput>& inputs() { return inputs_; }

  FeedbackRound train_round(int round) {
    FeedbackRound record{.round = round, .inputs = inputs_.size()};
    const FeedbackSet set = training_lists(record);
    record.order_before = order(*encoder());
    const fs::path folder = catalog_.path() / "encoders";
    const std::string file = fmt::format("encoders/{:06}.enc", next_file_number(folder));
    const FeedbackRun run =
        train_on_feedback(catalog_.path(), report_.encoder.file, file, set, config_.demos,
                          config_.train.seed + static_cast<std::uint64_t>(round), progress_);
    report_.encoder.file = run.file;
    report_.encoder.fingerprint = run.file.checksum;
    record.loss = run.loss;
    record.order_after = order(*encoder());
    crash_point("feedback.before_commit");
    Manifest manifest = catalog_.manifest();
    manifest.trained = report_.encoder;
    manifest.config = to_json(config_);
    catalog_.commit(manifest);
    return record;
  }

  void finish(FeedbackRound record, Clock::time_point start,
              const std::function<void(const FeedbackRound&)>& on_round) {
    record.seconds = seconds_since(start);
    report_.seconds += record.seconds;
    report_.rounds.push_back(record);
    if (on_round) on_round(record);
  }
  FeedbackReport take_report() { return std::move(report_); }

 private:
  bool is_held_out(std::uint32_t row) const {
    return in_validation_part(bank_[row].id, config_.train.validation_fraction);
  }

  std::string text_of(std::uint32_t row) const {
    return instructed(instructions_, bank_[row].task, bank_[row].input);
  }

  FeedbackSet training_lists(FeedbackRound& record) {
    FeedbackSet set;
    for (std::uint32_t row = 0; row < bank_.size(); ++row) set.texts.push_back(text_of(row));
    for (ScoredInput& input : inputs_) {
      best_first(input.demos);
      record.scores += input.demos.size();
      if (is_held_out(input.row)) continue;
      const auto task = rows_of_task_.find(bank_[input.row].task);
      if (task == rows_of_task_.end()) continue;  // left out
      RankedList list;
      list.query = input.row;
      list.task = static_cast<std::uint32_t>(std::distance(rows_of_task_.begin(), task));
      for (const ScoredDemo& each : input.demos) {
        list.candidates.push_back(each.row);
        list.scores.push_back(each.score);
      }
      set.lists.push_back(std::move(list));
    }
    return set;
  }

  double order(const Encoder& encoder) const {
    std::uint64_t right = 0, pairs = 0;
    for (const ScoredInput& input : inputs_) {
      if (!is_held_out(input.row)) continue;
      std::vector<std::string> texts{text_of(input.row)};
      for (const ScoredDemo& each : input.demos) texts.push_back(text_of(each.row));
      const EmbeddingMatrix vectors = encoder.encode(texts);
      std::vector<float> near;
      for (std::size_t i = 1; i < texts.size(); ++i)
        near.push_back(std::inner_product(vectors.row(0).begin(), vectors.row(0).end(),
                                          vectors.row(i).begin(), 0.0F));
      for (std::size_t i = 0; i < near.size(); ++i)
        for (std::size_t j = i + 1; j < near.size(); ++j) {
          if (input.demos[i].score == input.demos[j].score) continue;
          ++pairs;
          right += near[i] > near[j];
        }
    }
    return pairs == 0 ? 0 : 100 * static_cast<double>(right) / static_cast<double>(pairs);
  }

  Catalog& catalog_;
  const Config& config_;
  const Progress& progress_;
  const std::vector<Demonstration> bank_;
  const Instructions instructions_;
  std::map<std::string, std::vector<std::uint32_t>> rows_of_task_;  // without the one left out
  std::vector<ScoredInput> inputs_;
  FeedbackReport report_;
};

}  // namespace

bool has_trained_encoder(const Catalog& bank) {
  const Manifest& manifest = bank.manifest();
  return manifest.trained && manifest.corpus && manifest.trained->corpus == manifest.corpus->number;
}

FeedbackReport train_by_scorer(Catalog& bank, const Config& config, DemoScorer& scorer,
                               const std::function<void(const FeedbackRound&)>& on_round,
                               const Progress& progress) {
  FeedbackTraining training(bank, config, progress);
  training.choose_inputs();
  CandidateMiner miner = training.miner();
  ScoreLog log(bank.path() / kScoresFile);
  for (int round = 1; round <= config.demos.rounds; ++round) {
    const Clock::time_point start = Clock::now();
    if (round > 1) miner.use(*training.encoder(), training.instructions());
    const std::uint64_t asked =
        score_candidates(training.bank(), miner, static_cast<std::size_t>(config.demos.candidates),
                         scorer, log, training.inputs(), progress);
    FeedbackRound record = training.train_round(round);
    record.asked = asked;
    training.finish(record, start, on_round);
  }
  return training.take_report();
}

FeedbackReport train_by_scores(Catalog& bank, const Config& config, std::vector<ScoredInput> scores,
                               const std::function<void(const FeedbackRound&)>& on_round,
                               const Progress& progress) {
  const Clock::time_point start = Clock::now();
  FeedbackTraining training(bank, config, progress);
  training.inputs() = std::move(scores);
  training.finish(training.train_round(1), start, on_round);
  return training.take_report();
}

}  // namespace dexter
