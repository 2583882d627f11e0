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
      model_(BagModel::initial(encoder, set, options.seed)),
      score_step_(*loss_, loss.temperature, model_.width(), 1, fastest_precision()) {
  const std::size_t free_rows = FreeRows::count(options, set.labels.size());
  for (BagBlock& block : model_.blocks) {
    block.free_vectors.resize(free_rows * static_cast<std::size_t>(model_.width()));
    blocks_.emplace_back(block);
  }
  read_labels(set);
  read_documents(set);
  free_rows_.emplace(options, has_training_, model_.free_rows);
  all_documents_.resize(static_cast<std::size_t>(options.batch));
  std::iota(all_documents_.begin(), all_documents_.end(), 0u);
}

void BagTrainer::add_document(std::string_view text, std::vector<std::uint32_t> labels,
                              std::size_t teacher_row) {
  append_text(documents_, text, model_.text_kind, feature_options(model_.options),
              model_.vocabulary);
  positives_.push_back(std::move(labels));
  teacher_rows_.push_back(static_cast<std::uint32_t>(teacher_row));
}

void BagTrainer::read_documents(const TrainingSet& set) {
  const auto add_all = [&](const std::vector<Example>& examples, std::size_t first_row) {
    for (std::size_t i = 0; i < examples.size(); ++i) {
      if (examples[i].labels.empty()) continue;
      add_document(examples[i].text, label_rows(examples[i]), first_row + i);
      for (const std::uint32_t label : positives_.back()) has_training_[label] = 1;
    }
  };
  add_all(set.train, 0);
  const std::vector<std::uint32_t> frequency = label_frequency(positives_, set.labels.size());
  ensure(
      !positives_.empty(), ErrorKind::kInvalidInput,
      fmt::format(
          "training: none of the {} training documents has a label; import documents with labels",
          set.train.size()));
  const std::size_t documents = set.train.size(), labels = set.labels.size();
  if (set.text_kind == TextKind::kNatural && options_.label_documents)
    for (std::uint32_t row = 0; row < labels; ++row)
      add_document(set.labels[row].text, {row}, documents + row);
  const std::size_t known = positives_.size();
  add_all(set.guessed, documents + labels);
  read_validation(set);
  course_.emplace(options_, known, positives_.size() - known, !validation_positives_.empty());
  if (options_.mixing == "aligned") prepare_mixing(set, known, frequency);
  targets_.emplace(loss_options_, loss_->needs(), options_, positives_, frequency);
}

void BagTrainer::read_validation(const TrainingSet& set) {
  const std::size_t limit = validation_limit(options_, set.labels.size());
  for (const Example& example : set.validation) {
    if (validation_positives_.size() == limit) break;
    validation_positives_.push_back(label_rows(example));
    append_text(validation_documents_, example.text, set.text_kind, feature_options(model_.options),
                model_.vocabulary);
  }
}

void BagTrainer::read_labels(const TrainingSet& set) {
  const bool natural = set.text_kind == TextKind::kNatural;
  for (const Label& label : set.labels)
    append_text(labels_, natural ? std::string_view(label.text) : std::string_view(), set.text_kind,
                feature_options(model_.options), model_.vocabulary);
}

const EpochRecord& BagTrainer::run_epoch() {
  const auto start = Clock::now();
  const TrainingCourse::Rows rows = course_->rows_of(state_.epoch);
  targets_->pool().expect(rows.first, rows.count);
  if (free_rows_->lacks_clusters() && state_.epoch > 0) {
    const std::vector<float> vectors = vectors_of(labels_, &BlockTrainer::label_side);
    free_rows_->find_clusters({vectors.data(), labels_.rows(), model_.options.dim});
  }
  if (options_.hard_negatives > 0 && state_.epoch > 0 && !targets_->scores_all_labels())
    mine_hard_negatives();
  double loss = 0;
  for (std::size_t block = 0; block < blocks_.size(); ++block) loss += run_block(block);
  state_.step += course_->steps_of(state_.epoch);
  const auto documents = static_cast<double>(rows.count);
  const double trained_seconds = seconds_since(start);
  const ValidationScore score = validation_score();
  course_->finish_epoch(
      score,
      {.loss = loss / (documents * static_cast<double>(blocks_.size())),
       .learning_rate = options_.learning_rate * course_->rate_share(state_.step),
       .seconds = seconds_since(start),
       .documents_per_second = documents / trained_seconds,
       .resident_bytes = resident_bytes(),
       .band_shares = mixes() ? mean_shares() : std::array<double, BandMixture::kBands>{}},
      state_);
  return state_.history.back();
}

std::vector<float> BagTrainer::document_vectors(BlockTrainer& trainer, TrainingCourse::Rows of) {
  const auto width = static_cast<std::size_t>(model_.width());
  std::vector<float> vectors(of.count * width);
  std::vector<std::uint32_t> rows;
  for (std::size_t first = 0; first < of.count; first += kVectorChunk) {
    rows.resize(std::min(kVectorChunk, of.count - first));
    std::iota(rows.begin(), rows.end(), static_cast<std::uint32_t>(of.first + first));
    trainer.document_side.forward(documents_, rows);
    std::copy_n(trainer.document_side.vectors(), rows.size() * width, &vectors[first * width]);
  }
  return vectors;
}

