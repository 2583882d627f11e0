// Bytes of single rows and their products with a query's.
#include "index/code_rows.h"

#include <immintrin.h>
#include <omp.h>

#include <algorithm>
#include <array>

#include "index/bounded_scan.h"
#include "index/byte_rows.h"

namespace dexter {
namespace {

constexpr std::size_t kLine = 64;  // bytes
constexpr int kRowLimit = ByteRows::kLimit;

// sums[i] = sum over components of row code * query code of the rows at rows[0] to rows[count - 1].
using Products = void (*)(const std::uint8_t* const* rows, std::size_t count,
                          const std::int8_t* query, std::size_t bytes, std::int32_t* sums);

constexpr std::size_t kAtOnce = 4;  // rows whose sums hide each other's delays

[[gnu::always_inline]] inline std::int32_t total(__m256i sums) {
  const __m128i four =
      _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
  const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xB1)));
}

template <std::size_t kCount>
[[gnu::target("arch=x86-64-v4,avx512vnni"), gnu::always_inline]] inline void vnni_some(
    const std::uint8_t* const* rows, const std::int8_t* query, std::size_t bytes,
    std::int32_t* sums) {
  __m512i sum[kCount];
  for (auto& s : sum) s = _mm512_setzero_si512();
  for (std::size_t j = 0; j < bytes; j += kLine) {
    const __m512i codes = _mm512_loadu_si512(query + j);
    for (std::size_t i = 0; i < kCount; ++i)
      sum[i] = _mm512_dpbusd_epi32(sum[i], _mm512_loadu_si512(rows[i] + j), codes);
  }
  for (std::size_t i = 0; i < kCount; ++i) {
    alignas(64) __m256i halves[2];
    _mm512_store_si512(halves, sum[i]);
    sums[i] = total(_mm256_add_epi32(halves[0], halves[1]));
  }
}

[[gnu::target("arch=x86-64-v4,avx512vnni")]] void vnni_products(const std::uint8_t* const* rows,
                                                                std::size_t count,
                                                                const std::int8_t* query,
                                                                std::size_t bytes,
                                                                std::int32_t* sums) {
  std::size_t i = 0;
  for (; i + kAtOnce <= count; i += kAtOnce) vnni_some<kAtOnce>(rows + i, query, bytes, sums + i);
  for (; i < count; ++i) vnni_some<1>(rows + i, query, bytes, sums + i);
}

// Pairs of products add up in 16 bits, which query codes up to 63 keep from saturating.
std::int32_t avx2_product(const std::uint8_t* row, const std::int8_t* query, std::size_t bytes) {
  const auto at = [](const void* from) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(from));
  };
  __m256i sum = _mm256_setzero_si256();
  for (std::size_t j = 0; j < bytes; j += kLine / 2)
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(at(row + j), at(query + j)),
                                                  _mm256_set1_epi16(1)));
  return total(sum);
}

void avx2_products(const std::uint8_t* const* rows, std::size_t count, const std::int8_t* query,
                   std::size_t bytes, std::int32_t* sums) {
  for (std::size_t i = 0; i < count; ++i) sums[i] = avx2_product(rows[i], query, bytes);
}

struct Kernel {
  Products products;
  int query_limit;
};

const Kernel& kernel() {
  static const Kernel best = best_byte_isa() == ByteIsa::kAvx512Vnni ? Kernel{vnni_products, 127}
                                                                     : Kernel{avx2_products, 63};
  return best;
}

}  // namespace

CodeRows::CodeRows(EmbeddingView rows)
    : stride_(stride(rows.dim())),
      codes_(rows.rows() * stride_),
      scales_(rows.rows()),
      errors_(rows.rows()),
      norms_(rows.rows()) {
#pragma omp parallel if (rows.rows() > 1024)
  {
    std::vector<std::int8_t> codes(stride_);
#pragma omp for schedule(static)
    for (std::size_t i = 0; i < rows.rows(); ++i) {
      set_bounds(i, to_bytes(rows.row(i), kRowLimit, codes));
      for (std::size_t j = 0; j < stride_; ++j)
        codes_[i * stride_ + j] = static_cast<std::uint8_t>(codes[j] + 128);
    }
  }
  measure();
}

CodeRows::CodeRows(int dim, std::span<const std::uint8_t> codes, std::span<const ByteVector> bounds)
    : stride_(stride(dim)),
      codes_(codes.begin(), codes.end()),
      scales_(bounds.size()),
      errors_(bounds.size()),
      norms_(bounds.size()) {
  for (std::size_t i = 0; i < bounds.size(); ++i) set_bounds(i, bounds[i]);
  measure();
}

std::size_t CodeRows::stride(int dim) {
  return (static_cast<std::size_t>(dim) + kLine - 1) / kLine * kLine;
}

void CodeRows::set_bounds(std::size_t row, const ByteVector& bounds) {
  scales_[row] = bounds.scale;
  errors_[row] = bounds.error;
  norms_[row] = bounds.norm;
}

std::vector<ByteVector> CodeRows::bounds() const {
  std::vector<ByteVector> bounds(scales_.size());
  for (std::size_t i = 0; i < bounds.size(); ++i) bounds[i] = {scales_[i], errors_[i], norms_[i]};
  return bounds;
}

