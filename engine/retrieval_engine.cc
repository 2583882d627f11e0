// Opens a generation and answers from it.
#include "engine/retrieval_engine.h"

#include <algorithm>
#include <future>

#include <spdlog/fmt/fmt.h>

#include "encoders/encoder.h"
#include "engine/device_search.h"
#include "engine/document_space.h"
#include "engine/label_priors.h"
#include "engine/label_search.h"
#include "engine/label_table.h"
#include "engine/vote_fusion.h"
#include "index/in_threads.h"
#include "storage/error.h"

namespace dexter {
namespace {

constexpr std::uint64_t kMostCachedLabels = 2'000'000;
// A writer may drop the files of a generation between our reading of the manifest and of the files.
constexpr int kOpenAttempts = 4;

const GenerationInfo& generation_of(const Catalog& catalog) {
  const Manifest& manifest = catalog.manifest();
  if (manifest.generation) return *manifest.generation;
  const char* next = manifest.trained  ? "run `dexter index`"
                     : manifest.corpus ? "run `dexter train`, then `dexter index`"
                                       : "run `dexter import`, `dexter train`, then `dexter index`";
  throw Error(ErrorKind::kNotFound,
              fmt::format("opening {}: the store has no index to answer from; {}",
                          catalog.path().string(), next));
}

std::unique_ptr<Encoder> checked_encoder(const Catalog& catalog, const GenerationInfo& generation) {
  std::unique_ptr<Encoder> encoder = load_encoder(catalog.path(), generation.encoder.file);
  ensure(encoder->fingerprint() == generation.encoder.fingerprint, ErrorKind::kIncompatible,
         fmt::format("opening generation {}: it was made with the encoder {} but {} holds {}; run "
                     "`dexter index` with this encoder",
                     generation.number, generation.encoder.fingerprint,
                     generation.encoder.file.name, encoder->fingerprint()));
  return encoder;
}

std::unique_ptr<VectorIndex> checked_index(const Catalog& catalog, const GenerationInfo& generation,
                                           int dim, const DeviceOptions& device) {
  std::unique_ptr<VectorIndex> index = load_index(catalog.path(), generation.label_index);
  const IndexDescription description = index->describe();
  ensure(description.size == 0 || description.dim == dim, ErrorKind::kIncompatible,
         fmt::format("opening generation {}: the index holds {}-d vectors but the encoder gives "
                     "{}-d; run `dexter index` with this encoder",
                     generation.number, description.dim, dim));
  search_on(device, *index);
  return index;
}

// Null where the store has too many labels to keep in memory.
std::unique_ptr<LabelTable> cached_labels(const Catalog& catalog) {
  if (catalog.label_count() > kMostCachedLabels) return nullptr;
  auto table = std::make_unique<LabelTable>();
  catalog.scan_labels([&](Label&& label) { table->add(label); });
  table->shrink_to_fit();
  return table;
}

std::shared_ptr<const DocumentSpace> opened_documents(const Catalog& catalog,
                                                      const GenerationInfo& generation, int dim) {
  if (!generation.documents) return nullptr;
  return std::make_shared<const DocumentSpace>(catalog, *generation.documents, dim);
}

void check_ranking(std::string_view what, int k, EmbeddingView queries, int dim) {
  ensure(k >= 1, ErrorKind::kInvalidInput,
         fmt::format("ranking {}: k is {}, but at least 1 is needed; ask for 1 or more", what, k));
  ensure(queries.rows() == 0 || queries.dim() == dim, ErrorKind::kInvalidInput,
         fmt::format("ranking {}: the queries are {}-d but the store's vectors are {}-d; encode "
                     "them with this store's encoder",
                     what, queries.dim(), dim));
}

// What every state of one generation shares.
struct OpenedGeneration {
  explicit OpenedGeneration(Catalog opened)
      : catalog(std::move(opened)),
        info(generation_of(catalog)),
        encoder(checked_encoder(catalog, info)),
        priors(catalog) {}

