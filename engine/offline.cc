// The offline flow: corpus to encoder, encoder to index, and labels added afterwards.
#include "engine/offline.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <iterator>
#include <numeric>
#include <optional>

#include <spdlog/fmt/fmt.h>

#include "encoders/encoder.h"
#include "encoders/transformer_trainer.h"
#include "engine/document_indexing.h"
#include "engine/history.h"
#include "engine/store_encoding.h"
#include "engine/teaching.h"
#include "engine/training_corpus.h"
#include "engine/vote_tuning.h"
#include "storage/crash_point.h"
#include "storage/error.h"
#include "storage/line_reader.h"

namespace dexter {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kTuningQueries = 1024;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The entries of a folder of the store, which is made where it is absent.
fs::directory_iterator entries_of(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  fs::directory_iterator entries(folder, error);
  ensure(!error, ErrorKind::kIo,
         fmt::format("preparing the folder {}: {}; check its permissions and the free space",
                     folder.string(), error.message()));
  return entries;
}

// The labels most alike to each label, for hard negatives.
std::vector<std::uint32_t> nearest_labels(EmbeddingView vectors, int k) {
  std::vector<std::int64_t> ids(vectors.rows());
  std::iota(ids.begin(), ids.end(), std::int64_t{0});
  const auto index = build_index({.recall = 0.9}, vectors, ids);
  const auto width = static_cast<std::size_t>(k);
  std::vector<std::uint32_t> nearest(vectors.rows() * width, 0xffffffffu);
  constexpr std::size_t kChunk = 1024;
  for (std::size_t first = 0; first < vectors.rows(); first += kChunk) {
    const std::size_t count = std::min(kChunk, vectors.rows() - first);
    const SearchResult found = index->search(vectors.rows(first, count), k + 1);
    for (std::size_t i = 0; i < count; ++i) {
      std::size_t kept = 0;
      for (std::size_t j = 0; j < width + 1 && kept < width; ++j) {
        const std::int64_t id = found.ids[i * (width + 1) + j];
        if (id != kNoId && id != static_cast<std::int64_t>(first + i))
          nearest[(first + i) * width + kept++] = static_cast<std::uint32_t>(id);
      }
    }
  }
  return nearest;
}

const EncoderInfo& trained_encoder(const Catalog& catalog) {
  const Manifest& manifest = catalog.manifest();
  const bool usable =
      manifest.trained && manifest.corpus && manifest.trained->corpus == manifest.corpus->number;
  ensure(usable, ErrorKind::kNotFound,
         fmt::format("using the encoder of {}: the store has none trained on its corpus; run "
                     "`dexter train`",
                     catalog.path().string()));
  return *manifest.trained;
}

// Vectors of labels, and their ids. [labels x dim]
struct EncodedLabels {
  std::vector<std::int64_t> ids;
  std::vector<float> values;
  int dim = 0;

  EmbeddingView view() const { return {values.data(), ids.size(), dim}; }
};

// Encodes chunk by chunk, writes each to the store, and keeps the rows that can be searched.
class LabelEncoding {
 public:
  LabelEncoding(Catalog& catalog, const Encoder& encoder, EncodingWork* work,
                const Progress& progress)
      : catalog_(catalog), encoder_(encoder), work_(work), progress_(progress) {
    encoded_.dim = encoder.dim();
  }

  EncodedLabels run() {
    std::vector<Label> all;
    all.reserve(catalog_.label_count());
    encoded_.values.reserve(all.capacity() * static_cast<std::size_t>(encoded_.dim));
    catalog_.scan_labels([&](Label&& label) { all.push_back(std::move(label)); });
    const std::span<const Label> labels = all;
    for (std::size_t first = 0; first < labels.size(); first += kTextsPerChunk) {
      progress_.check("encoding labels");
      encode_chunk(labels.subspan(first, std::min(kTextsPerChunk, labels.size() - first)),
                   first == 0);
      crash_point("index.after_vectors_chunk");
      progress_.update({"encoding labels",
                        std::min(first + kTextsPerChunk, labels.size()),
                        labels.size(),
                        "labels",
                        {}});
    }
    return std::move(encoded_);
  }

