// One encoder of a store out of those of several.
#include "engine/merging.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "encoders/bag_model.h"
#include "encoders/training_state.h"
#include "engine/config.h"
#include "engine/history.h"
#include "engine/offline.h"
#include "engine/training_corpus.h"

namespace dexter {
namespace {

SectionFileReader encoder_file(const Catalog& store) {
  ensure(
      store.manifest().trained.has_value(), ErrorKind::kNotFound,
      fmt::format("merging: {} has no encoder; run `dexter train` there", store.path().string()));
  return SectionFileReader(store.path(), store.manifest().trained->file, "encoder",
                           kEncoderFileVersion);
}

TrainerOptions training_of(const Catalog& store) {
  Config config;
  if (!store.manifest().config.empty())
    merge_json(config, store.manifest().config, "the store's configuration");
  ensure(config.train.validation_fraction > 0, ErrorKind::kInvalidInput,
         fmt::format("merging: the encoder of {} was trained with train.validation_fraction 0, so "
                     "that no document is left to learn weights on; give weights",
                     store.path().string()));
  return config.train;
}

// Documents of the validation part, in turn to learn on and to judge by.
struct Samples {
  MergeSample learn, judge;
};

Samples read_samples(const Catalog& catalog, std::span<const Catalog> stores,
                     const Progress& progress) {
  double fraction = 1;
  std::size_t limit = 0;
  for (const Catalog& store : stores) {
    const TrainerOptions training = training_of(store);
    fraction = std::min(fraction, training.validation_fraction);
    limit = std::max(limit, static_cast<std::size_t>(training.validation_documents));
  }
  TrainingSet set = load_training_set(catalog, fraction, progress);
  ensure(set.validation.size() >= 2, ErrorKind::kInvalidInput,
         fmt::format("merging: the validation part has {} documents, which are too few to learn "
                     "weights on; give weights",
                     set.validation.size()));
  if (set.validation.size() > limit) set.validation.resize(limit);
  Samples samples;
  for (std::size_t i = 0; i < set.validation.size(); ++i) {
    MergeSample& sample = i % 2 == 0 ? samples.learn : samples.judge;
    sample.positives.push_back(label_rows(set.validation[i]));
    sample.documents.push_back(std::move(set.validation[i].text));
  }
  samples.learn.labels = set.labels;
  samples.judge.labels = std::move(set.labels);
  return samples;
}

void learn(EncoderMerge& merge, const Samples& samples, const Progress& progress,
           MergeReport& report) {
  const std::vector<double> equal = report.weights;
  merge.judge_on(samples.learn);
  report.weights = learn_merge_weights(merge, progress);
  report.learnt_on = samples.learn.documents.size();
  merge.judge_on(samples.judge);
  for (std::size_t e = 0; e < merge.count(); ++e) {
    std::vector<double> alone(merge.count());
    alone[e] = 1;
    report.figures.push_back({std::to_string(e + 1), merge.score(alone)});
  }
  report.figures.push_back({"equal", merge.score(equal)});
  report.figures.push_back({"learnt", merge.score(report.weights)});
}

}  // namespace

MergeReport merge(Catalog& catalog, std::span<const std::filesystem::path> from,
                  const MergeOptions& options, const Progress& progress) {
  ensure(catalog.manifest().corpus.has_value(), ErrorKind::kNotFound,
         fmt::format("merging into {}: the store has no corpus; run `dexter import`",
                     catalog.path().string()));
  ensure(!options.learn || options.weights.empty(), ErrorKind::kInvalidInput,
         "merging: weights are given and are to be learnt; leave one out");
  std::vector<Catalog> stores;
  std::vector<SectionFileReader> files;
  for (const std::filesystem::path& path : from) {
    stores.push_back(Catalog::open(path, OpenMode::kRead));
    files.push_back(encoder_file(stores.back()));
  }
  const std::unique_ptr<EncoderMerge> merge = make_merge(files, options.method);
  MergeReport report;
  report.weights = options.weights;
  if (report.weights.empty())
    report.weights.assign(files.size(), 1 / static_cast<double>(files.size()));
  std::optional<Samples> samples;
  if (options.learn) {
    samples = read_samples(catalog, stores, progress);
    learn(*merge, *samples, progress, report);
  }
  TrainReport trained;
  trained.encoder =
      merge->save(report.weights, catalog.path(),
                  fmt::format("encoders/{:06}.enc", next_file_number(catalog.path() / "encoders")));
  const double sum = std::accumulate(report.weights.begin(), report.weights.end(), 0.0);
  for (double& weight : report.weights) weight /= sum;
  trained.encoder.corpus = catalog.manifest().corpus->number;
  catalog.put_note("history", to_json(trained));
  Manifest manifest = catalog.manifest();
  manifest.trained = report.encoder = trained.encoder;
  manifest.config = stores.front().manifest().config;
  catalog.commit(manifest);
  return report;
}

}  // namespace dexter
