// An index's vectors in FAISS's own indexes, one a device, and their answers as one.
#include "index/faiss_search.h"

#include <faiss/IndexFlat.h>
#include <faiss/IndexIVFFlat.h>
#include <faiss/IndexIVFPQ.h>
#include <faiss/IndexReplicas.h>
#include <faiss/IndexScalarQuantizer.h>
#include <faiss/IndexShards.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <mutex>
#include <optional>

#include "index/device_memory.h"
#include "index/faiss_devices.h"

namespace dexter {
namespace {

// What GpuIndexIVFPQ has kernels for, in bytes a vector.
constexpr std::array kCodeBytes = {1, 2, 3, 4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 96};

// The `part`-th of `parts` shares of some things.
struct Share {
  std::size_t part = 0;
  std::size_t parts = 1;
  std::size_t begin(std::size_t size) const { return size * part / parts; }
  std::size_t size(std::size_t all) const { return all * (part + 1) / parts - begin(all); }
};

double squares_of(std::span<const float> row) {
  double squares = 0;
  for (const float v : row) squares += static_cast<double>(v) * static_cast<double>(v);
  return squares;
}

// A share of each list, encoded when it is asked for: no second copy stands in memory.
class RowLists final : public faiss::ReadOnlyInvertedLists {
 public:
  RowLists(const ListedRows& rows, const faiss::IndexIVF& coder, Share share)
      : ReadOnlyInvertedLists(rows.lists.size(), coder.code_size),
        rows_(rows),
        coder_(coder),
        share_(share) {}

  std::size_t list_size(std::size_t list) const override {
    return share_.size(rows_.lists[list].size());
  }
  const std::uint8_t* get_codes(std::size_t list) const override {
    const std::span<const Place> places = places_of_list(list);
    EmbeddingMatrix vectors(places.size(), rows_.centroids.dim());
    for (std::size_t i = 0; i < places.size(); ++i)
      std::ranges::copy(rows_.vectors.row(places[i].at, vectors.row(i)), vectors.row(i).begin());
    const std::vector<FaissId> lists(places.size(), static_cast<FaissId>(list));
    codes_.resize(places.size() * code_size);
    coder_.encode_vectors(static_cast<FaissId>(places.size()), vectors.data(), lists.data(),
                          codes_.data());
    return codes_.data();
  }
  const FaissId* get_ids(std::size_t list) const override {
    ids_.clear();
    for (const Place& place : places_of_list(list)) ids_.push_back(place.row);
    return ids_.data();
  }

 private:
  std::span<const Place> places_of_list(std::size_t list) const {
    return std::span(rows_.lists[list])
        .subspan(share_.begin(rows_.lists[list].size()), list_size(list));
  }

