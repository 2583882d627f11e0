// Exact search over all rows; the oracle of every other kind.
#include <spdlog/fmt/fmt.h>

#include "index/ranked_index.h"
#include "storage/error.h"

namespace dexter {
namespace {

class FlatIndex final : public RankedIndex {
 public:
  // `reader` owns the rows when they lie in a mapped file.
  FlatIndex(IndexCore core, RowBlocks rows, std::shared_ptr<const SectionFileReader> reader)
      : RankedIndex(std::move(core)), reader_(std::move(reader)), rows_(std::move(rows)) {}

 protected:
  std::vector<Hit> hits(EmbeddingView queries, int k, const SearchOptions&) const override {
    RowScan scan(queries, k);
    scan.add(rows_);
    return scan.take();
  }
  std::size_t row_bytes() const override { return rows_.values().size_bytes(); }
  void save_rows(SectionFileWriter& writer) const override {
    writer.add("rows", std::as_bytes(rows_.values()));
  }

 private:
  std::shared_ptr<const SectionFileReader> reader_;
  RowBlocks rows_;
};

}  // namespace

std::unique_ptr<VectorIndex> build_flat_index(IndexCore core, const SortedRows& rows,
                                              EmbeddingView) {
  return std::make_unique<FlatIndex>(std::move(core), rows.blocks(0, rows.size()), nullptr);
}

std::unique_ptr<VectorIndex> load_flat_index(IndexCore core,
                                             std::shared_ptr<const SectionFileReader> reader) {
  const std::span<const std::byte> bytes = reader->section("rows");
  const std::size_t expected = RowBlocks::values(core.ids.size(), core.dim) * sizeof(float);
  ensure(bytes.size() == expected, ErrorKind::kCorrupt,
         fmt::format("loading a flat index: {} bytes of rows, expected {}; build the index again",
                     bytes.size(), expected));
  RowBlocks rows(reinterpret_cast<const float*>(bytes.data()), core.ids.size(), core.dim);
  return std::make_unique<FlatIndex>(std::move(core), std::move(rows), std::move(reader));
}

}  // namespace dexter