  Catalog catalog;
  GenerationInfo info;
  std::unique_ptr<Encoder> encoder;
  LabelPriors priors;
  std::unique_ptr<LabelTable> names;  // set once, by the opening
};

}  // namespace

struct RetrievalEngine::Impl {
  Impl(std::shared_ptr<const OpenedGeneration> opened, std::unique_ptr<VectorIndex> index)
      : base(std::move(opened)),
        search(std::move(index), base->catalog.label_changes(), base->encoder->dim()),
        space(opened_documents(base->catalog, base->info, base->encoder->dim())),
        labels(answerable(base->catalog.label_count())) {}

  Impl(const Impl& before, std::vector<ChangedLabel> changes, std::uint64_t label_count)
      : base(before.base),
        search(before.search.with(std::move(changes))),
        space(before.space),
        labels(answerable(label_count)) {}

  std::uint64_t answerable(std::uint64_t all) const {
    const std::uint64_t unanswerable =
        base->info.labels - std::min<std::uint64_t>(base->info.labels, search.index().size);
    return all - std::min(all, unanswerable);
  }

  std::optional<Label> find(LabelId id) const {
    const ChangedLabel* changed = search.find_change(id);
    if (changed && !changed->label.key.empty()) return changed->label;
    return base->names ? base->names->find(id) : std::nullopt;
  }

  // Whether the label is there now.
  bool has(LabelId id) const {
    if (const ChangedLabel* changed = search.find_change(id)) return !changed->change.removed;
    return base->names ? base->names->has(id) : base->catalog.find_label(id).has_value();
  }

  // The label that has the key now.
  std::optional<LabelId> find(const std::string& key) const {
    const std::optional<Label> opened = base->catalog.find_label(key);
    if (opened) {
      const ChangedLabel* changed = search.find_change(opened->id);
      if (changed == nullptr || !changed->change.removed) return opened->id;
    }
    for (const auto& [id, changed] : search.last_changes())
      if (!changed->change.removed && changed->label.key == key) return id;
    return std::nullopt;
  }

  // Null where the generation has none.
  const DocumentsInfo* documents() const {
    return base->info.documents ? &*base->info.documents : nullptr;
  }
  const VoteFusion& fusion() const {
    static const VoteFusion untuned;
    return documents() ? documents()->fusion : untuned;
  }
  void add_votes(EmbeddingView queries, std::span<const std::string> texts, std::size_t kept,
                 const AnswerOptions& options, std::vector<LabelRanking>& answers) const;