  const ListedRows& rows_;
  const faiss::IndexIVF& coder_;
  Share share_;
  mutable std::vector<std::uint8_t> codes_;  // of the list asked for last
  mutable std::vector<FaissId> ids_;
};

// An index of FAISS's without rows, in the form of the options.
std::unique_ptr<faiss::IndexIVF> empty_index(const ListedRows& rows, const FaissOptions& options) {
  const int dim = rows.centroids.dim();
  const std::size_t lists = rows.lists.size();
  auto centroids = std::make_unique<faiss::IndexFlatIP>(dim);
  centroids->add(static_cast<FaissId>(lists), rows.centroids.data());
  std::unique_ptr<faiss::IndexIVF> index;
  if (options.codes > 0)
    index = std::make_unique<faiss::IndexIVFPQ>(centroids.get(), dim, lists, options.codes,
                                                /*nbits_per_idx=*/8, faiss::METRIC_INNER_PRODUCT);
  else if (options.half)
    index = std::make_unique<faiss::IndexIVFScalarQuantizer>(
        centroids.get(), dim, lists, faiss::ScalarQuantizer::QT_fp16, faiss::METRIC_INNER_PRODUCT,
        /*encode_residual=*/false);
  else
    index = std::make_unique<faiss::IndexIVFFlat>(centroids.get(), dim, lists,
                                                  faiss::METRIC_INNER_PRODUCT);
  centroids.release();
  index->own_fields = true;
  index->is_trained = true;  // the centroids are; codes are what learn_codes says
  return index;
}

// Learns the codes' centroids from rows at even distances.
faiss::ProductQuantizer learn_codes(const ListedRows& rows, const FaissOptions& options) {
  constexpr std::size_t kMost = 65536;  // as many as FAISS takes for 256 centroids
  std::vector<std::uint32_t> all;
  for (const auto& list : rows.lists)
    for (const Place& place : list) all.push_back(place.at);
  const std::size_t count = std::min(kMost, all.size());
  EmbeddingMatrix sample(count, rows.centroids.dim());
  for (std::size_t i = 0; i < count; ++i)
    std::ranges::copy(rows.vectors.row(all[i * all.size() / count], sample.row(i)),
                      sample.row(i).begin());
  const auto index = empty_index(rows, options);
  auto& coder = dynamic_cast<faiss::IndexIVFPQ&>(*index);
  coder.pq.cp.min_points_per_centroid = 1;  // few rows are no reason for FAISS to write of
  coder.train_residual(static_cast<FaissId>(count), sample.data());
  return coder.pq;
}

// An index over a share of the lists, which reads them from `rows` as they are.
std::unique_ptr<faiss::IndexIVF> index_over(const ListedRows& rows, const FaissOptions& options,
                                            const faiss::ProductQuantizer& codes, Share share) {
  std::unique_ptr<faiss::IndexIVF> index = empty_index(rows, options);
  if (options.codes > 0) dynamic_cast<faiss::IndexIVFPQ&>(*index).pq = codes;
  auto own = std::make_unique<RowLists>(rows, *index, share);
  index->ntotal = static_cast<FaissId>(own->compute_ntotal());
  index->replace_invlists(own.release(), /*own=*/true);
  return index;
}

// The lists that a batch of queries reads, [queries x each].
struct ListsRead {
  const float* queries = nullptr;
  std::size_t each = 0;
  std::vector<FaissId> lists;
  std::vector<float> scores;
};

// One device's copy of lists. FAISS's shards and replicas hand it queries; which lists these read
// it looks up by where they stand.
struct ListPart final : faiss::Index {
  ListPart(const FaissDevices& where, std::unique_ptr<faiss::Index> rows, const ListsRead& lists)
      : Index(rows->d, faiss::METRIC_INNER_PRODUCT),
        devices(where),
        copy(std::move(rows)),
        read(lists) {
    ntotal = copy->ntotal;
    is_trained = true;
  }
  void search(FaissId n, const float* x, FaissId k, float* scores, FaissId* rows,
              const faiss::SearchParameters*) const override {
    const auto dim = static_cast<std::size_t>(d), count = static_cast<std::size_t>(k);
    const auto all = static_cast<std::size_t>(n);
    const std::size_t first = static_cast<std::size_t>(x - read.queries) / dim;
    // The rest of the room is for the queries and the answers.
    const std::size_t step = queries_within(FaissDevices::kWork / 2, read.each, d, count);
    for (std::size_t i = 0; i < all; i += step) {
      const std::size_t at = (first + i) * read.each;
      devices.search(*copy, static_cast<FaissId>(std::min(step, all - i)), x + i * dim,
                     &read.lists[at], &read.scores[at], read.each, k, scores + i * count,
                     rows + i * count);
    }
  }
  void add(FaissId, const float*) override { FAISS_THROW_MSG("a copy is not added to"); }
  void reset() override { FAISS_THROW_MSG("a copy is not reset"); }

