// Training documents to vectors, an index of them, and a table of their labels.
#include "engine/document_indexing.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spdlog/fmt/fmt.h>

#include "encoders/encoder.h"
#include "engine/bm25.h"
#include "engine/document_table.h"
#include "engine/store_encoding.h"
#include "index/vector_index.h"
#include "storage/error.h"

namespace dexter {

void DocumentOptions::validate() const {
  const auto& kinds = index_kinds();
  const bool known = document_kind == "auto" ||
                     std::any_of(kinds.begin(), kinds.end(),
                                 [&](const IndexKind& kind) { return kind.name == document_kind; });
  ensure(known, ErrorKind::kInvalidInput,
         fmt::format("index option document_kind is '{}'; give auto, flat, ivf or hnsw",
                     document_kind));
  ensure(document_recall > 0 && document_recall <= 1, ErrorKind::kInvalidInput,
         fmt::format("index option document_recall is {}; give more than 0 and at most 1",
                     document_recall));
}

namespace {

// Up to here one query reads all bytes in about a millisecond; bench/engine/query_bench.cc.
constexpr std::size_t kFlatValues = std::size_t{40} << 20;

// Encodes chunk by chunk and keeps the documents that can be searched.
class DocumentEncoding {
 public:
  DocumentEncoding(const Catalog& catalog, const Encoder& encoder, EncodingWork* work,
                   const Progress& progress)
      : encoder_(encoder), work_(work), progress_(progress) {
    if (catalog.manifest().corpus) total_ = catalog.manifest().corpus->train_documents;
    values_.reserve(total_ * static_cast<std::size_t>(encoder.dim()));
    in_chunks<Example>([&](const auto& each) { catalog.scan_documents(each); },
                       [&](std::span<Example> documents) { encode(documents); });
  }

  EmbeddingView vectors() const { return {values_.data(), ids_.size(), encoder_.dim()}; }
  std::span<const std::int64_t> ids() const { return ids_; }
  std::span<const std::string> texts() const { return texts_; }
  const DocumentTable::Writer& table() const { return table_; }

 private:
  void encode(std::span<Example> documents) {
    const auto tell = [this](std::size_t texts) {
      progress_.check("encoding documents");
      progress_.update({"encoding documents", done_ += texts, total_, "documents", {}});
    };
    const TextChunk chunk = chunk_of(encoder_, documents);
    const EmbeddingMatrix vectors =
        work_ == nullptr ? chunk.encode(tell) : work_->vectors(chunk, progress_);
    if (work_ != nullptr) tell(documents.size());
    for (std::size_t i = 0; i < documents.size(); ++i) {
      const std::span<const float> row = vectors.row(i);
      if (is_zero(row)) continue;
      values_.insert(values_.end(), row.begin(), row.end());
      add(std::move(documents[i]));
    }
  }

  void add(Example&& example) {
    ensure(value(example.id) <= std::numeric_limits<std::uint32_t>::max(), ErrorKind::kInvalidInput,
           fmt::format("indexing documents: one has the number {}, up to {} can be indexed; index "
                       "without --documents",
                       value(example.id), std::numeric_limits<std::uint32_t>::max()));
    ids_.push_back(static_cast<std::int64_t>(value(example.id)));
    table_.add(example.id, example.labels);
    texts_.push_back(std::move(example.text));
  }

  const Encoder& encoder_;
  EncodingWork* const work_;  // null for none
  const Progress& progress_;
  std::uint64_t total_ = 0, done_ = 0;
  std::vector<std::int64_t> ids_;
  std::vector<float> values_;
  std::vector<std::string> texts_;
  DocumentTable::Writer table_;
};

IndexOptions index_options(const DocumentOptions& options, std::size_t values, std::size_t rows) {
  IndexOptions result{.kind = options.document_kind, .recall = options.document_recall};
  if (result.kind == "auto") result.kind = values <= kFlatValues ? "flat" : "ivf";
  // Half as many lists as an index of labels has: building them is most of the work.
  if (result.kind == "ivf")
    result.lists = std::max(1, static_cast<int>(2 * std::sqrt(static_cast<double>(rows))));
  return result;
}

}  // namespace

DocumentsInfo index_documents(const Catalog& catalog, const Encoder& encoder,
                              const DocumentOptions& options, std::uint64_t number,
                              EmbeddingView queries, EncodingWork* work, const Progress& progress) {
  const DocumentEncoding encoded(catalog, encoder, work, progress);
  const std::size_t rows = encoded.ids().size();
  progress.check("indexing documents");
  progress.update({"indexing documents", 0, rows, "documents", {}});
  const auto index =
      build_index(index_options(options, rows * static_cast<std::size_t>(encoder.dim()), rows),
                  encoded.vectors(), encoded.ids(), queries, progress);
  const std::filesystem::path folder = catalog.path() / "index";
  DocumentsInfo info;
  info.index = index->save(folder / fmt::format("{:06}.documents.idx", number), catalog.path());
  info.table =
      encoded.table().save(folder / fmt::format("{:06}.table.idx", number), catalog.path());
  if (catalog.manifest().corpus && catalog.manifest().corpus->text_kind == TextKind::kNatural) {
    const std::vector<std::string_view> texts(encoded.texts().begin(), encoded.texts().end());
    info.words = Bm25Index(texts, {.stemmer = options.stemmer})
                     .save(folder / fmt::format("{:06}.words.idx", number), catalog.path());
  }
  info.index_kind = index->describe().kind;
  info.index_reason = index->describe().reason;
  info.documents = rows;
  progress.update({"indexing documents", rows, rows, "documents", {}});
  return info;
}

}  // namespace dexter