 private:
  void encode_chunk(std::span<const Label> labels, bool is_first) {
    const EmbeddingMatrix vectors = work_ == nullptr
                                        ? encoder_.encode_labels(labels)
                                        : work_->vectors(chunk_of(encoder_, labels), progress_);
    std::vector<std::int64_t> ids(labels.size());
    std::transform(labels.begin(), labels.end(), ids.begin(),
                   [](const Label& label) { return std::int64_t{value(label.id)}; });
    catalog_.put_vectors(Space::kLabels, ids, vectors, is_first);
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const std::span<const float> row = vectors.row(i);
      if (is_zero(row)) continue;
      encoded_.ids.push_back(ids[i]);
      encoded_.values.insert(encoded_.values.end(), row.begin(), row.end());
    }
  }

  Catalog& catalog_;
  const Encoder& encoder_;
  EncodingWork* const work_;  // null for none
  const Progress& progress_;
  EncodedLabels encoded_;
};

// Real queries to tune the index by; zero rows would tie with everything.
EncodedLabels tuning_queries(const Catalog& catalog, const Encoder& encoder, const Config& config) {
  EncodedLabels queries;
  queries.dim = encoder.dim();
  if (config.index.kind == "flat" && !config.documents.documents) return queries;
  const std::vector<std::string> texts =
      sample_validation_texts(catalog, config.train.validation_fraction, kTuningQueries);
  if (texts.empty()) return queries;
  const EmbeddingMatrix vectors = encoder.encode(texts);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (is_zero(vectors.row(i))) continue;
    queries.ids.push_back(static_cast<std::int64_t>(i));
    queries.values.insert(queries.values.end(), vectors.row(i).begin(), vectors.row(i).end());
  }
  return queries;
}

// Fails where the store's corpus cannot teach an encoder of this kind.
void check_corpus(const Catalog& catalog, std::string_view encoder) {
  const std::optional<CorpusInfo>& corpus = catalog.manifest().corpus;
  ensure(corpus.has_value(), ErrorKind::kNotFound,
         fmt::format("training in {}: the store has no corpus; run `dexter import`",
                     catalog.path().string()));
  ensure(corpus->text_kind == TextKind::kNatural || encoder != "transformer",
         ErrorKind::kInvalidInput,
         "training: the corpus has sparse features, but a transformer reads text; choose "
         "--encoder bag");
}

// Texts that the store's encoder labels: for pre-training, or among the training documents.
PseudoLabelReport add_unlabelled(const Catalog& catalog, const Config& config, TrainingSet& set,
                                 const Progress& progress) {
  const auto encoder = load_encoder(catalog.path(), trained_encoder(catalog).file);
  const PseudoLabelReport report =
      pseudo_label(*encoder, config.self_train, config.loss.temperature, set, progress);
  if (config.train.pretrain_epochs == 0) {
    std::ranges::move(set.guessed, std::back_inserter(set.train));
    set.guessed.clear();
  } else {
    ensure(!set.guessed.empty(), ErrorKind::kInvalidInput,
           fmt::format("pre-training: the encoder is sure of no label of the {} texts in {}; lower "
                       "self_train.confidence ({}) or self_train.agreement ({}), or set "
                       "train.pretrain_epochs to 0",
                       report.read, config.self_train.documents, config.self_train.confidence,
                       config.self_train.agreement));
  }
  return report;
}