double BagTrainer::run_block(std::size_t block) {
  const auto epoch = static_cast<std::uint64_t>(state_.epoch + 1);
  std::mt19937_64 random(mixed_seed(mixed_seed(options_.seed, epoch), block));
  const TrainingCourse::Rows rows_of_epoch = course_->rows_of(state_.epoch);
  const std::size_t documents = rows_of_epoch.count;
  std::vector<std::uint32_t> order;
  if (mixes())
    mixture_->begin_epoch(random);
  else
    order = epoch_order(
        options_, rows_of_epoch, state_.epoch, model_.width(),
        [&] { return document_vectors(blocks_[block], rows_of_epoch); }, random);

  double loss = 0;
  std::int64_t step = state_.step;
  const auto batch = static_cast<std::size_t>(options_.batch);
  for (std::size_t first = 0; first < documents; first += batch) {
    progress_.check("training");
    const std::size_t count = std::min(batch, documents - first);
    if (mixes() && (step - state_.step) % options_.mixing_steps == 0)
      align_shares(blocks_[block], random);
    if (mixes()) drawn_ = mixture_->draw(count, blocks_[block].band_shares, random);
    const std::span<const std::uint32_t> rows =
        mixes() ? std::span<const std::uint32_t>(drawn_) : std::span(order).subspan(first, count);
    const double mean = train_step(blocks_[block], rows, step++, random);
    ensure(std::isfinite(mean), ErrorKind::kInvalidInput,
           fmt::format("training: the loss became {} at step {}; lower train.learning_rate ({})",
                       mean, step, options_.learning_rate));
    loss += mean * static_cast<double>(count);
    progress_.update(
        {.stage = fmt::format("epoch {}/{}", epoch, course_->epochs()),
         .done = (block * documents + first + count) / blocks_.size(),
         .total = documents,
         .note = fmt::format("loss {:.3f}", loss / static_cast<double>(first + count))});
  }
  return loss;
}

// A label's most alike others are those its documents are confused with.
void BagTrainer::mine_hard_negatives() {
  const std::size_t labels = has_training_.size();
  const auto k = std::min(static_cast<std::size_t>(options_.hard_negatives), labels - 1);
  const std::vector<float> vectors = vectors_of(labels_, &BlockTrainer::label_side);
  targets_->pool().set_neighbours(
      neighbours_({vectors.data(), labels, model_.options.dim}, static_cast<int>(k)), k);
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

double BagTrainer::train_step(BlockTrainer& trainer, std::span<const std::uint32_t> documents,
                              std::int64_t step, std::mt19937_64& random) {
  const StepTargets targets = targets_->choose(documents, random);
  const std::span<const std::uint32_t> labels = targets.labels;
  if (options_.feature_dropout > 0) {
    keep_features(documents, random);
    trainer.document_side.forward(kept_, {all_documents_.data(), documents.size()});
  } else {
    trainer.document_side.forward(documents_, documents);
  }
  trainer.label_side.forward(labels_, labels, &model_.free_rows);
  ScoreBatch batch{.documents = trainer.document_side.vectors(),
                   .n = documents.size(),
                   .labels = trainer.label_side.vectors(),
                   .m = labels.size(),
                   .positives = targets.columns,
                   .offsets = targets.offsets,
                   .adjustments = targets.adjustments};
  if (teacher_ != nullptr) teacher_step_.ask(*teacher_, teacher_rows_, documents, labels, batch);
  const double loss = score_step_.run(batch);

  const auto share = static_cast<float>(course_->rate_share(step));
  ++step;  // Adam counts from 1
  const float rate = static_cast<float>(options_.learning_rate) * share;
  const float network_rate = static_cast<float>(options_.network_learning_rate) * share;
  const BagGradient sides[] = {
      trainer.document_side.backward(score_step_.document_gradient(), network_rate, step),
      trainer.label_side.backward(score_step_.label_gradient(), network_rate, step)};
  trainer.table_optimizer.update(sides, rate, step);
  const BagGradient free[] = {{&free_rows_->learnt(), labels, trainer.label_side.free_gradient()}};
  trainer.free_optimizer.update(free, rate, step);
  return loss;
}

std::vector<float> BagTrainer::vectors_of(const BagBatch& bags, BagSide BlockTrainer::*side) {
  const std::size_t texts = bags.rows();
  const BagBatch* free = side == &BlockTrainer::label_side ? &model_.free_rows : nullptr;
  const auto dim = static_cast<std::size_t>(model_.options.dim);
  const auto width = static_cast<std::size_t>(model_.width());
  std::vector<float> out(texts * dim);
  std::vector<std::uint32_t> rows;
  for (std::size_t first = 0; first < texts; first += kVectorChunk) {
    rows.resize(std::min(kVectorChunk, texts - first));
    std::iota(rows.begin(), rows.end(), static_cast<std::uint32_t>(first));
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      BagSide& encoder = blocks_[b].*side;
      encoder.forward(bags, rows, free);
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
      vectors_of(validation_documents_, &BlockTrainer::document_side);
  const std::vector<float> label_vectors = vectors_of(labels_, &BlockTrainer::label_side);
  return validate(document_vectors.data(), documents, label_vectors.data(), labels,
                  model_.options.dim, validation_positives_);
}

}  // namespace dexter
