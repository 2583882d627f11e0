// The training loop of the bag encoder.
#include "encoders/bag_trainer.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <numeric>

#include "encoders/batch_order.h"

namespace dexter {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kVectorChunk = 4096;  // bounds what the sides keep

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

BagTrainer::BlockTrainer::BlockTrainer(BagBlock& trained)
    : block(trained),
      table_optimizer(block.table, block.document_layer.dim),
      free_optimizer(block.free_vectors, block.document_layer.dim),
      document_side(block, block.document_layer, fastest_precision()),
      label_side(block, block.label_layer, fastest_precision()) {}

BagTrainer::BagTrainer(const EncoderOptions& encoder, const LossOptions& loss,
                       const TrainerOptions& options, const TrainingSet& set,
                       const NeighbourSearch& neighbours, const Progress& progress,
                       const Teacher* teacher)
    : loss_options_(loss),
      options_(options),
      neighbours_(neighbours),
      progress_(progress),
      teacher_(teacher),
      loss_(make_loss(loss)),
      has_training_(set.labels.size()),
      frequency_logit_(set.labels.size()),
      model_(BagModel::initial(encoder, set, options.seed)),
      score_step_(*loss_, loss.temperature, model_.width(), 1, fastest_precision()) {
  for (BagBlock& block : model_.blocks) blocks_.emplace_back(block);
  read_documents(set);
  read_labels(set);
  pool_.emplace(static_cast<std::uint32_t>(set.labels.size()), positives_);
  all_documents_.resize(static_cast<std::size_t>(options.batch));
  std::iota(all_documents_.begin(), all_documents_.end(), 0u);
  const auto batch = static_cast<std::uint64_t>(options.batch);
  steps_per_epoch_ = (positives_.size() + batch - 1) / batch;
}

void BagTrainer::read_documents(const TrainingSet& set) {
  const FeatureOptions features = feature_options(model_.options);
  for (std::uint32_t row = 0; row < set.train.size(); ++row) {
    const Example& example = set.train[row];
    if (example.labels.empty()) continue;
    positives_.push_back(label_rows(example));
    teacher_rows_.push_back(row);
    append_text(documents_, example.text, set.text_kind, features, model_.vocabulary);
    for (const std::uint32_t label : positives_.back()) {
      has_training_[label] = 1;
      frequency_logit_[label] += 1;
    }
  }
  const auto adjustment = static_cast<float>(loss_options_.logit_adjustment);
  for (float& frequency : frequency_logit_) frequency = adjustment * std::log1p(frequency);
  ensure(
      !positives_.empty(), ErrorKind::kInvalidInput,
      fmt::format(
          "training: none of the {} training documents has a label; import documents with labels",
          set.train.size()));
  const std::size_t limit = validation_limit(options_, set.labels.size());
  for (const Example& example : set.validation) {
    if (validation_positives_.size() == limit) break;
    validation_positives_.push_back(label_rows(example));
    append_text(validation_documents_, example.text, set.text_kind, features, model_.vocabulary);
  }
}

void BagTrainer::read_labels(const TrainingSet& set) {
  const FeatureOptions features = feature_options(model_.options);
  const bool natural = set.text_kind == TextKind::kNatural;
  for (std::uint32_t row = 0; row < set.labels.size(); ++row) {
    const std::string_view text =
        natural ? std::string_view(set.labels[row].text) : std::string_view();
    append_text(labels_, text, set.text_kind, features, model_.vocabulary);
    if (!natural || !options_.label_documents) continue;
    append_text(documents_, text, set.text_kind, features, model_.vocabulary);
    positives_.push_back({row});
    teacher_rows_.push_back(static_cast<std::uint32_t>(set.train.size()) + row);
  }
}

bool BagTrainer::stopped_early() const {
  return options_.patience > 0 && !validation_positives_.empty() &&
         state_.epoch < options_.epochs && state_.epoch - state_.best_epoch >= options_.patience;
}

bool BagTrainer::finished() const { return state_.epoch >= options_.epochs || stopped_early(); }

float BagTrainer::schedule(std::int64_t step) const {
  const auto total = static_cast<double>(steps_per_epoch_) * options_.epochs;
  return static_cast<float>(rate_share(step, total, options_.warmup));
}

const EpochRecord& BagTrainer::run_epoch() {
  const auto start = Clock::now();
  const int epoch = state_.epoch + 1;
  if (options_.hard_negatives > 0 && epoch > 1 && !scores_all_labels()) mine_hard_negatives();
  double loss = 0;
  for (std::size_t block = 0; block < blocks_.size(); ++block) loss += run_block(block);
  state_.step += static_cast<std::int64_t>(steps_per_epoch_);
  const double trained_seconds = seconds_since(start);
  const ValidationScore score = validation_score();
  state_.epoch = epoch;
  if (score.ndcg_at_5 > state_.best_ndcg || validation_positives_.empty()) {
    state_.best_ndcg = score.ndcg_at_5;
    state_.best_epoch = epoch;
  }
  state_.history.push_back(
      {.epoch = epoch,
       .loss = loss / static_cast<double>(positives_.size() * blocks_.size()),
       .validation_p1 = score.precision_at_1,
       .validation_p5 = score.precision_at_5,
       .learning_rate = options_.learning_rate * static_cast<double>(schedule(state_.step)),
       .seconds = seconds_since(start),
       .documents_per_second = static_cast<double>(positives_.size()) / trained_seconds,
       .resident_bytes = resident_bytes()});
  return state_.history.back();
}

// The first epoch's vectors say nothing yet.
std::vector<std::uint32_t> BagTrainer::order_of(BlockTrainer& trainer, std::mt19937_64& random) {
  const std::size_t documents = positives_.size();
  if (options_.batches != "clustered" || state_.epoch == 0)
    return shuffled_order(documents, random);
  const auto width = static_cast<std::size_t>(model_.width());
  std::vector<float> vectors(documents * width);
  std::vector<std::uint32_t> rows;
  for (std::size_t first = 0; first < documents; first += kVectorChunk) {
    rows.resize(std::min(kVectorChunk, documents - first));
    std::iota(rows.begin(), rows.end(), static_cast<std::uint32_t>(first));
    trainer.document_side.forward(documents_, rows, nullptr);
    std::copy_n(trainer.document_side.vectors(), rows.size() * width, &vectors[first * width]);
  }
  return clustered_order({vectors.data(), documents, model_.width()},
                         static_cast<std::size_t>(options_.cluster), random);
}

double BagTrainer::run_block(std::size_t block) {
  const auto epoch = static_cast<std::uint64_t>(state_.epoch + 1);
  std::mt19937_64 random(mixed_seed(mixed_seed(options_.seed, epoch), block));
  const std::vector<std::uint32_t> order = order_of(blocks_[block], random);

  double loss = 0;
  std::int64_t step = state_.step;
  const auto batch = static_cast<std::size_t>(options_.batch);
  for (std::size_t first = 0; first < order.size(); first += batch) {
    progress_.check("training");
    const std::size_t count = std::min(batch, order.size() - first);
    const double mean = train_step(blocks_[block], {order.data() + first, count}, step++, random);
    ensure(std::isfinite(mean), ErrorKind::kInvalidInput,
           fmt::format("training: the loss became {} at step {}; lower train.learning_rate ({})",
                       mean, step, options_.learning_rate));
    loss += mean * static_cast<double>(count);
    progress_.update(
        {.stage = fmt::format("epoch {}/{}", epoch, options_.epochs),
         .done = (block * order.size() + first + count) / blocks_.size(),
         .total = order.size(),
         .note = fmt::format("loss {:.3f}", loss / static_cast<double>(first + count))});
  }
  return loss;
}

// A label's most alike others are those its documents are confused with.
void BagTrainer::mine_hard_negatives() {
  const std::size_t labels = has_training_.size();
  const auto k = std::min(static_cast<std::size_t>(options_.hard_negatives), labels - 1);
  const std::vector<float> vectors = vectors_of(labels_, labels, &BlockTrainer::label_side);
  pool_->set_neighbours(
      neighbours_({vectors.data(), labels, model_.options.dim}, static_cast<int>(k)), k);
}

bool BagTrainer::scores_all_labels() const {
  return options_.negatives == 0 ||
         static_cast<std::size_t>(options_.negatives) >= has_training_.size();
}

void BagTrainer::fill_pool(std::span<const std::uint32_t> documents, std::mt19937_64& random) {
  if (loss_->needs().batch_alone)
    pool_->fill_with_own(documents);
  else if (scores_all_labels())
    pool_->fill_with_all();
  else
    pool_->fill(documents, static_cast<std::uint32_t>(options_.negatives), random);
  offsets_.clear();
  if (loss_->needs().sampling_offsets)
    offsets_.assign(pool_->offsets().begin(), pool_->offsets().end());
  adjustments_.clear();
  if (loss_options_.logit_adjustment > 0) {
    offsets_.resize(pool_->labels().size());
    for (std::size_t j = 0; const std::uint32_t label : pool_->labels()) {
      adjustments_.push_back(frequency_logit_[label]);
      offsets_[j++] += frequency_logit_[label];
    }
  }
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

// The teacher's vectors of a step's documents and of its pool.
void BagTrainer::ask_teacher(std::span<const std::uint32_t> documents) {
  if (teacher_ == nullptr) return;
  const auto gather = [](const EmbeddingMatrix& from, std::span<const std::uint32_t> rows,
                         std::vector<float>& out) {
    out.clear();
    for (const std::uint32_t row : rows) {
      const std::span<const float> values = from.row(row);
      out.insert(out.end(), values.begin(), values.end());
    }
  };
  std::vector<std::uint32_t> rows;
  for (const std::uint32_t document : documents) rows.push_back(teacher_rows_[document]);
  gather(teacher_->documents, rows, teacher_documents_);
  gather(teacher_->labels, pool_->labels(), teacher_labels_);
}

double BagTrainer::train_step(BlockTrainer& trainer, std::span<const std::uint32_t> documents,
                              std::int64_t step, std::mt19937_64& random) {
  fill_pool(documents, random);
  ask_teacher(documents);
  const std::span<const std::uint32_t> labels = pool_->labels();
  const float* free_vectors = options_.free_vectors ? trainer.block.free_vectors.data() : nullptr;
  if (options_.feature_dropout > 0) {
    keep_features(documents, random);
    trainer.document_side.forward(kept_, {all_documents_.data(), documents.size()}, nullptr);
  } else {
    trainer.document_side.forward(documents_, documents, nullptr);
  }
  trainer.label_side.forward(labels_, labels, free_vectors);
  const double loss =
      score_step_.run({.documents = trainer.document_side.vectors(),
                       .n = documents.size(),
                       .labels = trainer.label_side.vectors(),
                       .m = labels.size(),
                       .positives = columns_,
                       .offsets = offsets_,
                       .adjustments = adjustments_,
                       .teacher_documents = teacher_ ? teacher_documents_.data() : nullptr,
                       .teacher_labels = teacher_ ? teacher_labels_.data() : nullptr,
                       .teacher_dim = teacher_ ? teacher_->labels.dim() : 0,
                       .teacher_weight = teacher_ ? teacher_->options.weight : 0,
                       .teacher_temperature = teacher_ ? teacher_->options.temperature : 1});

  const float share = schedule(step);
  ++step;  // Adam counts from 1
  const float rate = static_cast<float>(options_.learning_rate) * share;
  const float network_rate = static_cast<float>(options_.network_learning_rate) * share;
  const BagGradient sides[] = {
      trainer.document_side.backward(score_step_.document_gradient(), network_rate, step),
      trainer.label_side.backward(score_step_.label_gradient(), network_rate, step)};
  trainer.table_optimizer.update(sides, rate, step);
  if (options_.free_vectors) {
    // A label no document carries stays at zero: it must go on working from its text.
    trainer.free_optimizer.update_rows(labels, has_training_, trainer.label_side.free_gradient(),
                                       rate, step);
  }
  return loss;
}

std::vector<float> BagTrainer::vectors_of(const BagBatch& bags, std::size_t texts,
                                          BagSide BlockTrainer::*side) {
  const bool free = side == &BlockTrainer::label_side && options_.free_vectors;
  const auto dim = static_cast<std::size_t>(model_.options.dim);
  const auto width = static_cast<std::size_t>(model_.width());
  std::vector<float> out(texts * dim);
  std::vector<std::uint32_t> rows;
  for (std::size_t first = 0; first < texts; first += kVectorChunk) {
    rows.resize(std::min(kVectorChunk, texts - first));
    std::iota(rows.begin(), rows.end(), static_cast<std::uint32_t>(first));
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      BagSide& encoder = blocks_[b].*side;
      encoder.forward(bags, rows, free ? blocks_[b].block.free_vectors.data() : nullptr);
      for (std::size_t i = 0; i < rows.size(); ++i)
        std::copy_n(encoder.vectors() + i * width, width, &out[(first + i) * dim + b * width]);
    }
  }
  return out;
}

ValidationScore BagTrainer::validation_score() {
  if (validation_positives_.empty()) return {};
  const std::size_t documents = validation_positives_.size(), labels = has_training_.size();
  const std::vector<float> document_vectors =
      vectors_of(validation_documents_, documents, &BlockTrainer::document_side);
  const std::vector<float> label_vectors = vectors_of(labels_, labels, &BlockTrainer::label_side);
  return validate(document_vectors.data(), documents, label_vectors.data(), labels,
                  model_.options.dim, validation_positives_);
}

}  // namespace dexter
