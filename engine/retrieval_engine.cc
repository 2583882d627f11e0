// Opens a generation and answers from it.
#include "engine/retrieval_engine.h"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include "encoders/encoder.h"
#include "engine/label_search.h"
#include "engine/label_table.h"
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
                                           int dim) {
  std::unique_ptr<VectorIndex> index = load_index(catalog.path(), generation.label_index);
  const IndexDescription description = index->describe();
  ensure(description.size == 0 || description.dim == dim, ErrorKind::kIncompatible,
         fmt::format("opening generation {}: the index holds {}-d vectors but the encoder gives "
                     "{}-d; run `dexter index` with this encoder",
                     generation.number, description.dim, dim));
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

}  // namespace

struct RetrievalEngine::Impl {
  explicit Impl(Catalog opened)
      : catalog(std::move(opened)),
        info(generation_of(catalog)),
        encoder(checked_encoder(catalog, info)),
        search(checked_index(catalog, info, encoder->dim()), catalog.label_changes(),
               encoder->dim()),
        names(cached_labels(catalog)) {
    const std::uint64_t unanswerable =
        info.labels - std::min<std::uint64_t>(info.labels, search.index().size);
    const std::uint64_t all = catalog.label_count();
    labels = all - std::min(all, unanswerable);
  }

  Catalog catalog;
  GenerationInfo info;
  std::unique_ptr<Encoder> encoder;
  LabelSearch search;
  std::unique_ptr<LabelTable> names;
  std::uint64_t labels = 0;
};

RetrievalEngine::RetrievalEngine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RetrievalEngine::~RetrievalEngine() = default;
RetrievalEngine::RetrievalEngine(RetrievalEngine&&) noexcept = default;
RetrievalEngine& RetrievalEngine::operator=(RetrievalEngine&&) noexcept = default;

RetrievalEngine RetrievalEngine::open(const std::filesystem::path& store) {
  for (int attempt = 1;; ++attempt) {
    Catalog catalog = Catalog::open(store, OpenMode::kRead);
    const Manifest seen = catalog.manifest();
    try {
      return RetrievalEngine(std::make_unique<Impl>(std::move(catalog)));
    } catch (const Error&) {
      const bool replaced = Catalog::open(store, OpenMode::kRead).manifest() != seen;
      if (!replaced || attempt == kOpenAttempts) throw;
    }
  }
}

std::vector<LabelRanking> RetrievalEngine::rank(std::span<const std::string> texts, int k,
                                                const SearchOptions& search) const {
  if (texts.empty()) return {};
  return rank(impl_->encoder->encode(texts), k, search);
}

std::vector<LabelRanking> RetrievalEngine::rank(EmbeddingView queries, int k,
                                                const SearchOptions& search) const {
  if (k < 1)
    throw Error(
        ErrorKind::kInvalidInput,
        fmt::format("ranking labels: k is {}, but at least 1 is needed; ask for 1 or more", k));
  if (queries.rows() > 0 && queries.dim() != impl_->encoder->dim())
    throw Error(ErrorKind::kInvalidInput,
                fmt::format("ranking labels: the queries are {}-d but the store's vectors are "
                            "{}-d; encode them with this store's encoder",
                            queries.dim(), impl_->encoder->dim()));
  return impl_->search.rank(queries, k, search);
}

EmbeddingMatrix RetrievalEngine::encode(std::span<const std::string> texts) const {
  return impl_->encoder->encode(texts);
}

EmbeddingMatrix RetrievalEngine::encode_labels(std::span<const Label> labels) const {
  return impl_->encoder->encode_labels(labels);
}

std::vector<Label> RetrievalEngine::labels(const LabelRanking& ranking) const {
  std::vector<LabelId> ids(ranking.size());
  std::transform(ranking.begin(), ranking.end(), ids.begin(),
                 [](const ScoredLabel& scored) { return scored.id; });
  if (!impl_->names) return impl_->catalog.labels(ids);
  std::vector<Label> result;
  for (const LabelId id : ids) {
    std::optional<Label> label = impl_->names->find(id);
    if (!label) return impl_->catalog.labels(ids);
    result.push_back(std::move(*label));
  }
  return result;
}

const Catalog& RetrievalEngine::catalog() const { return impl_->catalog; }
std::uint64_t RetrievalEngine::generation() const { return impl_->info.number; }
std::uint64_t RetrievalEngine::label_count() const { return impl_->labels; }
IndexDescription RetrievalEngine::index() const { return impl_->search.index(); }

}  // namespace dexter
