// Inverted lists: a query reads the lists of the nearest centroids only.
#include <faiss/IndexFlat.h>
#include <faiss/IndexIVFFlat.h>
#include <faiss/invlists/DirectMap.h>

#include <algorithm>
#include <cmath>
#include <exception>

#include <spdlog/fmt/fmt.h>

#include "index/faiss_backed.h"

namespace dexter {
namespace {

// k-means sees this many rows per list at most; more do not move the centroids of label vectors.
constexpr std::size_t kSamplePerList = 64;
constexpr int kClusteringRounds = 10;
// Fewer rows per list make FAISS's k-means warn, rightly: such centroids are noise.
constexpr double kRowsPerList = 39;

RowBlocks centroids_of(const faiss::IndexIVFFlat& index) {
  RowBlocks blocks(index.nlist, index.d);
  std::vector<float> centroid(static_cast<std::size_t>(index.d));
  for (std::size_t i = 0; i < index.nlist; ++i) {
    index.quantizer->reconstruct(static_cast<FaissId>(i), centroid.data());
    blocks.set_row(i, centroid);
  }
  return blocks;
}

class IvfIndex final : public FaissBacked {
 public:
  IvfIndex(IndexCore core, std::unique_ptr<faiss::IndexIVFFlat> index)
      : FaissBacked(std::move(core)), index_(std::move(index)), centroids_(centroids_of(*index_)) {}

  void tune(const SortedRows& rows, EmbeddingView queries) {
    measure(rows, queries,
            {"probes", &IndexOptions::probes, &SearchOptions::probes, 1, core().options.lists});
  }

 protected:
  const faiss::Index& faiss_index() const override { return *index_; }
  std::size_t row_bytes() const override {
    return core().ids.size() * (index_->code_size + sizeof(FaissId)) +
           2 * centroids_.values().size_bytes();
  }
  std::vector<Candidate> candidates(EmbeddingView queries, int k,
                                    const SearchOptions& options) const override;

 private:
  // Centroids come from RowScan, so the lists read do not depend on the size of the batch.
  void read_lists(std::span<const float> query, std::span<const Hit> nearest,
                  std::span<Candidate> found) const;