  const FaissDevices& devices;
  std::unique_ptr<faiss::Index> copy;
  const ListsRead& read;
};

// The parts as one index; flat ones number their rows one after the other.
std::unique_ptr<faiss::Index> joined(std::vector<std::unique_ptr<faiss::Index>> parts,
                                     bool replicas, bool successive) {
  if (parts.size() == 1) return std::move(parts.front());
  const auto add = [&](auto index) -> std::unique_ptr<faiss::Index> {
    index->own_fields = true;
    for (auto& part : parts) index->addIndex(part.release());
    return index;
  };
  const int dim = parts.front()->d;
  if (replicas) return add(std::make_unique<faiss::IndexReplicas>(dim, /*threaded=*/true));
  return add(std::make_unique<faiss::IndexShards>(dim, /*threaded=*/true, successive));
}

class FaissRows final : public RowAccelerator {
 public:
  FaissRows(EmbeddingView rows, const FaissOptions& options) : FaissRows(options) {
    ensure(options.codes == 0, ErrorKind::kInvalidInput,
           "putting vectors on a device: codes are of an ivf index, this one is flat");
    for (std::size_t i = 0; i < rows.rows(); ++i) see(rows.row(i));
    check_half();
    const auto share_of = [&](std::size_t i) {
      const Share share = share_on(i);
      return rows.rows(share.begin(rows.rows()), share.size(rows.rows()));
    };
    const std::size_t each = static_cast<std::size_t>(rows.dim()) * value_bytes() + sizeof(float);
    build(/*successive=*/true, [&](std::size_t i) { return share_of(i).rows() * each; },
          [&](std::size_t i) { return devices_->flat(share_of(i), options_.half, i); });
  }
  FaissRows(const ListedRows& rows, const FaissOptions& options) : FaissRows(options) {
    const int dim = rows.centroids.dim();
    std::vector<float> room(static_cast<std::size_t>(dim));
    for (const auto& list : rows.lists)
      for (const Place& place : list) see(rows.vectors.row(place.at, room));
    check_half();
    check_codes(rows);
    const auto bytes_on = [&](std::size_t i) {
      std::vector<std::size_t> sizes;
      for (const auto& list : rows.lists) sizes.push_back(share_on(i).size(list.size()));
      return listed_bytes(sizes,
                          options_.codes > 0 ? static_cast<std::size_t>(options_.codes)
                                             : static_cast<std::size_t>(dim) * value_bytes(),
                          dim);
    };
    std::optional<faiss::ProductQuantizer> codes;
    build(/*successive=*/false, bytes_on, [&](std::size_t i) {
      if (!codes)
        codes = options_.codes > 0 ? learn_codes(rows, options_) : faiss::ProductQuantizer();
      return std::make_unique<ListPart>(
          *devices_, devices_->lists(index_over(rows, options_, *codes, share_on(i)), i), read_);
    });
  }

  std::size_t most() const override { return FaissDevices::kMost; }

  Found best(const Ask& ask) const override {
    const std::lock_guard turn(mutex_);
    const std::size_t n = ask.queries.rows();
    read_.queries = ask.queries.data();
    read_.each = ask.lists.size() / n;
    read_.lists.clear();
    read_.scores.clear();
    for (const Hit& list : ask.lists) {
      read_.lists.push_back(list.row);
      read_.scores.push_back(list.score);
    }
    Found found{std::vector<std::int64_t>(n * ask.count), std::vector<float>(n * ask.count)};
    translated(ErrorKind::kInternal, "searching by FAISS's copy of an index", [&] {
      parts_->search(static_cast<FaissId>(n), ask.queries.data(), static_cast<FaissId>(ask.count),
                     found.scores.data(), found.rows.data());
    });
    return found;
  }

  float slack(std::span<const float> query) const override {
    if (options_.codes > 0) return std::numeric_limits<float>::infinity();
    constexpr double kUnit = 1.0 / (1 << 24), kHalfUnit = 1.0 / (1 << 11);
    // Rows and queries may be rounded to halves; sums are float32's in any order. Below the normal
    // halves a value is off by 2^-25 at most.
    const auto dim = static_cast<double>(query.size());
    const double norm = std::sqrt(squares_of(query)), largest = std::sqrt(largest_squares_);
    const double relative = (2 * dim + 32) * kUnit + (options_.half ? 4 * kHalfUnit : 0);
    const double least = options_.half ? std::sqrt(dim) * (norm + largest + 1) * 0x1p-25 : 1e-37;
    return static_cast<float>((norm * largest * relative + least) * (1 + 1e-6));
  }

