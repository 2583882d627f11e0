// Steps of a retriever that learns the order a scorer gives.
#include "encoders/feedback_trainer.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <random>
#include <unordered_map>
#include <unordered_set>

#include "encoders/bag_model.h"
#include "encoders/bag_side.h"
#include "encoders/option_range.h"
#include "encoders/ranking_loss.h"
#include "encoders/score_step.h"
#include "encoders/table_optimizer.h"
#include "encoders/training_state.h"
#include "storage/error.h"

namespace dexter {
namespace {

constexpr double kWarmup = 0.05;
constexpr double kNetworkShare = 0.1;  // of the tables' rate, for the residual layers

// Which task's lists a step takes, and which of them: each task's lists come in turn, shuffled anew
// when all were taken; tasks come by chance.
class TaskTurns {
 public:
  TaskTurns(const std::vector<RankedList>& lists, double alpha, std::mt19937_64& random)
      : random_(random) {
    std::map<std::uint32_t, std::vector<std::uint32_t>> by_task;
    for (std::uint32_t i = 0; i < lists.size(); ++i)
      if (lists[i].scores.size() > 1 && lists[i].scores.front() > lists[i].scores.back())
        by_task[lists[i].task].push_back(i);
    std::vector<double> weights;
    for (auto& [task, own] : by_task) {
      weights.push_back(std::pow(static_cast<double>(own.size()), alpha));
      usable_ += own.size();
      tasks_.push_back({std::move(own), 0});
    }
    ensure(usable_ > 0, ErrorKind::kInvalidInput,
           fmt::format("training on feedback: none of the {} inputs has two demonstrations of "
                       "different scores; score more of each",
                       lists.size()));
    chance_ = std::discrete_distribution<std::size_t>(weights.begin(), weights.end());
    for (Task& task : tasks_) std::shuffle(task.lists.begin(), task.lists.end(), random_);
  }

  std::size_t usable() const { return usable_; }

  std::vector<std::uint32_t> next(std::size_t batch) {
    Task& task = tasks_[chance_(random_)];
    std::vector<std::uint32_t> taken;
    while (taken.size() < std::min(batch, task.lists.size())) {
      if (task.at == task.lists.size()) {
        std::shuffle(task.lists.begin(), task.lists.end(), random_);
        task.at = 0;
        if (!taken.empty()) break;  // a list comes once in a batch
      }
      taken.push_back(task.lists[task.at++]);
    }
    return taken;
  }

 private:
  struct Task {
    std::vector<std::uint32_t> lists;
    std::size_t at = 0;
  };
  std::mt19937_64& random_;
  std::vector<Task> tasks_;
  std::size_t usable_ = 0;
  std::discrete_distribution<std::size_t> chance_;
};

class FeedbackTrainer {
 public:
  FeedbackTrainer(BagModel& model, const FeedbackSet& set, const FeedbackOptions& options,
                  std::uint64_t seed)
      : model_(model),
        set_(set),
        options_(options),
        random_(seed),
        loss_(make_ranking_loss(options.loss == "epr" ? 0 : options.rank_weight)),
        step_(*loss_, options.temperature, model.width(), 1, fastest_precision()),
        turns_(set.lists, options.task_alpha, random_) {
    const FeatureOptions features = feature_options(model.options);
    for (const std::string& text : set.texts)
      append_text(texts_, text, model.text_kind, features, model.vocabulary);
    for (BagBlock& block : model.blocks)
      blocks_.push_back({TableOptimizer(block.table, model.width()),
                         BagSide(block, block.document_layer, fastest_precision())});
  }

  FeedbackRun run(const Progress& progress) {
    const auto batch = static_cast<std::size_t>(options_.batch);
    const std::size_t per_epoch = (turns_.usable() + batch - 1) / batch;
    const std::size_t steps = per_epoch * static_cast<std::size_t>(options_.epochs);
    double sum = 0;
    for (std::size_t step = 0; step < steps; ++step) {
      progress.check("training");
      const double share =
          rate_share(static_cast<std::int64_t>(step), static_cast<double>(steps), kWarmup);
      const double loss = train_step(static_cast<std::int64_t>(step) + 1, share);
      ensure(std::isfinite(loss), ErrorKind::kInvalidInput,
             fmt::format("training on feedback: the loss became {} at step {}; lower "
                         "demos.learning_rate ({})",
                         loss, step + 1, options_.learning_rate));
      if (step + per_epoch >= steps) sum += loss;
      progress.update({.stage = "training",
                       .done = step + 1,
                       .total = steps,
                       .unit = "steps",
                       .note = fmt::format("loss {:.3f}", loss)});
    }
    return {.file = {}, .steps = steps, .loss = sum / static_cast<double>(per_epoch)};
  }

 private:
  struct BlockTrainer {
    TableOptimizer optimizer;
    BagSide side;
  };

  double train_step(std::int64_t step, double share) {
    draw_batch();
    const std::size_t rows = queries_.size() + pool_.size();
    const auto width = static_cast<std::size_t>(model_.width());
    std::vector<std::uint32_t> kept_rows(rows);
    std::iota(kept_rows.begin(), kept_rows.end(), 0U);
    std::vector<float> gradient(rows * width);
    double loss = 0;
    for (BlockTrainer& block : blocks_) {
      keep_features();
      block.side.forward(kept_, kept_rows);
      const float* vectors = block.side.vectors();
      loss += step_.run({.documents = vectors,
                         .n = queries_.size(),
                         .labels = vectors + queries_.size() * width,
                         .m = pool_.size(),
                         .positives = columns_});
      std::copy_n(step_.document_gradient(), queries_.size() * width, gradient.begin());
      std::copy_n(step_.label_gradient(), pool_.size() * width,
                  gradient.begin() + static_cast<std::ptrdiff_t>(queries_.size() * width));
      const auto rate = static_cast<float>(options_.learning_rate * share);
      const BagGradient side[] = {
          block.side.backward(gradient.data(), rate * static_cast<float>(kNetworkShare), step)};
      block.optimizer.update(side, rate, step);
    }
    return loss / static_cast<double>(blocks_.size());
  }

