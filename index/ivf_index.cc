// Inverted lists: a query reads the lists of the nearest centroids only.
#include <faiss/Clustering.h>
#include <faiss/IndexFlat.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <optional>

#include <spdlog/fmt/fmt.h>

#include "index/accelerated_search.h"
#include "index/bounded_scan.h"
#include "index/faiss_errors.h"
#include "index/gather_scan.h"
#include "index/ranked_index.h"

namespace dexter {
namespace {

// k-means sees this many rows per list at most; more do not move the centroids of label vectors.
constexpr std::size_t kSamplePerList = 64;
constexpr int kClusteringRounds = 10;
// Fewer rows per list make FAISS's k-means warn, rightly: such centroids are noise.
constexpr double kRowsPerList = 39;
constexpr std::size_t kLanes = ByteRows::kLanes;

// Where the rows stand: list after list, each from a new block on.
struct Lists {
  std::vector<std::uint32_t> begins;  // first block of each list, and the end of the last
  std::vector<std::uint32_t> slots;   // row at each place, kNoRow where there is none
};

// `list_of` has the list of each row.
Lists arranged(std::span<const std::uint32_t> list_of, std::size_t lists) {
  std::vector<std::size_t> sizes(lists);
  for (const std::uint32_t list : list_of) ++sizes[list];
  Lists result;
  std::uint32_t block = 0;
  for (const std::size_t size : sizes) {
    result.begins.push_back(block);
    block += static_cast<std::uint32_t>((size + kLanes - 1) / kLanes);
  }
  result.begins.push_back(block);
  // A kernel reads up to three blocks past the last.
  result.slots.assign((block + 3) * kLanes, kNoRow);
  std::vector<std::size_t> next;
  for (std::size_t list = 0; list < lists; ++list) next.push_back(result.begins[list] * kLanes);
  for (std::uint32_t row = 0; row < list_of.size(); ++row) result.slots[next[list_of[row]]++] = row;
  return result;
}

class IvfIndex final : public RankedIndex {
 public:
  // Builds: `rows` by number.
  IvfIndex(IndexCore core, EmbeddingMatrix centroids, Lists lists, const SortedRows& rows)
      : RankedIndex(std::move(core)), centroids_(std::move(centroids)), lists_(std::move(lists)) {
    EmbeddingMatrix vectors(lists_.slots.size(), rows.dim());
    std::vector<std::uint32_t> places(lists_.slots.size());
    for (std::uint32_t place = 0; place < places.size(); ++place) {
      const std::uint32_t row = lists_.slots[place];
      places[place] = row == kNoRow ? kNoRow : place;
      if (row != kNoRow) std::ranges::copy(rows.row(row), vectors.row(place).begin());
    }
    bytes_ = ByteRows(vectors, places);
    rows_.emplace(this->core().options.storage, std::move(vectors), bytes_);
    place_rows();
  }
  // `reader` owns what `bytes` borrows.
  IvfIndex(IndexCore core, EmbeddingMatrix centroids, Lists lists, ByteRows bytes,
           std::shared_ptr<const SectionFileReader> reader)
      : RankedIndex(std::move(core)),
        reader_(std::move(reader)),
        centroids_(std::move(centroids)),
        lists_(std::move(lists)),
        bytes_(std::move(bytes)) {
    rows_.emplace(this->core().options.storage, *reader_, lists_.slots.size(), this->core().dim,
                  bytes_);
    place_rows();
  }

  void tune(const SortedRows& rows, EmbeddingView queries) {
    measure(rows, queries,
            {"probes", &IndexOptions::probes, &SearchOptions::probes, 1, core().options.lists});
  }
  void use(const Accelerate& by) override;

 protected:
  std::vector<Hit> hits(EmbeddingView queries, int k, const SearchOptions& options) const override;
  std::vector<std::vector<Hit>> exact_hits(
      EmbeddingView queries, const Wanted& wanted,
      const std::vector<std::uint32_t>* allowed) const override;
  std::size_t row_bytes() const override {
    return place_of_.size() * sizeof(std::uint32_t) + rows_->bytes() + bytes_.codes().size_bytes() +
           bytes_.bounds().size_bytes() +
           (lists_.slots.size() + lists_.begins.size()) * sizeof(std::uint32_t) +
           centroids_.rows() * static_cast<std::size_t>(core().dim) * sizeof(float) +
           centroid_bytes_.codes().size_bytes();
  }
  void save_rows(SectionFileWriter& writer) const override {
    rows_->save(writer);
    writer.add("codes", std::as_bytes(bytes_.codes()));
    writer.add("bounds", std::as_bytes(bytes_.bounds()));
    writer.add("slots", std::as_bytes(std::span(lists_.slots)));
    writer.add("begins", std::as_bytes(std::span(lists_.begins)));
    writer.add("centroids",
               std::as_bytes(std::span(centroids_.data(),
                                       centroids_.rows() * static_cast<std::size_t>(core().dim))));
  }