void CodeRows::measure() {
  for (std::size_t i = 0; i < norms_.size(); ++i)
    largest_norm_ = std::max(largest_norm_, norms_[i] + errors_[i]);
}

CodeRows::Query CodeRows::query(std::span<const float> vector) const {
  Query query{.codes = std::vector<std::int8_t>(stride_), .bytes = {}};
  query.bytes = byte_query(vector, largest_norm_, kernel().query_limit, query.codes);
  return query;
}

void CodeRows::query_of(std::size_t row, Query& query) const {
  query.codes.resize(stride_);
  const bool is_whole = kernel().query_limit == kRowLimit;
  std::int32_t sum = 0;
  for (std::size_t j = 0; j < stride_; ++j) {
    const int code = codes_[row * stride_ + j] - 128;
    query.codes[j] = static_cast<std::int8_t>(is_whole ? code : code / 2);
    sum += query.codes[j];
  }
  query.bytes = {.scale = scales_[row] * (is_whole ? 1.0F : 2.0F), .offset = 128 * sum};
}

float CodeRows::score(const Query& query, std::size_t row) const {
  const std::uint8_t* at = &codes_[row * stride_];
  std::int32_t sum = 0;
  kernel().products(&at, 1, query.codes.data(), stride_, &sum);
  return static_cast<float>(sum - query.bytes.offset) * query.bytes.scale * scales_[row];
}

void CodeRows::score_all(const Query& query, std::span<const std::int32_t> rows,
                         std::span<float> scores) const {
  constexpr std::size_t kMost = 64;
  std::array<const std::uint8_t*, kMost> at;
  std::array<std::int32_t, kMost> sums;
  for (std::size_t first = 0; first < rows.size(); first += kMost) {
    const auto some = rows.subspan(first, std::min(kMost, rows.size() - first));
    for (std::size_t i = 0; i < some.size(); ++i)
      at[i] = &codes_[static_cast<std::size_t>(some[i]) * stride_];
    kernel().products(at.data(), some.size(), query.codes.data(), stride_, sums.data());
    for (std::size_t i = 0; i < some.size(); ++i)
      scores[first + i] = static_cast<float>(sums[i] - query.bytes.offset) * query.bytes.scale *
                          scales_[static_cast<std::size_t>(some[i])];
  }
}

Interval CodeRows::interval(const Query& query, std::uint32_t row) const {
  const float middle = score(query, row);
  const float slack =
      query.bytes.norm * errors_[row] + query.bytes.error * norms_[row] + query.bytes.rounding;
  return {middle - slack, middle + slack, row};
}

void CodeRows::prefetch(std::size_t row) const {
  for (std::size_t j = 0; j < stride_; j += kLine) __builtin_prefetch(&codes_[row * stride_ + j]);
  __builtin_prefetch(&scales_[row]);
}

void CodeRows::decode(std::size_t row, std::span<float> out) const {
  const std::uint8_t* const codes = &codes_[row * stride_];
  for (std::size_t j = 0; j < out.size(); ++j)
    out[j] = scales_[row] * static_cast<float>(codes[j] - 128);
}

namespace {

// Their bytes stay in the second-level cache while all queries pass over them.
constexpr std::size_t kRowsOfATask = 512;
constexpr std::size_t kAhead = 8;  // rows on their way from memory

void look(const CodeRows& codes, std::span<const CodeRows::Query> queries,
          std::span<const std::uint32_t> rows, std::span<Contenders> contenders) {
  for (std::size_t q = 0; q < queries.size(); ++q)
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (q == 0 && i + kAhead < rows.size()) codes.prefetch(rows[i + kAhead]);
      contenders[q].offer(codes.interval(queries[q], rows[i]));
    }
}

}  // namespace

std::vector<std::vector<Hit>> code_scan(EmbeddingView queries, const Wanted& wanted,
                                        const CodeRows& codes, const RowSource& vectors,
                                        std::span<const std::uint32_t> allowed) {
  const std::size_t count = queries.rows();
  std::vector<CodeRows::Query> asked;
  for (std::size_t q = 0; q < count; ++q) asked.push_back(codes.query(queries.row(q)));
  const auto threads = static_cast<std::size_t>(omp_get_max_threads());
  std::vector<Contenders> contenders(count * threads, Contenders(wanted));
#pragma omp parallel num_threads(static_cast <int>(threads)) if (allowed.size() > kRowsOfATask)
  {
    const auto own = std::span(contenders)
                         .subspan(static_cast<std::size_t>(omp_get_thread_num()) * count, count);
#pragma omp for schedule(dynamic)
    for (std::size_t first = 0; first < allowed.size(); first += kRowsOfATask)
      look(codes, asked, allowed.subspan(first, std::min(kRowsOfATask, allowed.size() - first)),
           own);
  }
  std::vector<std::vector<Hit>> best(count);
#pragma omp parallel for schedule(dynamic) if (count > 1)
  for (std::size_t q = 0; q < count; ++q) {
    std::vector<const Contenders*> searches;
    for (std::size_t t = 0; t < threads; ++t) searches.push_back(&contenders[t * count + q]);
    best[q] = settled(queries.row(q), searches, wanted, {vectors, {}});
  }
  return best;
}

}  // namespace dexter