  // Inputs of one task, the candidates of all of them as one pool, and each one's own, best first.
  void draw_batch() {
    const std::vector<std::uint32_t> lists = turns_.next(static_cast<std::size_t>(options_.batch));
    queries_.clear();
    pool_.clear();
    columns_.clear();
    std::unordered_set<std::uint32_t> asked;
    for (const std::uint32_t list : lists) asked.insert(set_.lists[list].query);
    std::unordered_map<std::uint32_t, std::uint32_t> column_of;
    for (const std::uint32_t list : lists) {
      std::vector<std::uint32_t> columns;
      for (const std::uint32_t candidate : drawn(set_.lists[list], asked)) {
        const auto next = static_cast<std::uint32_t>(pool_.size());
        const auto [place, is_new] = column_of.emplace(candidate, next);
        if (is_new) pool_.push_back(candidate);
        columns.push_back(place->second);
      }
      if (columns.size() < 2) continue;
      queries_.push_back(set_.lists[list].query);
      columns_.push_back(std::move(columns));
    }
  }

  // Candidates of a list for a step, best first, no two of one score.
  std::vector<std::uint32_t> drawn(const RankedList& list,
                                   const std::unordered_set<std::uint32_t>& asked) {
    std::vector<std::size_t> places(list.candidates.size());
    std::iota(places.begin(), places.end(), std::size_t{0});
    std::erase_if(places, [&](std::size_t at) { return asked.contains(list.candidates[at]); });
    if (options_.loss == "epr") {
      const std::size_t good = std::min(static_cast<std::size_t>(options_.extremes),
                                        std::max<std::size_t>(places.size() / 2, 1));
      if (places.size() < 2) return {};
      const std::size_t first = places[random_() % good];
      const std::size_t last = places[places.size() - 1 - random_() % good];
      places = {first, last};
    } else {
      std::shuffle(places.begin(), places.end(), random_);
    }
    std::vector<std::size_t> kept;
    const auto most = static_cast<std::size_t>(options_.list);
    for (const std::size_t at : places) {
      const bool seen = std::any_of(kept.begin(), kept.end(), [&](std::size_t other) {
        return list.scores[other] == list.scores[at];
      });
      if (!seen && kept.size() < most) kept.push_back(at);
    }
    std::sort(kept.begin(), kept.end());
    std::vector<std::uint32_t> rows;
    for (const std::size_t at : kept) rows.push_back(list.candidates[at]);
    return rows;
  }

  // Queries and pool in `kept_`, each feature left out with probability `feature_dropout`.
  void keep_features() {
    constexpr double kDraws = 4294967296.0;  // of one 32-bit draw
    const auto dropped = static_cast<std::uint32_t>(options_.feature_dropout * kDraws);
    kept_.offsets.assign(1, 0);
    kept_.features.clear();
    for (const auto* rows : {&queries_, &pool_})
      for (const std::uint32_t row : *rows) {
        for (const BagFeature& feature : texts_.row(row))
          if (static_cast<std::uint32_t>(random_() >> 32) >= dropped)
            kept_.features.push_back(feature);
        kept_.offsets.push_back(kept_.features.size());
      }
  }

  BagModel& model_;
  const FeedbackSet& set_;
  const FeedbackOptions& options_;
  std::mt19937_64 random_;
  std::unique_ptr<LossFunction> loss_;
  ScoreStep step_;
  TaskTurns turns_;
  BagBatch texts_, kept_;
  std::vector<BlockTrainer> blocks_;
  // of a step
  std::vector<std::uint32_t> queries_, pool_;
  std::vector<std::vector<std::uint32_t>> columns_;
};

}  // namespace

void FeedbackOptions::validate() const {
  ensure(loss == "udr" || loss == "epr", ErrorKind::kInvalidInput,
         fmt::format("demos.loss is \"{}\"; choose \"udr\" or \"epr\"", loss));
  ensure_in_range("demos", "rounds", rounds, 1, 100);
  ensure_in_range("demos", "epochs", epochs, 1, 10'000);
  ensure_in_range("demos", "candidates", candidates, 2, 10'000);
  ensure_in_range("demos", "list", list, 2, 1000);
  ensure_in_range("demos", "extremes", extremes, 1, 1000);
  ensure_in_range("demos", "batch", batch, 2, 1 << 14);
  ensure_in_range("demos", "rank_weight", rank_weight, 0.0, 1.0);
  ensure_in_range("demos", "temperature", temperature, 1e-3, 10.0);
  ensure_in_range("demos", "task_alpha", task_alpha, 0.0, 1.0);
  ensure_in_range("demos", "learning_rate", learning_rate, 0.0, 10.0);
  ensure_in_range("demos", "feature_dropout", feature_dropout, 0.0, 0.95);
  ensure_in_range("demos", "inputs", inputs, 0, 1 << 30);
  ensure_in_range("demos", "outputs", outputs, 0, 10'000);
}

FeedbackRun train_on_feedback(const std::filesystem::path& root, const FileRef& start,
                              const std::string& name, const FeedbackSet& set,
                              const FeedbackOptions& options, std::uint64_t seed,
                              const Progress& progress) {
  options.validate();
  BagModel model = BagModel::load(root, start);
  FeedbackRun run = FeedbackTrainer(model, set, options, seed).run(progress);
  run.file = model.save(root, name);
  return run;
}

}  // namespace dexter
