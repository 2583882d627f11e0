// Rescoring of what FAISS proposes, and FAISS's bytes in and out of a section.
#include "index/faiss_backed.h"

#include <faiss/impl/io.h>
#include <faiss/index_io.h>

#include <algorithm>
#include <cstring>

#include <spdlog/fmt/fmt.h>

namespace dexter {
namespace {

constexpr std::string_view kSection = "faiss";
// The length of that section, in decimal: FAISS 1.7.3 leaks memory when a stream ends too early.
constexpr std::string_view kLengthSection = "faiss_bytes";

class SectionWriter final : public faiss::IOWriter {
 public:
  explicit SectionWriter(SectionFileWriter& writer) : writer_(writer) {}
  size_t operator()(const void* values, size_t size, size_t count) override {
    writer_.append({static_cast<const std::byte*>(values), size * count});
    bytes_ += size * count;
    return count;
  }
  std::size_t bytes() const { return bytes_; }

 private:
  SectionFileWriter& writer_;
  std::size_t bytes_ = 0;
};

class SectionReader final : public faiss::IOReader {
 public:
  explicit SectionReader(std::span<const std::byte> bytes) : rest_(bytes) {}
  size_t operator()(void* values, size_t size, size_t count) override {
    if (size == 0) return count;
    const size_t whole = std::min(count, rest_.size() / size);
    if (whole > 0) std::memcpy(values, rest_.data(), whole * size);
    rest_ = rest_.subspan(whole * size);
    return whole;
  }
  std::size_t rest() const { return rest_.size(); }

 private:
  std::span<const std::byte> rest_;
};

}  // namespace

std::vector<Hit> FaissBacked::hits(EmbeddingView queries, int k,
                                   const SearchOptions& options) const {
  const std::vector<Candidate> found = translated(ErrorKind::kInternal, "searching an index",
                                                  [&] { return candidates(queries, k, options); });
  const std::size_t each = found.size() / queries.rows();
  const auto width = static_cast<std::size_t>(k);
  std::vector<Hit> best(queries.rows() * width);
#pragma omp parallel for if (queries.rows() > 1)
  for (std::size_t i = 0; i < queries.rows(); ++i)
    rescore(queries.row(i), std::span(found).subspan(i * each, each),
            std::span(best).subspan(i * width, width));
  return best;
}

void FaissBacked::save_rows(SectionFileWriter& writer) const {
  writer.begin(kSection);
  SectionWriter out(writer);
  translated(ErrorKind::kInternal, "saving an index",
             [&] { faiss::write_index(&faiss_index(), &out); });
  writer.end();
  writer.add(kLengthSection, std::to_string(out.bytes()));
}

std::unique_ptr<faiss::Index> read_faiss(const SectionFileReader& reader, const IndexCore& core) {
  const std::span<const std::byte> bytes = reader.section(kSection);
  ensure(reader.text(kLengthSection) == std::to_string(bytes.size()), ErrorKind::kCorrupt,
         fmt::format("loading an index: {} bytes of FAISS's, expected {}; build the index again",
                     bytes.size(), reader.text(kLengthSection)));
  SectionReader in(bytes);
  std::unique_ptr<faiss::Index> index(
      translated(ErrorKind::kCorrupt, "loading an index", [&] { return faiss::read_index(&in); }));
  const auto rows = static_cast<FaissId>(core.ids.size());
  ensure(in.rest() == 0 && index->d == core.dim && index->ntotal == rows &&
             index->metric_type == faiss::METRIC_INNER_PRODUCT,
         ErrorKind::kCorrupt,
         fmt::format(
             "loading an index: FAISS holds {} rows of {} dimensions, the file names {} of {} and "
             "{} bytes are left over; build the index again",
             index->ntotal, index->d, rows, core.dim, in.rest()));
  return index;
}

}  // namespace dexter