// An encoder of the kind the configuration asks for, learnt from the store's corpus.
TrainReport learn(const Catalog& catalog, const Config& config, const TrainingFiles& files,
                  bool resume, const std::function<void(const EpochRecord&)>& on_epoch,
                  const Progress& progress, const ProcessGroup* ranks) {
  const bool transformer = config.encoder.kind == "transformer";
  ensure(
      ranks == nullptr || (transformer && config.train.epochs > 0), ErrorKind::kInvalidInput,
      fmt::format("training in {} processes: the encoder is {} and train.epochs {}, but only a "
                  "transformer that learns is trained by several; start one process",
                  ranks == nullptr ? 1 : ranks->size(), config.encoder.kind, config.train.epochs));
  check_corpus(catalog, config.encoder.kind);
  ensure(config.train.pretrain_epochs == 0 || !config.self_train.documents.empty(),
         ErrorKind::kInvalidInput,
         fmt::format("training: train.pretrain_epochs is {}, but there are no documents with "
                     "guessed labels; give --unlabelled FILE, or set it to 0",
                     config.train.pretrain_epochs));
  ensure(!transformer || config.train.mixing == "as_is", ErrorKind::kInvalidInput,
         "training: train.mixing is aligned, but only the bag encoder mixes; choose --encoder bag, "
         "or set train.mixing=as_is");
  ensure(!transformer || config.train.free_cluster == 0, ErrorKind::kInvalidInput,
         fmt::format("training: train.free_cluster is {}, but only the bag encoder has free "
                     "vectors; choose --encoder bag, or set it to 0",
                     config.train.free_cluster));
  const bool learns = config.train.epochs + config.train.pretrain_epochs > 0;
  ensure(
      !transformer || learns || config.teacher.store.empty(), ErrorKind::kInvalidInput,
      "training: teacher.store is given, but train.epochs is 0, and a transformer that is kept as "
      "it is learns from nobody; give epochs, or leave it empty");
  if (transformer && !learns)
    return adopt_transformer(config.transformer, files.root, files.encoder);
  TrainingSet set = load_training_set(catalog, config.train.validation_fraction, progress,
                                      config.demos.without_task);
  PseudoLabelReport pseudo_labels;
  if (!config.self_train.documents.empty())
    pseudo_labels = add_unlabelled(catalog, config, set, progress);
  std::optional<Teacher> teacher;
  if (!config.teacher.store.empty()) teacher = load_teacher(config.teacher, set, progress);
  TrainReport report =
      transformer ? train_transformer(config.transformer, config.loss, config.train, set, files,
                                      resume, nearest_labels, on_epoch, progress, ranks,
                                      teacher ? &*teacher : nullptr)
                  : train_encoder(config.encoder, config.loss, config.train, set, files.root,
                                  files.encoder, files.checkpoint, resume, nearest_labels, on_epoch,
                                  progress, teacher ? &*teacher : nullptr);
  report.pseudo_labels = pseudo_labels;
  return report;
}

// The stored configuration, which tells how the encoder was trained, with the options of this run.
Config effective_config(const Manifest& manifest, const Config& config) {
  Config effective = config;
  if (!manifest.config.empty()) merge_json(effective, manifest.config, "the store's configuration");
  effective.index = config.index;
  effective.documents = config.documents;
  effective.runtime = config.runtime;
  return effective;
}

// Writes the index file of the next generation and fills in what the report says of it.
void save_index(const Catalog& catalog, const VectorIndex& index, IndexReport& report) {
  const fs::path folder = catalog.path() / "index";
  GenerationInfo& generation = report.generation;
  generation.number = next_file_number(folder);
  if (const auto& former = catalog.manifest().generation)
    generation.number = std::max(generation.number, former->number + 1);
  generation.label_index =
      index.save(folder / fmt::format("{:06}.labels.idx", generation.number), catalog.path());
  report.index = index.describe();
  generation.index_kind = report.index.kind;
  generation.index_reason = report.index.reason;
}

}  // namespace

std::uint64_t next_file_number(const fs::path& folder) {
  std::uint64_t newest = 0;
  for (const fs::directory_entry& entry : entries_of(folder)) {
    const std::string name = entry.path().filename().string();
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc()) newest = std::max(newest, number);
  }
  return newest + 1;
}

TrainReport train(Catalog& catalog, const Config& config, bool resume,
                  const std::function<void(const EpochRecord&)>& on_epoch, const Progress& progress,
                  const ProcessGroup* ranks) {
  config.validate();
  if (ranks != nullptr && ranks->rank() > 0)
    return learn(catalog, config, {}, resume, on_epoch, progress, ranks);
  const fs::path checkpoint = catalog.path() / "train" / "checkpoint";
  entries_of(checkpoint.parent_path());
  // A run stopped before its first checkpoint resumes at the beginning, to the same result.
  resume = resume && fs::exists(checkpoint);
  const std::string file =
      fmt::format("encoders/{:06}.enc", next_file_number(catalog.path() / "encoders"));
  const auto observe = [&](const EpochRecord& epoch) {
    if (on_epoch) on_epoch(epoch);
  };
  TrainReport report =
      learn(catalog, config, {catalog.path(), file, checkpoint}, resume, observe, progress, ranks);
  report.encoder.corpus = catalog.manifest().corpus->number;
  crash_point("train.before_history");
  catalog.put_note("history", to_json(report));
  crash_point("train.before_commit");
  Manifest manifest = catalog.manifest();
  manifest.trained = report.encoder;
  manifest.config = to_json(config);
  catalog.commit(manifest);
  crash_point("train.before_checkpoint_removal");
  std::error_code kept;  // a checkpoint that stays is overwritten by the next training
  fs::remove(checkpoint, kept);
  return report;
}

