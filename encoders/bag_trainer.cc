// The training loop of the bag encoder.
#include "encoders/bag_trainer.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <numeric>

#include <unistd.h>

namespace dexter {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::uint64_t resident_bytes() {
  std::uint64_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

std::vector<std::uint32_t> rows_of(const Example& example) {
  std::vector<std::uint32_t> rows;
  for (const LabelId label : example.labels) rows.push_back(value(label));
  std::sort(rows.begin(), rows.end());
  return rows;
}

// Validation documents scored after an epoch: so many that scoring costs a second or two, not
// minutes.
std::size_t validation_limit(const TrainerOptions& options, std::size_t labels) {
  constexpr std::size_t kScores = 300'000'000, kFewest = 1000;
  return std::min(static_cast<std::size_t>(options.validation_documents),
                  std::max(kFewest, kScores / std::max<std::size_t>(labels, 1)));
}

std::uint64_t mixed(std::uint64_t seed, std::uint64_t salt) {
  return seed * 0x9E3779B97F4A7C15u + salt;
}

}  // namespace

BagTrainer::BagTrainer(const EncoderOptions& encoder, const LossOptions& loss,
                       const TrainerOptions& options, const TrainingSet& set,
                       const NeighbourSearch& neighbours, const Progress& progress)
    : loss_options_(loss),
      options_(options),
      neighbours_(neighbours),
      progress_(progress),
      loss_(make_loss(loss)),
      has_training_(set.labels.size()),
      model_(BagModel::initial(encoder, set, options.seed)),
      table_optimizer_(model_.table, encoder.dim),
      free_optimizer_(model_.free_vectors, encoder.dim),
      document_side_(model_, model_.document_layer, fastest_precision()),
      label_side_(model_, model_.label_layer, fastest_precision()),
      score_step_(*loss_, loss.temperature, encoder.dim, model_.options.blocks,
                  fastest_precision()) {
  const FeatureOptions features = feature_options(encoder);
  for (const Example& example : set.train) {
    if (example.labels.empty()) continue;
    positives_.push_back(rows_of(example));
    append_text(documents_, example.text, set.text_kind, features, model_.vocabulary);
    for (const std::uint32_t label : positives_.back()) has_training_[label] = 1;
  }
  ensure(
      !positives_.empty(), ErrorKind::kInvalidInput,
      fmt::format(
          "training: none of the {} training documents has a label; import documents with labels",
          set.train.size()));
  const std::size_t limit = validation_limit(options, set.labels.size());
  for (const Example& example : set.validation) {
    if (validation_positives_.size() == limit) break;
    validation_positives_.push_back(rows_of(example));
    append_text(validation_documents_, example.text, set.text_kind, features, model_.vocabulary);
  }
  const bool natural = set.text_kind == TextKind::kNatural;
  for (std::uint32_t row = 0; row < set.labels.size(); ++row) {
    const std::string_view text =
        natural ? std::string_view(set.labels[row].text) : std::string_view();
    append_text(labels_, text, set.text_kind, features, model_.vocabulary);
    if (!natural || !options.label_documents) continue;
    append_text(documents_, text, set.text_kind, features, model_.vocabulary);
    positives_.push_back({row});
  }
  pool_.emplace(static_cast<std::uint32_t>(set.labels.size()), positives_);
  all_labels_.resize(set.labels.size());
  std::iota(all_labels_.begin(), all_labels_.end(), 0u);
  all_documents_.resize(static_cast<std::size_t>(options.batch));
  std::iota(all_documents_.begin(), all_documents_.end(), 0u);
  const auto batch = static_cast<std::uint64_t>(options.batch);
  steps_per_epoch_ = (positives_.size() + batch - 1) / batch;
}

bool BagTrainer::stopped_early() const {
  return options_.patience > 0 && !validation_positives_.empty() &&
         state_.epoch < options_.epochs && state_.epoch - state_.best_epoch >= options_.patience;
}

bool BagTrainer::finished() const { return state_.epoch >= options_.epochs || stopped_early(); }

// Rises over the warm-up, then falls linearly to 0 at the last step of the last epoch.
float BagTrainer::schedule() const {
  const auto total = static_cast<double>(steps_per_epoch_) * options_.epochs;
  const double warmup = std::max(1.0, options_.warmup * total);
  const auto step = static_cast<double>(state_.step);
  return static_cast<float>(step < warmup ? (step + 1) / warmup : 1 - step / total);
}

const EpochRecord& BagTrainer::run_epoch() {
  const auto start = Clock::now();
  const int epoch = state_.epoch + 1;
  std::mt19937_64 random(mixed(options_.seed, static_cast<std::uint64_t>(epoch)));
  std::vector<std::uint32_t> order(positives_.size());
  std::iota(order.begin(), order.end(), 0u);
  std::shuffle(order.begin(), order.end(), random);

  if (options_.hard_negatives > 0 && epoch > 1 && !scores_all_labels()) mine_hard_negatives();

  double loss = 0;
  const auto batch = static_cast<std::size_t>(options_.batch);
  for (std::size_t first = 0; first < order.size(); first += batch) {
    progress_.check("training");
    const std::size_t count = std::min(batch, order.size() - first);
    const double mean = train_step({order.data() + first, count}, random);
    ensure(std::isfinite(mean), ErrorKind::kInvalidInput,
           fmt::format("training: the loss became {} at step {}; lower train.learning_rate ({})",
                       mean, state_.step, options_.learning_rate));
    loss += mean * static_cast<double>(count);
    progress_.update(
        {.stage = fmt::format("epoch {}/{}", epoch, options_.epochs),
         .done = first + count,
         .total = order.size(),
         .note = fmt::format("loss {:.3f}", loss / static_cast<double>(first + count))});
  }
  const double trained_seconds = seconds_since(start);
  const ValidationScore score = validation_score();
  state_.epoch = epoch;
  if (score.ndcg_at_5 > state_.best_ndcg || validation_positives_.empty()) {
    state_.best_ndcg = score.ndcg_at_5;
    state_.best_epoch = epoch;
  }
  state_.history.push_back(
      {.epoch = epoch,
       .loss = loss / static_cast<double>(order.size()),
       .validation_p1 = score.precision_at_1,
       .validation_p5 = score.precision_at_5,
       .learning_rate = options_.learning_rate * static_cast<double>(schedule()),
       .seconds = seconds_since(start),
       .documents_per_second = static_cast<double>(order.size()) / trained_seconds,
       .resident_bytes = resident_bytes()});
  return state_.history.back();
}

// A label's most alike others are those its documents are confused with.
void BagTrainer::mine_hard_negatives() {
  encode_labels();
  const auto k =
      std::min(static_cast<std::size_t>(options_.hard_negatives), all_labels_.size() - 1);
  pool_->set_neighbours(neighbours_({label_side_.vectors(), all_labels_.size(), model_.options.dim},
                                    static_cast<int>(k)),
                        k);
}

bool BagTrainer::scores_all_labels() const {
  return options_.negatives == 0 ||
         static_cast<std::size_t>(options_.negatives) >= all_labels_.size();
}

void BagTrainer::fill_pool(std::span<const std::uint32_t> documents, std::mt19937_64& random) {
  if (scores_all_labels())
    pool_->fill_with_all();
  else
    pool_->fill(documents, static_cast<std::uint32_t>(options_.negatives), random);
  columns_.resize(documents.size());
  for (std::size_t i = 0; i < documents.size(); ++i) {
    columns_[i].clear();
    for (const std::uint32_t label : positives_[documents[i]])
      columns_[i].push_back(pool_->column(label));
  }
}

// The documents of a step in `kept_`, each feature left out with probability `feature_dropout`.
void BagTrainer::keep_features(std::span<const std::uint32_t> documents, std::mt19937_64& random) {
  constexpr double kDraws = 4294967296.0;  // of one 32-bit draw
  const auto dropped = static_cast<std::uint32_t>(options_.feature_dropout * kDraws);
  kept_.offsets.assign(1, 0);
  kept_.features.clear();
  for (const std::uint32_t document : documents) {
    for (const BagFeature& feature : documents_.row(document))
      if (static_cast<std::uint32_t>(random() >> 32) >= dropped) kept_.features.push_back(feature);
    kept_.offsets.push_back(kept_.features.size());
  }
}

double BagTrainer::train_step(std::span<const std::uint32_t> documents, std::mt19937_64& random) {
  fill_pool(documents, random);
  const std::span<const std::uint32_t> labels = pool_->labels();
  const float* free_vectors = options_.free_vectors ? model_.free_vectors.data() : nullptr;
  if (options_.feature_dropout > 0) {
    keep_features(documents, random);
    document_side_.forward(kept_, {all_documents_.data(), documents.size()}, nullptr);
  } else {
    document_side_.forward(documents_, documents, nullptr);
  }
  label_side_.forward(labels_, labels, free_vectors);
  const double loss = score_step_.run({.documents = document_side_.vectors(),
                                       .n = documents.size(),
                                       .labels = label_side_.vectors(),
                                       .m = labels.size(),
                                       .positives = columns_,
                                       .offsets = pool_->offsets()});

  const float share = schedule();
  const std::int64_t step = ++state_.step;
  const float rate = static_cast<float>(options_.learning_rate) * share;
  const float network_rate = static_cast<float>(options_.network_learning_rate) * share;
  const BagGradient sides[] = {
      document_side_.backward(score_step_.document_gradient(), network_rate, step),
      label_side_.backward(score_step_.label_gradient(), network_rate, step)};
  table_optimizer_.update(sides, rate, step);
  if (options_.free_vectors) {
    // A label no document carries stays at zero: it must go on working from its text.
    free_optimizer_.update_rows(labels, has_training_, label_side_.free_gradient(), rate, step);
  }
  return loss;
}

void BagTrainer::encode_labels() {
  label_side_.forward(labels_, all_labels_,
                      options_.free_vectors ? model_.free_vectors.data() : nullptr);
}

ValidationScore BagTrainer::validation_score() {
  if (validation_positives_.empty()) return {};
  std::vector<std::uint32_t> rows(validation_positives_.size());
  std::iota(rows.begin(), rows.end(), 0u);
  document_side_.forward(validation_documents_, rows, nullptr);
  encode_labels();
  return validate(document_side_.vectors(), rows.size(), label_side_.vectors(), all_labels_.size(),
                  model_.options.dim, validation_positives_);
}

}  // namespace dexter