  std::shared_ptr<const OpenedGeneration> base;
  LabelSearch search;
  std::shared_ptr<const DocumentSpace> space;  // null: none in this generation
  std::uint64_t labels = 0;
};

void RetrievalEngine::Impl::add_votes(EmbeddingView queries, std::span<const std::string> texts,
                                      std::size_t kept, const AnswerOptions& options,
                                      std::vector<LabelRanking>& answers) const {
  const VoteFusion& votes = fusion();
  const IdSet* only = options.search.only.get();
  const VoteLookup lookup{
      .labels = [&](DocumentId id) { return space->labels(id); },
      .counts =
          [&](LabelId id) {
            return has(id) && (only == nullptr || only->has(std::int64_t{value(id)}));
          },
      .vote_weight = [&](LabelId id) { return base->priors.vote_weight(id, votes.rarity); }};
  static const IdSet none;
  const IdSet& silent = options.silent ? *options.silent : none;
  const int asked = silent.ids().empty() ? votes.neighbours : 2 * votes.neighbours;
  const auto most = static_cast<std::size_t>(votes.neighbours);
  std::vector<DocumentRanking> near = space->nearest(queries, asked);
  in_threads(answers.size(), [&](std::size_t i) {
    near[i] = heard(std::move(near[i]), silent, most);
    const DocumentRanking alike =
        texts.empty() ? DocumentRanking{}
                      : relative(heard(space->by_words(texts[i], static_cast<std::size_t>(asked)),
                                       silent, most));
    answers[i] = fused(answers[i], voters(votes, near[i], alike), votes, lookup, kept);
  });
}

RetrievalEngine::RetrievalEngine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RetrievalEngine::~RetrievalEngine() = default;
RetrievalEngine::RetrievalEngine(RetrievalEngine&&) noexcept = default;
RetrievalEngine& RetrievalEngine::operator=(RetrievalEngine&&) noexcept = default;

RetrievalEngine RetrievalEngine::open(const std::filesystem::path& store,
                                      const DeviceOptions& device) {
  for (int attempt = 1;; ++attempt) {
    Catalog catalog = Catalog::open(store, OpenMode::kRead);
    const Manifest seen = catalog.manifest();
    try {
      const auto base = std::make_shared<OpenedGeneration>(std::move(catalog));
      // Read and checked while the labels are: of a million each takes seconds.
      auto index = std::async(std::launch::async, [&] {
        return checked_index(base->catalog, base->info, base->encoder->dim(), device);
      });
      base->names = cached_labels(base->catalog);
      return RetrievalEngine(std::make_unique<Impl>(base, index.get()));
    } catch (const Error&) {
      const bool replaced = Catalog::open(store, OpenMode::kRead).manifest() != seen;
      if (!replaced || attempt == kOpenAttempts) throw;
    }
  }
}

RetrievalEngine RetrievalEngine::with(std::vector<ChangedLabel> changes,
                                      std::uint64_t label_count) const {
  return RetrievalEngine(std::make_unique<Impl>(*impl_, std::move(changes), label_count));
}

RetrievalEngine RetrievalEngine::with_documents(std::vector<ChangedLabel> changes) const {
  auto next = std::make_unique<Impl>(*impl_);
  next->space = std::make_shared<const DocumentSpace>(impl_->space->with(std::move(changes)));
  return RetrievalEngine(std::move(next));
}

std::vector<LabelRanking> RetrievalEngine::rank(std::span<const std::string> texts, int k,
                                                const SearchOptions& search) const {
  if (texts.empty()) return {};
  return rank(impl_->base->encoder->encode(texts), k, search);
}

std::vector<LabelRanking> RetrievalEngine::rank(EmbeddingView queries, int k,
                                                const SearchOptions& search) const {
  check_ranking("labels", k, queries, impl_->base->encoder->dim());
  return impl_->search.rank(queries, k, search);
}

std::vector<DocumentRanking> RetrievalEngine::nearest_documents(EmbeddingView queries, int k,
                                                                const SearchOptions& search) const {
  check_ranking("documents", k, queries, impl_->base->encoder->dim());
  const DocumentSpace* documents = document_space();
  ensure(documents != nullptr, ErrorKind::kNotFound,
         fmt::format("searching documents of {}: its generation {} holds labels alone; run "
                     "`dexter index --documents`",
                     catalog().path().string(), generation()));
  return documents->nearest(queries, k, search);
}

std::vector<Example> RetrievalEngine::documents(const DocumentRanking& ranking) const {
  std::vector<DocumentId> ids(ranking.size());
  std::transform(ranking.begin(), ranking.end(), ids.begin(),
                 [](const ScoredDocument& scored) { return scored.id; });
  const auto find_added = [&](DocumentId id) {
    return impl_->space ? impl_->space->find_added(id) : nullptr;
  };
  std::vector<DocumentId> on_disk;
  for (const DocumentId id : ids)
    if (find_added(id) == nullptr) on_disk.push_back(id);
  std::vector<Example> read = impl_->base->catalog.documents(on_disk);
  auto next = read.begin();
  std::vector<Example> documents;
  for (const DocumentId id : ids) {
    if (const ChangedLabel* added = find_added(id))
      documents.push_back({id, added->label.key, added->label.text, added->labels, {}});
    else
      documents.push_back(std::move(*next++));
    std::erase_if(documents.back().labels, [&](LabelId label) { return !impl_->has(label); });
  }
  return documents;
}

const DocumentSpace* RetrievalEngine::document_space() const { return impl_->space.get(); }

std::vector<LabelRanking> RetrievalEngine::answer(std::span<const std::string> texts, int k,
                                                  const AnswerOptions& options) const {
  if (texts.empty()) return {};
  return answer(impl_->base->encoder->encode(texts), texts, k, options);
}

std::vector<LabelRanking> RetrievalEngine::answer(EmbeddingView queries,
                                                  std::span<const std::string> texts, int k,
                                                  const AnswerOptions& options) const {
  const DocumentsInfo* documents = impl_->documents();
  ensure(
      options.memory != Memory::kOn || documents != nullptr, ErrorKind::kInvalidInput,
      fmt::format("ranking labels by memory: generation {} holds labels alone; run `dexter index "
                  "--documents`, or ask without memory",
                  generation()));
  const bool voted =
      documents != nullptr && (options.memory == Memory::kOn ||
                               (options.memory == Memory::kAuto && documents->fusion.helps));
  const int pool = voted || options.tail != 0 ? std::max(k, impl_->fusion().pool) : k;
  std::vector<LabelRanking> answers = rank(queries, pool, options.search);
  if (voted) impl_->add_votes(queries, texts, static_cast<std::size_t>(pool), options, answers);
  for (LabelRanking& answer : answers) {
    if (options.tail != 0)
      lean_to_tail(answer, impl_->fusion().label_temperature, options.tail,
                   [&](LabelId id) { return impl_->base->priors.log_inverse_propensity(id); });
    if (answer.size() > static_cast<std::size_t>(k)) answer.resize(static_cast<std::size_t>(k));
  }
  return answers;
}

EmbeddingMatrix RetrievalEngine::encode(std::span<const std::string> texts) const {
  return impl_->base->encoder->encode(texts);
}

EmbeddingMatrix RetrievalEngine::encode_labels(std::span<const Label> labels) const {
  return impl_->base->encoder->encode_labels(labels);
}

std::shared_ptr<const IdSet> RetrievalEngine::ids_of(std::span<const std::string> keys) const {
  std::vector<std::int64_t> ids;
  for (const std::string& key : keys) {
    const std::optional<LabelId> id = impl_->find(key);
    ensure(id.has_value(), ErrorKind::kInvalidInput,
           fmt::format("filtering labels: the store has {} labels but none of the key '{}'; give "
                       "keys of labels",
                       impl_->labels, key));
    ids.push_back(value(*id));
  }
  return std::make_shared<IdSet>(std::move(ids));
}

std::vector<Label> RetrievalEngine::labels(const LabelRanking& ranking) const {
  std::vector<LabelId> ids(ranking.size());
  std::transform(ranking.begin(), ranking.end(), ids.begin(),
                 [](const ScoredLabel& scored) { return scored.id; });
  std::vector<Label> result(ids.size());
  std::vector<LabelId> on_disk;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (std::optional<Label> label = impl_->find(ids[i])) {
      result[i] = std::move(*label);
    } else {
      on_disk.push_back(ids[i]);
      places.push_back(i);
    }
  }
  if (on_disk.empty()) return result;
  std::vector<Label> read = impl_->base->catalog.labels(on_disk);
  for (std::size_t i = 0; i < read.size(); ++i) result[places[i]] = std::move(read[i]);
  return result;
}