void write_index(const Catalog& catalog, const Encoder& encoder, const Config& config,
                 std::span<const std::int64_t> ids, EmbeddingView vectors, IndexReport& report,
                 const Progress& progress) {
  const EncodedLabels queries = tuning_queries(catalog, encoder, config);
  save_index(catalog, *build_index(config.index, vectors, ids, queries.view(), progress), report);
}

IndexReport build_generation(Catalog& catalog, const Config& config, const Progress& progress,
                             bool shared) {
  config.validate();
  IndexReport report;
  report.generation.encoder = trained_encoder(catalog);
  const Config effective = effective_config(catalog.manifest(), config);
  const Clock::time_point start = Clock::now();
  const std::unique_ptr<Encoder> encoder =
      load_encoder(catalog.path(), report.generation.encoder.file);
  const bool documents = effective.documents.documents;
  std::optional<EncodingWork> work;
  if (shared || encoder->kind() == "transformer") {
    work.emplace(catalog.path(), report.generation.encoder.file, documents, encoder->dim(),
                 chunks_of(catalog, *encoder, documents), progress);
    work->run(progress);
  }
  EncodingWork* const done = work ? &*work : nullptr;
  const EncodedLabels labels = LabelEncoding(catalog, *encoder, done, progress).run();
  report.encode_seconds = seconds_since(start);
  progress.check("building the index");
  progress.update({"building the index", 0, labels.ids.size(), "labels", {}});
  write_index(catalog, *encoder, effective, labels.ids, labels.view(), report, progress);
  report.build_seconds = seconds_since(start) - report.encode_seconds;
  if (documents) {
    const EncodedLabels queries = tuning_queries(catalog, *encoder, effective);
    report.generation.documents =
        index_documents(catalog, *encoder, effective.documents, report.generation.number,
                        queries.view(), done, progress);
    report.generation.documents->fusion =
        tune_votes(catalog, *encoder, report.generation, effective, progress);
    report.document_seconds = seconds_since(start) - report.encode_seconds - report.build_seconds;
  }
  report.generation.labels = catalog.label_count();
  report.unanswerable_labels = report.generation.labels - labels.ids.size();
  crash_point("index.before_commit");
  Manifest manifest = catalog.manifest();
  manifest.generation = report.generation;
  manifest.config = to_json(effective);
  catalog.commit(manifest, /*clear_changes=*/true);
  crash_point("index.committed");
  EncodingWork::finish(catalog.path());  // also what a run with another encoder left
  if (work) {
    report.chunks = work->chunks();
    report.chunks_encoded = work->encoded();
  }
  progress.update({"building the index", labels.ids.size(), labels.ids.size(), "labels", {}});
  return report;
}

std::vector<Label> completed_labels(std::span<const Label> labels) {
  std::vector<Label> result(labels.begin(), labels.end());
  for (Label& label : result) {
    if (label.name.empty()) label.name = label.key;
    if (label.text.empty()) label.text = label.name;
    for (const std::string* text : {&label.key, &label.name, &label.text})
      ensure(
          find_invalid_utf8(*text) == std::string_view::npos, ErrorKind::kInvalidInput,
          "adding labels: a key, name or text is not UTF-8; convert it, for instance with iconv");
  }
  return result;
}

EmbeddingMatrix encode_added(const Encoder& encoder, std::span<const Label> labels) {
  EmbeddingMatrix vectors = encoder.encode_labels(labels);
  for (std::size_t i = 0; i < labels.size(); ++i)
    ensure(!is_zero(vectors.row(i)), ErrorKind::kInvalidInput,
           fmt::format("adding labels: the text of '{}', '{}', has no word that the encoder knows, "
                       "so that no query could find it; describe the label in other words",
                       labels[i].key, labels[i].text));
  return vectors;
}

std::vector<LabelId> add_labels(Catalog& catalog, std::span<const Label> labels) {
  const std::vector<Label> complete = completed_labels(labels);
  if (complete.empty()) return {};
  const std::optional<GenerationInfo>& generation = catalog.manifest().generation;
  if (!generation) return catalog.put_labels(complete, {});
  const auto encoder = load_encoder(catalog.path(), generation->encoder.file);
  return catalog.put_labels(complete, encode_added(*encoder, complete));
}

}  // namespace dexter
