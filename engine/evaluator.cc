// Runs an engine over examples and gathers a Report.
#include "engine/evaluator.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <random>

#include <spdlog/fmt/fmt.h>

#include "engine/metric_accumulator.h"
#include "storage/error.h"

namespace dexter {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

constexpr std::size_t kSampleAnswers = 5;

bool is_true(LabelId label, const Example& example) {
  return std::binary_search(example.labels.begin(), example.labels.end(), label);
}

struct SampledExample {
  Example example;
  LabelRanking answers;
};

// A uniform sample of fixed size from a stream (Vitter's algorithm R), the same in every run.
class Reservoir {
 public:
  explicit Reservoir(std::size_t capacity) : capacity_(capacity), random_(capacity) {}

  void offer(const Example& example, const LabelRanking& answers) {
    const std::uint64_t place = kept_.size() < capacity_ ? kept_.size() : random_() % (seen_ + 1);
    ++seen_;
    if (place >= capacity_) return;
    if (place == kept_.size()) kept_.emplace_back();
    kept_[place] = {example, {answers.begin(), answers.begin() + answer_count(answers)}};
  }
  const std::vector<SampledExample>& kept() const { return kept_; }

 private:
  static std::ptrdiff_t answer_count(const LabelRanking& answers) {
    return static_cast<std::ptrdiff_t>(std::min(answers.size(), kSampleAnswers));
  }
  std::size_t capacity_;
  std::mt19937_64 random_;
  std::uint64_t seen_ = 0;
  std::vector<SampledExample> kept_;
};

// The documents shown in a report: hits first, whose best answer is true, then misses.
class Samples {
 public:
  explicit Samples(int count)
      : hits_(static_cast<std::size_t>(count + 1) / 2),
        misses_(static_cast<std::size_t>(count) / 2) {}

  void offer(const Example& example, const LabelRanking& answers) {
    if (example.labels.empty() || answers.empty()) return;
    (is_true(answers.front().id, example) ? hits_ : misses_).offer(example, answers);
  }
  template <class Visit>
  void visit(const Visit& visit) const {
    for (const Reservoir* reservoir : {&hits_, &misses_})
      for (const SampledExample& sample : reservoir->kept()) visit(sample);
  }

 private:
  Reservoir hits_, misses_;
};

std::string shown_name(const RetrievalEngine& engine, LabelId id) {
  const std::optional<Label> label = engine.catalog().find_label(id);
  if (!label) return "(a removed label)";
  return label->name.empty() ? label->key : label->name;
}

SampleAnswer named(const RetrievalEngine& engine, const SampledExample& sample) {
  SampleAnswer result;
  result.text = sample.example.text;
  for (const LabelId id : sample.example.labels) result.truth.push_back(shown_name(engine, id));
  for (const ScoredLabel& answer : sample.answers) {
    result.answers.emplace_back(shown_name(engine, answer.id), answer.score);
    result.correct.push_back(is_true(answer.id, sample.example));
  }
  return result;
}

// Fills `batch` from the stream; false when there was nothing left.
bool read_batch(const ExampleStream& next, std::size_t size, std::vector<Example>& batch) {
  batch.clear();
  Example example;
  while (batch.size() < size && next(example)) batch.push_back(std::move(example));
  return !batch.empty();
}

void drop_excluded(LabelRanking& answers, const std::vector<LabelId>& excluded, std::size_t k) {
  std::erase_if(answers, [&](const ScoredLabel& answer) {
    return std::binary_search(excluded.begin(), excluded.end(), answer.id);
  });
  if (answers.size() > k) answers.resize(k);
}

// Answers of a batch without the excluded labels, at most k each.
std::vector<LabelRanking> rank_batch(const RetrievalEngine& engine,
                                     const std::vector<Example>& batch, int k,
                                     const AnswerOptions& options, double& rank_seconds) {
  std::vector<std::string> texts;
  std::size_t most_excluded = 0;
  for (const Example& example : batch) {
    texts.push_back(example.text);
    most_excluded = std::max(most_excluded, example.excluded.size());
  }
  const Clock::time_point start = Clock::now();
  std::vector<LabelRanking> answers =
      engine.answer(texts, k + static_cast<int>(most_excluded), options);
  rank_seconds += seconds_since(start);
  for (std::size_t i = 0; i < batch.size(); ++i)
    drop_excluded(answers[i], batch[i].excluded, static_cast<std::size_t>(k));
  return answers;
}

MetricAccumulator accumulator_of(const RetrievalEngine& engine, std::vector<int> at,
                                 PropensityConstants constants) {
  const Manifest& manifest = engine.catalog().manifest();
  std::vector<std::uint32_t> frequencies = engine.catalog().label_frequencies();
  frequencies.resize(std::max<std::size_t>(frequencies.size(), manifest.next_label));
  const std::uint64_t documents = manifest.corpus ? manifest.corpus->train_documents : 0;
  return MetricAccumulator(std::move(at), std::move(frequencies), documents, constants);
}

void append_metrics(std::string& values, std::string& intervals, const char* name,
                    const std::vector<MetricAtK>& metrics) {
  for (const MetricAtK& metric : metrics) {
    values += fmt::format("  \"{}@{}\": {:.4f},\n", name, metric.k, metric.value);
    intervals += fmt::format("{}\"{}@{}\": {:.4f}", intervals.empty() ? "" : ", ", name, metric.k,
                             metric.half_width);
  }
}

}  // namespace

