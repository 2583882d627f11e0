// The training loop of the transformer encoder.
#include "encoders/transformer_trainer.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <future>
#include <numeric>

#include "encoders/batch_order.h"
#include "encoders/wordpiece.h"
#include "storage/checksum.h"

namespace dexter {
namespace {

using Clock = std::chrono::steady_clock;
using Learner = TransformerLearner;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

LearnerOptions learner_options(const TransformerOptions& options, const ProcessGroup* ranks) {
  return {.dim = options.dim,
          .prefix_dims = options.prefixes(),
          .device = options.device,
          .precision = precision_named(options.precision),
          .dropout = options.dropout,
          .weight_decay = options.weight_decay,
          .average = options.average,
          .clip = options.clip,
          .chunk_tokens = static_cast<std::size_t>(options.chunk_tokens),
          .separate = options.separate(),
          .ranks = ranks};
}

}  // namespace

TransformerTrainer::TransformerTrainer(const TransformerOptions& options,
                                       const TransformerCheckpoint& checkpoint,
                                       const LossOptions& loss, const TrainerOptions& training,
                                       const TrainingSet& set, const NeighbourSearch& neighbours,
                                       const Progress& progress, const ProcessGroup* ranks,
                                       const Teacher* teacher)
    : options_(options),
      loss_options_(loss),
      training_(training),
      neighbours_(neighbours),
      progress_(progress),
      ranks_(ranks),
      teacher_(teacher),
      loss_(make_loss(loss)),
      learner_(shape_of(options, checkpoint.config), pooling_named(options.pooling),
               parameters_in(checkpoint, shape_of(options, checkpoint.config),
                             pooling_named(options.pooling)),
               learner_options(options, ranks)),
      chunk_tokens_(learner_.chunk_tokens()),
      score_step_(*loss_, loss.temperature, options.dim, 1, precision_named(options.precision)) {
  read_set(set, checkpoint);
  ensure(options.prefix_dims.empty() || loss_->needs().by_chunks, ErrorKind::kInvalidInput,
         fmt::format("training: transformer.prefix_dims is \"{}\", but loss.name is {}; choose "
                     "one of {}, or leave it empty",
                     options.prefix_dims, loss.name, losses_by_chunks()));
  ensure(
      options.prefix_dims.empty() || teacher == nullptr, ErrorKind::kInvalidInput,
      "training: teacher.store is given, but a teacher says nothing of leading dimensions; leave "
      "it or transformer.prefix_dims empty");
  ensure(!options.stale_labels || (!loss_->needs().batch_alone && options.prefix_dims.empty()),
         ErrorKind::kInvalidInput,
         "training: transformer.stale_labels is set, but the loss in_batch takes no labels beside "
         "its documents', and transformer.prefix_dims need every label encoded; set it to false");
  if (ranks != nullptr) check_agreement(checkpoint);
}

void TransformerTrainer::check_agreement(const TransformerCheckpoint& checkpoint) const {
  std::uint64_t weights = 0;
  for (const std::string* file : {&checkpoint.weights, &checkpoint.dense})
    weights = checksum64(std::as_bytes(std::span(file->data(), file->size())), weights);
  const std::string own = identity() + fmt::format("weights={:016x}\n", weights);
  ensure(ranks_->from_first(own) == own, ErrorKind::kInvalidInput,
         fmt::format("training as rank {} of {}: its options, corpus or weights are not those of "
                     "rank 0; give all processes the same",
                     ranks_->rank(), ranks_->size()));
}

void TransformerTrainer::read_set(const TrainingSet& set, const TransformerCheckpoint& checkpoint) {
  const WordPiece tokenizer(checkpoint.tokenizer, "tokenizer.json");
  const auto longest = static_cast<std::size_t>(options_.max_tokens);
  using Texts = std::vector<const std::string*>;
  const auto append_tokens = [&](const std::string& prefix, const Texts& texts, Tokens& to) {
    const std::size_t first = to.size();
    to.resize(first + texts.size());
#pragma omp parallel for schedule(dynamic, 256)
    for (std::size_t i = 0; i < texts.size(); ++i)
      to[first + i] = tokenizer.encode(prefix + *texts[i], longest);
  };
  const auto add_all = [&](const std::vector<Example>& examples, std::size_t first_row) {
    Texts texts;
    for (std::size_t i = 0; i < examples.size(); ++i) {
      if (examples[i].labels.empty()) continue;
      positives_.push_back(label_rows(examples[i]));
      teacher_rows_.push_back(static_cast<std::uint32_t>(first_row + i));
      texts.push_back(&examples[i].text);
    }
    append_tokens(options_.document_prefix, texts, documents_);
  };
  add_all(set.train, 0);
  const std::vector<std::uint32_t> frequency = label_frequency(positives_, set.labels.size());
  ensure(
      !positives_.empty(), ErrorKind::kInvalidInput,
      fmt::format(
          "training: none of the {} training documents has a label; import documents with labels",
          set.train.size()));
  Texts held_out, label_texts;
  for (const Example& example : set.validation) {
    if (validation_positives_.size() == validation_limit(training_, set.labels.size())) break;
    validation_positives_.push_back(label_rows(example));
    held_out.push_back(&example.text);
  }
  append_tokens(options_.document_prefix, held_out, validation_documents_);
  for (const Label& label : set.labels) label_texts.push_back(&label.text);
  append_tokens(options_.label_prefix, label_texts, labels_);
  if (training_.label_documents) {
    append_tokens(options_.document_prefix, label_texts, documents_);
    for (std::uint32_t row = 0; row < set.labels.size(); ++row) {
      positives_.push_back({row});
      teacher_rows_.push_back(static_cast<std::uint32_t>(set.train.size()) + row);
    }
  }
  const std::size_t known = positives_.size();
  add_all(set.guessed, set.train.size() + set.labels.size());
  course_.emplace(training_, known, positives_.size() - known, !validation_positives_.empty());
  targets_.emplace(loss_options_, loss_->needs(), training_, positives_, frequency);
}

const EpochRecord& TransformerTrainer::run_epoch() {
  const auto start = Clock::now();
  const int epoch = state_.epoch + 1;
  const TrainingCourse::Rows rows = course_->rows_of(state_.epoch);
  targets_->pool().expect(rows.first, rows.count);
  if (training_.hard_negatives > 0 && epoch > 1 &&
      (options_.stale_labels || !targets_->scores_all_labels()))
    mine_hard_negatives();
  if (options_.stale_labels) stale_ = vectors_of(Learner::kLabels, labels_);
  std::mt19937_64 random(mixed_seed(training_.seed, static_cast<std::uint64_t>(epoch)));
  const std::vector<std::uint32_t> order = epoch_order(
      training_, rows, state_.epoch, options_.dim,
      [&] { return vectors_of(Learner::kDocuments, documents_, rows); }, random);
  const Steps steps = take_steps(order, random);
  const double trained_seconds = seconds_since(start);
  const ValidationScore score = validation_score();
  tell_of_smaller_chunks();
  const auto documents = static_cast<double>(rows.count);
  course_->finish_epoch(score,
                        {.loss = steps.loss / documents,
                         .learning_rate = options_.learning_rate * course_->rate_share(state_.step),
                         .seconds = seconds_since(start),
                         .documents_per_second = documents / trained_seconds,
                         .resident_bytes = resident_bytes(),
                         .chunk_tokens = chunk_tokens_,
                         .waiting = steps.waiting},
                        state_);
  return state_.history.back();
}

TransformerTrainer::Steps TransformerTrainer::take_steps(std::span<const std::uint32_t> order,
                                                         std::mt19937_64& random) {
  const auto documents_at = [&](std::size_t first) {
    return order.subspan(first,
                         std::min(static_cast<std::size_t>(training_.batch), order.size() - first));
  };
  // A thread chooses the targets of the next step, so that a device need not wait for them.
  const auto choose = [&](std::size_t first) {
    return std::async(std::launch::async, [&, first] {
      return targets_->choose(documents_at(first), random, options_.stale_labels);
    });
  };
  double loss = 0, waited = 0;
  const auto start = Clock::now();
  std::future<StepTargets> next = choose(0);
  for (std::size_t done = 0; done < order.size();) {
    progress_.check("training");
    const std::span<const std::uint32_t> documents = documents_at(done);
    const auto wait_start = Clock::now();
    const StepTargets targets = next.get();
    waited += seconds_since(wait_start);
    done += documents.size();
    if (done < order.size()) next = choose(done);
    loss += train_step(documents, targets) * static_cast<double>(documents.size());
    progress_.update({.stage = fmt::format("epoch {}/{}", state_.epoch + 1, course_->epochs()),
                      .done = done,
                      .total = order.size(),
                      .note = fmt::format("loss {:.3f}", loss / static_cast<double>(done))});
  }
  return {loss, 100 * waited / seconds_since(start)};
}

void TransformerTrainer::tell_of_smaller_chunks() {
  const std::size_t now = learner_.chunk_tokens();
  if (now == chunk_tokens_) return;
  progress_.warning(
      fmt::format("memory ran out at step {} with chunks of {} tokens, and the training goes on "
                  "with {}, to the same gradient; the next one begins so with "
                  "--set transformer.chunk_tokens={}",
                  state_.step + 1, chunk_tokens_, now, now));
  chunk_tokens_ = now;
}

double TransformerTrainer::train_step(std::span<const std::uint32_t> documents,
                                      const StepTargets& targets) {
  const auto seed =
      mixed_seed(training_.seed, static_cast<std::uint64_t>(state_.step)) ^ 0x64726f70u;
  const LossBatch batch{.document_texts = documents_,
                        .label_texts = labels_,
                        .documents = documents,
                        .labels = targets.labels,
                        .positives = targets.columns,
                        .offsets = targets.offsets,
                        .adjustments = targets.adjustments,
                        .loss = loss_options_,
                        .seed = seed};
  const double loss = learner_.within_memory([&] {
    return by_chunks() ? learner_.loss_step(batch) : score_step(documents, targets, seed);
  });
  tell_of_smaller_chunks();
  const double share = course_->rate_share(state_.step);
  const double norm = learner_.update(options_.learning_rate * share);
  ++state_.step;
  ensure(std::isfinite(loss) && std::isfinite(norm), ErrorKind::kInvalidInput,
         fmt::format("training: at step {} the loss became {} and its gradient's norm {}; lower "
                     "transformer.learning_rate ({})",
                     state_.step, loss, norm, options_.learning_rate));
  return loss;
}

std::pair<std::size_t, std::size_t> TransformerTrainer::part_of(std::size_t count) const {
  return ranks_ ? ranks_->part_of(count) : std::pair{std::size_t{0}, count};
}

void TransformerTrainer::mine_hard_negatives() {
  const auto k = std::min(static_cast<std::size_t>(training_.hard_negatives), labels_.size() - 1);
  const std::vector<float> vectors = vectors_of(Learner::kLabels, labels_);
  std::vector<std::uint32_t> found(labels_.size() * k);
  if (is_first())
    found = neighbours_({vectors.data(), labels_.size(), options_.dim}, static_cast<int>(k));
  if (ranks_ != nullptr) {  // an approximate search need not find the same twice
    std::string bytes(reinterpret_cast<const char*>(found.data()), found.size() * sizeof found[0]);
    bytes = ranks_->from_first(std::move(bytes));
    std::memcpy(found.data(), bytes.data(), bytes.size());
  }
  targets_->pool().set_neighbours(std::move(found), k);
}

std::vector<float> TransformerTrainer::vectors_of(Learner::Side side, const Tokens& texts,
                                                  std::optional<TrainingCourse::Rows> some) const {
  const TrainingCourse::Rows of = some.value_or(TrainingCourse::Rows{0, texts.size()});
  const auto dim = static_cast<std::size_t>(options_.dim);
  std::vector<float> vectors(of.count * dim);
  std::vector<std::uint32_t> rows(of.count);
  std::iota(rows.begin(), rows.end(), static_cast<std::uint32_t>(of.first));
  const auto [first, last] = part_of(rows.size());
  learner_.encode(side, texts, std::span(rows).subspan(first, last - first), &vectors[first * dim]);
  if (ranks_ != nullptr) ranks_->sum(vectors);
  return vectors;
}

ValidationScore TransformerTrainer::validation_score() const {
  if (validation_positives_.empty()) return {};
  const std::vector<float> documents = vectors_of(Learner::kDocuments, validation_documents_);
  const std::vector<float> labels = vectors_of(Learner::kLabels, labels_);
  ValidationScore score;
  if (is_first())
    score = validate(documents.data(), validation_positives_.size(), labels.data(), labels_.size(),
                     options_.dim, validation_positives_);
  if (ranks_ == nullptr) return score;
  std::array<double, 3> figures{score.precision_at_1, score.precision_at_5, score.ndcg_at_5};
  ranks_->sum(figures);  // the others' are 0
  return {figures[0], figures[1], figures[2]};
}

TrainReport train_transformer(const TransformerOptions& options, const LossOptions& loss,
                              const TrainerOptions& training, const TrainingSet& set,
                              const TrainingFiles& files, bool resume,
                              const NeighbourSearch& neighbours,
                              const std::function<void(const EpochRecord&)>& on_epoch,
                              const Progress& progress, const ProcessGroup* ranks,
                              const Teacher* teacher) {
  validate(loss, training);
  const auto start = Clock::now();
  TransformerCheckpoint checkpoint = read_weights(options);
  const TransformerOptions own = resolved(options, checkpoint);
  progress.update({.stage = "reading tokens", .done = 0, .total = set.train.size()});
  TransformerTrainer trainer(own, checkpoint, loss, training, set, neighbours, progress, ranks,
                             teacher);
  if (ranks != nullptr) resume = !ranks->from_first(resume ? "resume" : "").empty();
  if (ranks != nullptr && ranks->rank() > 0) {
    if (resume) trainer.load_checkpoint({});
    while (!trainer.finished()) trainer.run_epoch();
    return {};
  }
  const auto save = [&](const std::filesystem::path& folder, const std::string& name) {
    checkpoint.weights = trainer.weights(Learner::kDocuments);
    if (own.separate()) checkpoint.label_weights = trainer.weights(Learner::kLabels);
    return save_transformer(own, checkpoint, folder, name);
  };
  TrainReport report = run_training(trainer, save, training, files, resume, on_epoch, progress);
  report.encoder.kind = "transformer";
  report.encoder.dim = own.dim;
  report.seconds = seconds_since(start);
  return report;
}

}  // namespace dexter
