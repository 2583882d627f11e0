// Exact search over all rows.
#include <numeric>

#include <spdlog/fmt/fmt.h>

#include "index/accelerated_index.h"
#include "index/bounded_scan.h"
#include "index/gather_scan.h"
#include "index/ranked_index.h"

namespace dexter {
namespace {

class FlatIndex final : public RankedIndex {
 public:
  FlatIndex(IndexCore core, EmbeddingMatrix rows)
      : RankedIndex(std::move(core)),
        bytes_(rows),
        rows_(this->core().options.storage, std::move(rows), bytes_) {}
  // `reader` owns what `bytes` borrows.
  FlatIndex(IndexCore core, ByteRows bytes, std::shared_ptr<const SectionFileReader> reader)
      : RankedIndex(std::move(core)),
        reader_(std::move(reader)),
        bytes_(std::move(bytes)),
        rows_(this->core().options.storage, *reader_, this->core().ids.size(), this->core().dim,
              bytes_) {}

  void use(const Accelerate& accelerate) {
    if (rows_.size() == 0) return;
    if (rows_.source().in_place()) {
      accelerator_ = accelerate({rows_.source().row(0, {}).data(), rows_.size(), core().dim});
      return;
    }
    EmbeddingMatrix all(rows_.size(), core().dim);
    for (std::size_t i = 0; i < all.rows(); ++i) rows_.source().row(i, all.row(i));
    accelerator_ = accelerate(all);
  }

 protected:
  std::vector<Hit> hits(EmbeddingView queries, int k, const SearchOptions&) const override {
    if (accelerator_) return accelerated_hits(queries, static_cast<std::size_t>(k));
    return bounded_scan(queries, k, {&bytes_, rows_.source()});
  }
  std::vector<std::vector<Hit>> exact_hits(
      EmbeddingView queries, const Wanted& wanted,
      const std::vector<std::uint32_t>* allowed) const override {
    if (allowed == nullptr) return bounded_scan(queries, wanted, {&bytes_, rows_.source()}, {});
    if (worth_gathering(allowed->size(), rows_.size()))
      return gather_scan(queries, wanted, rows_.source(), *allowed, *allowed);
    return bounded_scan(queries, wanted, {&bytes_, rows_.source()},
                        lanes_of(*allowed, bytes_.blocks()));
  }
  std::size_t row_bytes() const override {
    return rows_.bytes() + bytes_.codes().size_bytes() + bytes_.bounds().size_bytes();
  }
  void save_rows(SectionFileWriter& writer) const override {
    rows_.save(writer);
    writer.add("codes", std::as_bytes(bytes_.codes()));
    writer.add("bounds", std::as_bytes(bytes_.bounds()));
  }

 private:
  std::vector<Hit> accelerated_hits(EmbeddingView queries, std::size_t k) const;
  // Fills the k best of a query from its share of what was found; false where a row that was not
  // found may be among them.
  bool settle(std::span<const float> query, const RowAccelerator::Found& found, std::size_t first,
              std::size_t count, std::span<Hit> best) const;

  std::shared_ptr<const SectionFileReader> reader_;
  ByteRows bytes_;
  RowStore rows_;
  std::unique_ptr<const RowAccelerator> accelerator_;
};

bool FlatIndex::settle(std::span<const float> query, const RowAccelerator::Found& found,
                       std::size_t first, std::size_t count, std::span<Hit> best) const {
  std::vector<Place> places(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto row = static_cast<std::uint32_t>(found.rows[first + i]);
    places[i] = {row, row};
  }
  rescore(query, rows_.source(), places, best);
  return count == rows_.size() ||
         best.back().score > found.scores[first + count - 1] + accelerator_->slack(query);
}

std::vector<Hit> FlatIndex::accelerated_hits(EmbeddingView queries, std::size_t k) const {
  std::vector<Hit> best(queries.rows() * k);
  std::vector<std::size_t> pending(queries.rows());
  std::iota(pending.begin(), pending.end(), std::size_t{0});
  EmbeddingMatrix gathered;
  for (std::size_t count = std::min(rows_.size(), k + 16 + k / 8); !pending.empty();
       count = std::min(rows_.size(), 4 * count)) {
    const RowAccelerator::Found found = accelerator_->best(queries, count);
    std::vector<char> open(pending.size());
#pragma omp parallel for schedule(dynamic) if (pending.size() > 1)
    for (std::size_t i = 0; i < pending.size(); ++i)
      open[i] = settle(queries.row(i), found, i * count, count,
                       std::span(best).subspan(pending[i] * k, k))
                    ? 0
                    : 1;
    std::vector<std::size_t> rest, again;
    for (std::size_t i = 0; i < pending.size(); ++i)
      if (open[i] != 0) rest.push_back(pending[i]), again.push_back(i);
    EmbeddingMatrix next(again.size(), queries.dim());
    for (std::size_t i = 0; i < again.size(); ++i)
      std::ranges::copy(queries.row(again[i]), next.row(i).begin());
    gathered = std::move(next);
    queries = gathered;
    pending = std::move(rest);
  }
  return best;
}

}  // namespace

std::unique_ptr<VectorIndex> accelerated(std::unique_ptr<VectorIndex> index,
                                         const Accelerate& accelerate) {
  auto* const flat = dynamic_cast<FlatIndex*>(index.get());
  ensure(flat != nullptr, ErrorKind::kInvalidInput,
         fmt::format("searching on other hardware: the index is {}, but only a flat one can be "
                     "searched there; build it with the kind flat",
                     index->describe().kind));
  flat->use(accelerate);
  return index;
}

std::unique_ptr<VectorIndex> build_flat_index(IndexCore core, const SortedRows& rows,
                                              EmbeddingView) {
  return std::make_unique<FlatIndex>(std::move(core), rows.copy());
}

std::unique_ptr<VectorIndex> load_flat_index(IndexCore core,
                                             std::shared_ptr<const SectionFileReader> reader) {
  const std::size_t rows = core.ids.size();
  const auto codes =
      section_of<std::uint8_t>(*reader, "codes", ByteRows::code_bytes(rows, core.dim));
  const auto bounds = section_of<ByteRows::Bounds>(*reader, "bounds", ByteRows::block_count(rows));
  ByteRows bytes(rows, core.dim, codes, bounds);
  return std::make_unique<FlatIndex>(std::move(core), std::move(bytes), std::move(reader));
}

}  // namespace dexter