void RetrievalEngine::scan_labels(std::optional<LabelId> after,
                                  const std::function<bool(Label&&)>& visit) const {
  const auto changes = last_changes();
  auto change = after ? changes.upper_bound(*after) : changes.begin();
  bool goes_on = true;
  // Labels added since opening, up to the one that comes next in the catalog.
  const auto visit_added = [&](std::optional<LabelId> before) {
    for (; goes_on && change != changes.end() && (!before || change->first < *before); ++change)
      if (!change->second->change.removed && !change->second->label.key.empty())
        goes_on = visit(Label(change->second->label));
  };
  const auto visit_opened = [&](Label&& label) {
    if (!goes_on || (after && label.id <= *after)) return goes_on;
    visit_added(label.id);
    const bool changed = change != changes.end() && change->first == label.id;
    const ChangedLabel* now = changed ? (change++)->second : nullptr;
    if (!goes_on || (now && now->change.removed)) return goes_on;
    return goes_on = visit(now && !now->label.key.empty() ? Label(now->label) : std::move(label));
  };
  if (impl_->base->names)
    impl_->base->names->scan(after, visit_opened);
  else
    impl_->base->catalog.scan_labels(visit_opened);
  visit_added(std::nullopt);
}

const Catalog& RetrievalEngine::catalog() const { return impl_->base->catalog; }
const Encoder& RetrievalEngine::encoder() const { return *impl_->base->encoder; }
std::map<LabelId, const ChangedLabel*> RetrievalEngine::last_changes() const {
  return impl_->search.last_changes();
}
std::uint64_t RetrievalEngine::generation() const { return impl_->base->info.number; }
std::uint64_t RetrievalEngine::label_count() const { return impl_->labels; }
IndexDescription RetrievalEngine::index() const { return impl_->search.index(); }

}  // namespace dexter