 private:
  void place_rows() {
    place_of_.resize(core().ids.size());
    for (std::uint32_t place = 0; place < lists_.slots.size(); ++place)
      if (lists_.slots[place] != kNoRow) place_of_[lists_.slots[place]] = place;
  }

  std::shared_ptr<const SectionFileReader> reader_;
  EmbeddingMatrix centroids_;
  ByteRows centroid_bytes_{centroids_};
  Lists lists_;
  ByteRows bytes_;
  std::optional<RowStore> rows_;         // by place
  std::vector<std::uint32_t> place_of_;  // each row
  std::unique_ptr<const RowAccelerator> accelerator_;
};

void IvfIndex::use(const Accelerate& by) {
  accelerator_.reset();  // before the next takes memory
  if (!by.ivf) RankedIndex::use(by);
  if (place_of_.empty()) return;
  ListedRows rows{centroids_, rows_->source(), {}};
  for (std::size_t list = 0; list + 1 < lists_.begins.size(); ++list) {
    auto& places = rows.lists.emplace_back();
    const std::size_t end = lists_.begins[list + 1] * kLanes;
    for (std::size_t at = lists_.begins[list] * kLanes; at < end; ++at)
      if (lists_.slots[at] != kNoRow)
        places.push_back({static_cast<std::uint32_t>(at), lists_.slots[at]});
  }
  accelerator_ = by.ivf(rows);
}

std::vector<Hit> IvfIndex::hits(EmbeddingView queries, int k, const SearchOptions& options) const {
  const int asked = options.probes > 0 ? options.probes : core().options.probes;
  const int probes = std::clamp(asked, 1, static_cast<int>(centroids_.rows()));
  // Exact, so the lists read do not depend on the size of the batch.
  const std::vector<Hit> nearest = bounded_scan(queries, probes, {&centroid_bytes_, centroids_});
  const auto each = static_cast<std::size_t>(probes), width = static_cast<std::size_t>(k);
  const BoundedRows rows{&bytes_, rows_->source(), lists_.slots};
  const auto scan = [&](std::span<const std::size_t> some) {
    std::vector<Hit> best(some.size() * width);
#pragma omp parallel for schedule(dynamic) if (some.size() > 1)
    for (std::size_t i = 0; i < some.size(); ++i) {
      std::vector<BlockRange> ranges;
      for (const Hit& list : std::span(nearest).subspan(some[i] * each, each))
        ranges.push_back({lists_.begins[list.row], lists_.begins[list.row + 1]});
      bounded_scan(queries.row(some[i]), rows, ranges, std::span(best).subspan(i * width, width));
    }
    return best;
  };
  if (accelerator_)
    return accelerated_hits(*accelerator_, {rows_->source(), place_of_.size(), place_of_}, queries,
                            width, nearest, scan);
  std::vector<std::size_t> all(queries.rows());
  std::iota(all.begin(), all.end(), std::size_t{0});
  return scan(all);
}

std::vector<std::vector<Hit>> IvfIndex::exact_hits(
    EmbeddingView queries, const Wanted& wanted, const std::vector<std::uint32_t>* allowed) const {
  const BoundedRows rows{&bytes_, rows_->source(), lists_.slots};
  if (allowed == nullptr) return bounded_scan(queries, wanted, rows, {});
  std::vector<std::uint32_t> places;
  places.reserve(allowed->size());
  for (const std::uint32_t row : *allowed) places.push_back(place_of_[row]);
  if (worth_gathering(allowed->size(), place_of_.size()))
    return gather_scan(queries, wanted, rows_->source(), places, *allowed);
  return bounded_scan(queries, wanted, rows, lanes_of(places, bytes_.blocks()));
}

std::size_t list_count(int asked, std::size_t rows) {
  const auto n = static_cast<double>(rows);
  const double wanted =
      asked > 0 ? std::min<double>(asked, n) : std::min(4 * std::sqrt(n), n / kRowsPerList);
  return std::max<std::size_t>(1, static_cast<std::size_t>(wanted));
}

// k-means on the sphere, by FAISS. [lists x dim]; without rows one list at the origin.
EmbeddingMatrix clustered(const IndexOptions& options, const SortedRows& rows) {
  const std::size_t lists = list_count(options.lists, rows.size());
  EmbeddingMatrix centroids(lists, rows.dim());
  if (rows.size() == 0) return centroids;
  faiss::ClusteringParameters settings;
  settings.seed = options.seed;
  settings.niter = kClusteringRounds;
  settings.min_points_per_centroid = 1;
  settings.spherical = true;
  faiss::Clustering clustering(rows.dim(), static_cast<int>(lists), settings);
  faiss::IndexFlatIP nearest(rows.dim());
  const EmbeddingMatrix sample = rows.sample(lists * kSamplePerList, options.seed);
  clustering.train(static_cast<FaissId>(sample.rows()), sample.data(), nearest);
  std::ranges::copy(clustering.centroids, centroids.data());
  return centroids;
}

// The list of each row: that of the centroid it is most alike to.
std::vector<std::uint32_t> assigned(EmbeddingView centroids, const SortedRows& rows) {
  constexpr std::size_t kAtOnce = 4096;
  const ByteRows bytes(centroids);
  EmbeddingMatrix chunk(kAtOnce, rows.dim());
  std::vector<std::uint32_t> list_of;
  list_of.reserve(rows.size());
  for (std::size_t first = 0; first < rows.size(); first += kAtOnce) {
    const std::size_t count = std::min(kAtOnce, rows.size() - first);
    for (std::size_t i = 0; i < count; ++i)
      std::ranges::copy(rows.row(first + i), chunk.row(i).begin());
    for (const Hit& hit : bounded_scan(chunk.view().rows(0, count), 1, {&bytes, centroids}))
      list_of.push_back(hit.row);
  }
  return list_of;
}

// Every row in exactly one list, and every list within the slots.
void check_lists(const Lists& lists, std::size_t rows) {
  std::vector<bool> seen(rows);
  std::size_t found = 0;
  bool whole = lists.begins.front() == 0 && std::ranges::is_sorted(lists.begins) &&
               lists.slots.size() == (lists.begins.back() + 3) * kLanes;
  for (const std::uint32_t row : lists.slots) {
    if (row == kNoRow) continue;
    whole = whole && row < rows && !seen[row];
    if (!whole) break;
    seen[row] = true;
    ++found;
  }
  ensure(whole && found == rows, ErrorKind::kCorrupt,
         fmt::format("loading an ivf index: its lists do not hold each of {} rows once; build the "
                     "index again",
                     rows));
}

template <class T>
std::vector<T> copy_of(std::span<const T> values) {
  return {values.begin(), values.end()};
}

}  // namespace

std::unique_ptr<VectorIndex> build_ivf_index(IndexCore core, const SortedRows& rows,
                                             EmbeddingView tuning_queries, const Progress&) {
  EmbeddingMatrix centroids = translated(ErrorKind::kInternal, "building an ivf index",
                                         [&] { return clustered(core.options, rows); });
  core.options.lists = static_cast<int>(centroids.rows());
  core.reason += fmt::format("; {} lists", centroids.rows());
  Lists lists = arranged(assigned(centroids, rows), centroids.rows());
  auto index =
      std::make_unique<IvfIndex>(std::move(core), std::move(centroids), std::move(lists), rows);
  index->tune(rows, tuning_queries);
  return index;
}

std::unique_ptr<VectorIndex> load_ivf_index(IndexCore core,
                                            std::shared_ptr<const SectionFileReader> reader) {
  const auto dim = static_cast<std::size_t>(core.dim);
  const auto count = static_cast<std::size_t>(std::max(core.options.lists, 1));
  Lists lists;
  lists.begins = copy_of(section_of<std::uint32_t>(*reader, "begins", count + 1));
  const std::size_t places = reader->section("slots").size() / sizeof(std::uint32_t);
  lists.slots = copy_of(section_of<std::uint32_t>(*reader, "slots", places));
  check_lists(lists, core.ids.size());
  EmbeddingMatrix centroids(count, core.dim);
  std::ranges::copy(section_of<float>(*reader, "centroids", count * dim), centroids.data());
  ByteRows bytes(places, core.dim,
                 section_of<std::uint8_t>(*reader, "codes", ByteRows::code_bytes(places, core.dim)),
                 section_of<ByteRows::Bounds>(*reader, "bounds", ByteRows::block_count(places)));
  return std::make_unique<IvfIndex>(std::move(core), std::move(centroids), std::move(lists),
                                    std::move(bytes), std::move(reader));
}

}  // namespace dexter
