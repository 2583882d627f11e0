// Exact search over all rows.
#include "index/accelerated_search.h"
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

  void use(const Accelerate& by) override {
    accelerator_.reset();  // before the next takes memory
    if (!by.flat) RankedIndex::use(by);
    if (rows_.size() == 0) return;
    if (rows_.source().in_place()) {
      accelerator_ = by.flat({rows_.source().row(0, {}).data(), rows_.size(), core().dim});
      return;
    }
    EmbeddingMatrix all(rows_.size(), core().dim);
    for (std::size_t i = 0; i < all.rows(); ++i)
      std::ranges::copy(rows_.source().row(i, all.row(i)), all.row(i).begin());
    accelerator_ = by.flat(all);
  }

 protected:
  std::vector<Hit> hits(EmbeddingView queries, int k, const SearchOptions&) const override {
    const auto scan = [&](EmbeddingView some) {
      return bounded_scan(some, k, {&bytes_, rows_.source()});
    };
    if (!accelerator_) return scan(queries);
    return accelerated_hits(
        *accelerator_, {rows_.source(), rows_.size(), {}}, queries, static_cast<std::size_t>(k), {},
        [&](std::span<const std::size_t> rest) { return scan(rows_of(queries, rest)); });
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
  std::shared_ptr<const SectionFileReader> reader_;
  ByteRows bytes_;
  RowStore rows_;
  std::unique_ptr<const RowAccelerator> accelerator_;
};

}  // namespace

std::unique_ptr<VectorIndex> build_flat_index(IndexCore core, const SortedRows& rows, EmbeddingView,
                                              const Progress&) {
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