 private:
  explicit FaissRows(const FaissOptions& options)
      : options_(options),
        devices_(options.gpu ? gpu_devices(options.devices)
                             : processor_devices(std::max(1, options.devices))) {}

  Share share_on(std::size_t device) const {
    return options_.replicas ? Share{} : Share{device, devices_->count()};
  }
  std::size_t value_bytes() const { return options_.half ? 2 : sizeof(float); }
  void see(std::span<const float> row) {
    largest_squares_ = std::max(largest_squares_, squares_of(row));
  }
  void check_half() const {
    ensure(!options_.half || largest_squares_ < 65504.0 * 65504.0, ErrorKind::kInvalidInput,
           "putting vectors on a device: the longest is " +
               std::to_string(std::sqrt(largest_squares_)) +
               ", in half precision 65504 fit; keep them in float32");
  }

  void check_codes(const ListedRows& rows) const {
    if (options_.codes == 0) return;
    std::size_t count = 0;
    for (const auto& list : rows.lists) count += list.size();
    ensure(!options_.half && std::ranges::count(kCodeBytes, options_.codes) == 1 &&
               rows.centroids.dim() % options_.codes == 0 && count >= 256,
           ErrorKind::kInvalidInput,
           "putting vectors on a device: codes of " + std::to_string(options_.codes) +
               " bytes for " + std::to_string(count) + " vectors of " +
               std::to_string(rows.centroids.dim()) +
               " dimensions; give a divisor of the dimensions among 1, 2, 3, 4, 8, 12, 16, 20, 24, "
               "28, 32, 40, 48, 56, 64 and 96, at least 256 vectors, and no half precision");
  }

  // Every device is asked whether its part fits before the first is copied.
  template <class BytesOn, class CopyTo>
  void build(bool successive, const BytesOn& bytes_on, const CopyTo& copy_to) {
    for (std::size_t i = 0; i < devices_->count(); ++i)
      ensure_fits({.copy = bytes_on(i), .work = FaissDevices::kWork}, options_.memory,
                  devices_->free_bytes(i), devices_->name(i));
    std::vector<std::unique_ptr<faiss::Index>> parts;
    for (std::size_t i = 0; i < devices_->count(); ++i) {
      // Others may have taken the memory meanwhile: the index is sound, this device is not for it.
      try {
        parts.push_back(copy_to(i));
      } catch (const Error&) {
        throw;
      } catch (const std::exception& e) {
        throw Error(ErrorKind::kInvalidInput, "copying vectors to " + devices_->name(i) +
                                                  ": FAISS says '" + e.what() +
                                                  "'; free its memory, or search on the cpu");
      }
    }
    parts_ = translated(ErrorKind::kInternal, "joining the copies of an index for FAISS",
                        [&] { return joined(std::move(parts), options_.replicas, successive); });
  }

  const FaissOptions options_;
  const std::unique_ptr<const FaissDevices> devices_;
  double largest_squares_ = 0;
  // guarded by mutex_, once built
  mutable std::mutex mutex_;
  mutable ListsRead read_;
  std::unique_ptr<faiss::Index> parts_;
};

}  // namespace

std::string faiss_too_new(int compiled, int own, int gpu) {
  if (own >= compiled) return {};
  const std::string number = std::to_string(own);
  return "this FAISS was compiled for sm_" + std::to_string(compiled) + ", GPU " +
         std::to_string(gpu) + " is sm_" + number + "; run `tools/setup --cuda --cuda-arch " +
         number + "` and build again, or hide it (CUDA_VISIBLE_DEVICES)";
}

Accelerate by_faiss(const FaissOptions& options) {
  return {
      .flat = [options](
                  EmbeddingView rows) { return std::make_unique<const FaissRows>(rows, options); },
      .ivf =
          [options](const ListedRows& rows) {
            return std::make_unique<const FaissRows>(rows, options);
          }};
}

}  // namespace dexter
