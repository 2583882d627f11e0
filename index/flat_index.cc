// Exact search over all rows.
#include "index/bounded_scan.h"
#include "index/gather_scan.h"
#include "index/ranked_index.h"

namespace dexter {
namespace {

class FlatIndex final : public RankedIndex {
 public:
  FlatIndex(IndexCore core, EmbeddingMatrix rows)
      : RankedIndex(std::move(core)), own_rows_(std::move(rows)), rows_(own_rows_), bytes_(rows_) {}
  // `reader` owns what `rows` and `bytes` borrow.
  FlatIndex(IndexCore core, EmbeddingView rows, ByteRows bytes,
            std::shared_ptr<const SectionFileReader> reader)
      : RankedIndex(std::move(core)),
        reader_(std::move(reader)),
        rows_(rows),
        bytes_(std::move(bytes)) {}

 protected:
  std::vector<Hit> hits(EmbeddingView queries, int k, const SearchOptions&) const override {
    return bounded_scan(queries, k, {&bytes_, rows_});
  }
  std::vector<std::vector<Hit>> exact_hits(
      EmbeddingView queries, const Wanted& wanted,
      const std::vector<std::uint32_t>* allowed) const override {
    if (allowed == nullptr) return bounded_scan(queries, wanted, {&bytes_, rows_}, {});
    if (worth_gathering(allowed->size(), rows_.rows()))
      return gather_scan(queries, wanted, rows_, *allowed, *allowed);
    return bounded_scan(queries, wanted, {&bytes_, rows_}, lanes_of(*allowed, bytes_.blocks()));
  }
  std::size_t row_bytes() const override {
    return values().size_bytes() + bytes_.codes().size_bytes() + bytes_.bounds().size_bytes();
  }
  void save_rows(SectionFileWriter& writer) const override {
    writer.add("rows", std::as_bytes(values()));
    writer.add("codes", std::as_bytes(bytes_.codes()));
    writer.add("bounds", std::as_bytes(bytes_.bounds()));
  }

 private:
  std::span<const float> values() const {
    return {rows_.data(), rows_.rows() * static_cast<std::size_t>(rows_.dim())};
  }

  std::shared_ptr<const SectionFileReader> reader_;
  EmbeddingMatrix own_rows_;
  EmbeddingView rows_;
  ByteRows bytes_;
};

}  // namespace

std::unique_ptr<VectorIndex> build_flat_index(IndexCore core, const SortedRows& rows,
                                              EmbeddingView) {
  return std::make_unique<FlatIndex>(std::move(core), rows.copy());
}

std::unique_ptr<VectorIndex> load_flat_index(IndexCore core,
                                             std::shared_ptr<const SectionFileReader> reader) {
  const std::size_t rows = core.ids.size();
  const auto values = section_of<float>(*reader, "rows", rows * static_cast<std::size_t>(core.dim));
  const auto codes =
      section_of<std::uint8_t>(*reader, "codes", ByteRows::code_bytes(rows, core.dim));
  const auto bounds = section_of<ByteRows::Bounds>(*reader, "bounds", ByteRows::block_count(rows));
  const EmbeddingView view(values.data(), rows, core.dim);
  ByteRows bytes(rows, core.dim, codes, bounds);
  return std::make_unique<FlatIndex>(std::move(core), view, std::move(bytes), std::move(reader));
}

}  // namespace dexter
