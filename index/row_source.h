#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "storage/embedding_matrix.h"
#include "storage/section_file.h"

namespace dexter {

// Vectors that are not kept in float32. Safe from many threads.
class CompactRows {
 public:
  virtual ~CompactRows() = default;
  // What is kept of vector `row`; out [dim].
  virtual void decode(std::size_t row, std::span<float> out) const = 0;
};

// Borrowed vectors in the form that an index keeps them in.
class RowSource {
 public:
  RowSource() = default;
  RowSource(EmbeddingView rows) : dim_(rows.dim()), floats_(rows) {}  // NOLINT
  RowSource(const EmbeddingMatrix& rows) : RowSource(rows.view()) {}  // NOLINT
  RowSource(const CompactRows& rows, int dim) : dim_(dim), compact_(&rows) {}
  int dim() const { return dim_; }
  bool in_place() const { return compact_ == nullptr; }
  // Row i: where it stands, or decoded into `room` [dim], which float32 rows do not need.
  std::span<const float> row(std::size_t i, std::span<float> room) const {
    if (in_place()) return floats_.row(i);
    compact_->decode(i, room);
    return room;
  }

 private:
  int dim_ = 0;
  EmbeddingView floats_;
  const CompactRows* compact_ = nullptr;
};

// `vectors` [rows x dim] as an index with this IndexOptions::storage gives them back. kInvalidInput
// where a value does not fit.
EmbeddingMatrix rounded_to(const std::string& storage, EmbeddingView vectors);

// The vectors that an index keeps beside their bytes: float32, float16, or with the storage "byte"
// none, and then `bytes` stands for them, which must outlive this and stay where it is. Sources
// point into it.
class RowStore final : public CompactRows {
 public:
  // Keeps `rows`.
  RowStore(const std::string& storage, EmbeddingMatrix rows, const CompactRows& bytes);
  // Borrows the section that save() wrote of `rows` vectors. kCorrupt where its length is another.
  RowStore(const std::string& storage, const SectionFileReader& reader, std::size_t rows, int dim,
           const CompactRows& bytes);
  RowStore(const RowStore&) = delete;
  RowStore& operator=(const RowStore&) = delete;

  RowSource source() const;
  std::size_t size() const { return rows_; }
  std::size_t bytes() const;  // held beside those of `bytes`
  void save(SectionFileWriter& writer) const;
  void decode(std::size_t row, std::span<float> out) const override;

 private:
  enum class Form { kFloats, kHalves, kBytes };
  static Form form_of(const std::string& storage);

  Form form_;
  std::size_t rows_;
  int dim_;
  const CompactRows& bytes_;
  EmbeddingMatrix own_floats_;
  std::vector<std::uint16_t> own_halves_;
  EmbeddingView floats_;
  std::span<const std::uint16_t> halves_;  // [rows x dim]
};

}  // namespace dexter
