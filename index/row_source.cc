// Vectors in four bytes a value, in two, and in the one of the first look.
#include "index/row_source.h"

#include <immintrin.h>

#include <algorithm>
#include <cmath>

#include <spdlog/fmt/fmt.h>

#include "index/byte_rows.h"
#include "index/ranked_index.h"

namespace dexter {
namespace {

constexpr std::size_t kAtOnce = 8;  // values that one instruction converts

std::uint16_t half_of(float value) {
  return static_cast<std::uint16_t>(_cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT));
}

void to_floats(std::span<const std::uint16_t> halves, std::span<float> out) {
  std::size_t j = 0;
  for (; j + kAtOnce <= halves.size(); j += kAtOnce)
    _mm256_storeu_ps(
        &out[j],
        _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(halves.data() + j))));
  for (; j < halves.size(); ++j) out[j] = _cvtsh_ss(halves[j]);
}

void round_to_halves(std::span<float> row) {
  for (float& v : row) {
    const float rounded = _cvtsh_ss(half_of(v));
    if (std::isinf(rounded) && std::isfinite(v))
      throw Error(ErrorKind::kInvalidInput,
                  fmt::format("keeping vectors in float16: a value is {}, the largest that fits "
                              "65504; choose the storage float32 or byte",
                              v));
    v = rounded;
  }
}

void round_to_bytes(std::span<float> row, std::span<std::int8_t> codes) {
  for (const float v : row)
    if (!std::isfinite(v)) return;  // the index refuses it by its id
  const ByteVector bytes = to_bytes(row, ByteRows::kLimit, codes);
  for (std::size_t j = 0; j < row.size(); ++j) row[j] = bytes.scale * static_cast<float>(codes[j]);
}

}  // namespace

EmbeddingMatrix rounded_to(const std::string& storage, EmbeddingView vectors) {
  EmbeddingMatrix rounded(vectors.rows(), vectors.dim());
  std::copy_n(vectors.data(), vectors.rows() * static_cast<std::size_t>(vectors.dim()),
              rounded.data());
  std::vector<std::int8_t> codes(static_cast<std::size_t>(vectors.dim()));
  for (std::size_t i = 0; i < rounded.rows(); ++i) {
    if (storage == "float16") round_to_halves(rounded.row(i));
    if (storage == "byte") round_to_bytes(rounded.row(i), codes);
  }
  return rounded;
}

RowStore::Form RowStore::form_of(const std::string& storage) {
  return storage == "float32" ? Form::kFloats : storage == "float16" ? Form::kHalves : Form::kBytes;
}

RowStore::RowStore(const std::string& storage, EmbeddingMatrix rows, const CompactRows& bytes)
    : form_(form_of(storage)), rows_(rows.rows()), dim_(rows.dim()), bytes_(bytes) {
  if (form_ == Form::kFloats) {
    own_floats_ = std::move(rows);
    floats_ = own_floats_;
  } else if (form_ == Form::kHalves) {
    own_halves_.resize(rows_ * static_cast<std::size_t>(dim_));
    std::transform(rows.data(), rows.data() + own_halves_.size(), own_halves_.begin(), half_of);
    halves_ = own_halves_;
  }
}

RowStore::RowStore(const std::string& storage, const SectionFileReader& reader, std::size_t rows,
                   int dim, const CompactRows& bytes)
    : form_(form_of(storage)), rows_(rows), dim_(dim), bytes_(bytes) {
  const std::size_t values = rows * static_cast<std::size_t>(dim);
  if (form_ == Form::kFloats)
    floats_ = EmbeddingView(section_of<float>(reader, "rows", values).data(), rows, dim);
  else if (form_ == Form::kHalves)
    halves_ = section_of<std::uint16_t>(reader, "halves", values);
}

RowSource RowStore::source() const {
  if (form_ == Form::kFloats) return floats_;
  return {form_ == Form::kHalves ? *this : bytes_, dim_};
}

std::size_t RowStore::bytes() const {
  const std::size_t values = rows_ * static_cast<std::size_t>(dim_);
  return form_ == Form::kFloats ? values * sizeof(float) : halves_.size_bytes();
}

void RowStore::save(SectionFileWriter& writer) const {
  if (form_ == Form::kFloats)
    writer.add("rows",
               std::as_bytes(std::span(floats_.data(), rows_ * static_cast<std::size_t>(dim_))));
  if (form_ == Form::kHalves) writer.add("halves", std::as_bytes(halves_));
}

void RowStore::decode(std::size_t row, std::span<float> out) const {
  to_floats(halves_.subspan(row * out.size(), out.size()), out);
}

}  // namespace dexter