void EvaluatorOptions::validate() const {
  const auto in_range = [](int k) { return k >= 1 && k <= 1000; };
  ensure(!at.empty() && std::all_of(at.begin(), at.end(), in_range), ErrorKind::kInvalidInput,
         fmt::format("evaluating: the ranks are [{}], but ranks from 1 to 1000 are possible; "
                     "write for instance 1,3,5",
                     fmt::join(at, ",")));
  ensure(batch >= 1 && sample_hits >= 0, ErrorKind::kInvalidInput,
         fmt::format("evaluating: the batch is {} and the samples are {}, but at least 1 and 0 "
                     "are needed; leave them at their defaults",
                     batch, sample_hits));
}

Report evaluate(const RetrievalEngine& engine, const ExampleStream& next,
                const EvaluatorOptions& options, const Progress& progress) {
  options.validate();
  const Clock::time_point start = Clock::now();
  std::vector<int> at = options.at;
  std::sort(at.begin(), at.end());
  at.erase(std::unique(at.begin(), at.end()), at.end());
  const int k = std::max(at.back(), 10);
  MetricAccumulator accumulator = accumulator_of(engine, at, options.propensity);
  Samples samples(options.sample_hits);
  double rank_seconds = 0;
  std::uint64_t documents = 0;
  std::vector<Example> batch;
  while (read_batch(next, static_cast<std::size_t>(options.batch), batch)) {
    progress.check("evaluating");
    const std::vector<LabelRanking> answers =
        rank_batch(engine, batch, k, options.answer, rank_seconds);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      accumulator.add(answers[i], batch[i].labels);
      samples.offer(batch[i], answers[i]);
    }
    documents += batch.size();
    progress.update({"evaluating", documents, options.documents_expected, "documents", {}});
  }
  ensure(documents > 0, ErrorKind::kInvalidInput,
         "evaluating: there is no document to evaluate, and at least one is needed; import a test "
         "part or give a file with --data");
  Report report = accumulator.report();
  report.labels = engine.label_count();
  samples.visit(
      [&](const SampledExample& sample) { report.samples.push_back(named(engine, sample)); });
  report.queries_per_second = static_cast<double>(documents) / std::max(rank_seconds, 1e-9);
  report.seconds = seconds_since(start);
  return report;
}

std::string to_json(const Report& report) {
  std::string values, intervals, bands;
  append_metrics(values, intervals, "P", report.precision);
  append_metrics(values, intervals, "nDCG", report.ndcg);
  append_metrics(values, intervals, "PSP", report.psp);
  append_metrics(values, intervals, "R", report.recall);
  for (const BandRow& band : report.bands)
    bands += fmt::format(
        "{}\n    \"{}\": {{\"labels\": {}, \"positives\": {}, \"R@5\": {:.4f}, \"R@10\": {:.4f}}}",
        bands.empty() ? "" : ",", band.name, band.labels, band.positives, band.recall_at_5,
        band.recall_at_10);
  return fmt::format(
      "{{\n{}  \"coverage@5\": {:.4f},\n  \"documents\": {},\n  \"documents_without_labels\": {},\n"
      "  \"labels\": {},\n  \"queries_per_second\": {:.1f},\n  \"seconds\": {:.3f},\n"
      "  \"intervals\": {{{}}},\n  \"bands\": {{{}\n  }}\n}}\n",
      values, report.coverage_at_5, report.documents, report.documents_without_labels,
      report.labels, report.queries_per_second, report.seconds, intervals, bands);
}

}  // namespace dexter