  std::unique_ptr<faiss::IndexIVFFlat> index_;
  RowBlocks centroids_;
};

std::vector<Candidate> IvfIndex::candidates(EmbeddingView queries, int k,
                                            const SearchOptions& options) const {
  const int asked = options.probes > 0 ? options.probes : core().options.probes;
  const int probes = std::clamp(asked, 1, static_cast<int>(index_->nlist));
  RowScan scan(queries, probes);
  scan.add(centroids_);
  const std::vector<Hit> nearest = scan.take();
  const auto each = static_cast<std::size_t>(probes);
  const std::size_t width = std::min(with_margin(k), core().ids.size());
  std::vector<Candidate> found(queries.rows() * width);
  std::exception_ptr failure;
#pragma omp parallel for schedule(dynamic) if (queries.rows() > 1)
  for (std::size_t i = 0; i < queries.rows(); ++i) {
    try {
      read_lists(queries.row(i), std::span(nearest).subspan(i * each, each),
                 std::span(found).subspan(i * width, width));
    } catch (...) {
#pragma omp critical(dexter_ivf_failure)
      failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
  return found;
}

void IvfIndex::read_lists(std::span<const float> query, std::span<const Hit> nearest,
                          std::span<Candidate> found) const {
  std::vector<FaissId> lists(nearest.size());
  std::vector<float> list_scores(nearest.size());
  for (std::size_t i = 0; i < nearest.size(); ++i) {
    lists[i] = static_cast<FaissId>(nearest[i].row);
    list_scores[i] = nearest[i].score;
  }
  faiss::IVFSearchParameters settings;
  settings.nprobe = nearest.size();
  std::vector<float> scores(found.size());
  std::vector<FaissId> places(found.size());
  index_->search_preassigned(1, query.data(), static_cast<FaissId>(found.size()), lists.data(),
                             list_scores.data(), scores.data(), places.data(),
                             /*store_pairs=*/true, &settings);
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (places[i] < 0) continue;
    const std::size_t list = faiss::lo_listno(places[i]);
    const std::size_t offset = faiss::lo_offset(places[i]);
    const std::uint8_t* code = index_->invlists->get_codes(list) + offset * index_->code_size;
    found[i] = {reinterpret_cast<const float*>(code),
                static_cast<std::uint32_t>(index_->invlists->get_ids(list)[offset])};
  }
}

std::size_t list_count(int asked, std::size_t rows) {
  const auto n = static_cast<double>(rows);
  const double wanted =
      asked > 0 ? std::min<double>(asked, n) : std::min(4 * std::sqrt(n), n / kRowsPerList);
  return std::max<std::size_t>(1, static_cast<std::size_t>(wanted));
}

std::unique_ptr<faiss::IndexIVFFlat> clustered(const IndexOptions& options,
                                               const SortedRows& rows) {
  const std::size_t lists = list_count(options.lists, rows.size());
  auto quantizer = std::make_unique<faiss::IndexFlatIP>(rows.dim());
  auto index = std::make_unique<faiss::IndexIVFFlat>(
      quantizer.get(), static_cast<std::size_t>(rows.dim()), lists, faiss::METRIC_INNER_PRODUCT);
  quantizer.release();
  index->own_fields = true;
  index->cp.seed = options.seed;
  index->cp.niter = kClusteringRounds;
  index->cp.min_points_per_centroid = 1;
  if (rows.size() == 0) {  // one list at the origin
    index->quantizer->add(1, std::vector<float>(static_cast<std::size_t>(rows.dim())).data());
    index->is_trained = true;
    return index;
  }
  const EmbeddingMatrix sample = rows.sample(lists * kSamplePerList, options.seed);
  index->train(static_cast<FaissId>(sample.rows()), sample.data());
  EmbeddingMatrix copy;
  index->add(static_cast<FaissId>(rows.size()), rows.matrix(copy).data());
  return index;
}

// Every row in exactly one list.
void check_lists(const faiss::IndexIVFFlat& index) {
  const auto* flat = dynamic_cast<const faiss::IndexFlat*>(index.quantizer);
  const auto rows = static_cast<std::size_t>(index.ntotal);
  bool whole = flat != nullptr && flat->d == index.d &&
               flat->ntotal == static_cast<FaissId>(index.nlist) && index.invlists != nullptr &&
               index.invlists->nlist == index.nlist &&
               index.code_size == static_cast<std::size_t>(index.d) * sizeof(float) &&
               index.invlists->code_size == index.code_size;
  std::vector<bool> seen(rows);
  std::size_t found = 0;
  for (std::size_t list = 0; whole && list < index.nlist; ++list) {
    const FaissId* ids = index.invlists->get_ids(list);
    for (std::size_t i = 0; whole && i < index.invlists->list_size(list); ++i) {
      const auto row = static_cast<std::size_t>(ids[i]);
      whole = ids[i] >= 0 && row < rows && !seen[row];
      if (whole) seen[row] = true;
      ++found;
    }
  }
  ensure(whole && found == rows, ErrorKind::kCorrupt,
         fmt::format(
             "loading an ivf index: its lists hold {} rows of {}, or rows twice; build the index "
             "again",
             found, rows));
}

}  // namespace

std::unique_ptr<VectorIndex> build_ivf_index(IndexCore core, const SortedRows& rows,
                                             EmbeddingView tuning_queries) {
  auto faiss_index = translated(ErrorKind::kInternal, "building an ivf index",
                                [&] { return clustered(core.options, rows); });
  core.options.lists = static_cast<int>(faiss_index->nlist);
  core.reason += fmt::format("; {} lists", faiss_index->nlist);
  auto index = std::make_unique<IvfIndex>(std::move(core), std::move(faiss_index));
  index->tune(rows, tuning_queries);
  return index;
}

std::unique_ptr<VectorIndex> load_ivf_index(IndexCore core,
                                            std::shared_ptr<const SectionFileReader> reader) {
  auto parsed = read_faiss(*reader, core);
  auto* ivf = dynamic_cast<faiss::IndexIVFFlat*>(parsed.get());
  ensure(ivf != nullptr, ErrorKind::kCorrupt,
         "loading an ivf index: FAISS holds another kind; build the index again");
  check_lists(*ivf);
  parsed.release();
  return std::make_unique<IvfIndex>(std::move(core), std::unique_ptr<faiss::IndexIVFFlat>(ivf));
}

}  // namespace dexter
