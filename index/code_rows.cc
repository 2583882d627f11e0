// Bytes of single rows and their products with a query's.
#include "index/code_rows.h"

#include <immintrin.h>
#include <omp.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "index/bounded_scan.h"
#include "index/byte_rows.h"

namespace dexter {
namespace {

constexpr std::size_t kLine = 64;  // bytes
constexpr int kRowLimit = 127;

using Product = std::int32_t (*)(const std::uint8_t* row, const std::int8_t* query,
                                 std::size_t bytes);

[[gnu::target("arch=x86-64-v4,avx512vnni")]] std::int32_t vnni_product(const std::uint8_t* row,
                                                                       const std::int8_t* query,
                                                                       std::size_t bytes) {
  __m512i sum = _mm512_setzero_si512();
  for (std::size_t j = 0; j < bytes; j += kLine)
    sum = _mm512_dpbusd_epi32(sum, _mm512_loadu_si512(row + j), _mm512_loadu_si512(query + j));
  alignas(64) std::array<std::int32_t, 16> lanes;
  _mm512_store_si512(lanes.data(), sum);
  return std::accumulate(lanes.begin(), lanes.end(), 0);
}

// Pairs of products add up in 16 bits, which query codes up to 63 keep from saturating.
std::int32_t avx2_product(const std::uint8_t* row, const std::int8_t* query, std::size_t bytes) {
  const auto load = [](const void* at) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(at));
  };
  __m256i sum = _mm256_setzero_si256();
  for (std::size_t j = 0; j < bytes; j += kLine / 2)
    sum = _mm256_add_epi32(sum,
                           _mm256_madd_epi16(_mm256_maddubs_epi16(load(row + j), load(query + j)),
                                             _mm256_set1_epi16(1)));
  const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
  const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xB1)));
}

struct Kernel {
  Product product;
  int query_limit;
};

const Kernel& kernel() {
  static const Kernel best = best_byte_isa() == ByteIsa::kAvx512Vnni ? Kernel{vnni_product, 127}
                                                                     : Kernel{avx2_product, 63};
  return best;
}

}  // namespace

CodeRows::CodeRows(EmbeddingView rows)
    : stride_((static_cast<std::size_t>(rows.dim()) + kLine - 1) / kLine * kLine),
      codes_(rows.rows() * stride_),
      rows_(rows.rows()) {
#pragma omp parallel if (rows.rows() > 1024)
  {
    std::vector<std::int8_t> codes(stride_);
#pragma omp for schedule(static)
    for (std::size_t i = 0; i < rows.rows(); ++i) {
      rows_[i] = to_bytes(rows.row(i), kRowLimit, codes);
      for (std::size_t j = 0; j < stride_; ++j)
        codes_[i * stride_ + j] = static_cast<std::uint8_t>(codes[j] + 128);
    }
  }
  for (const ByteVector& row : rows_) largest_norm_ = std::max(largest_norm_, row.norm + row.error);
}

CodeRows::Query CodeRows::query(std::span<const float> vector) const {
  Query query{.codes = std::vector<std::int8_t>(stride_), .bytes = {}};
  query.bytes = byte_query(vector, largest_norm_, kernel().query_limit, query.codes);
  return query;
}

float CodeRows::score(const Query& query, std::size_t row) const {
  const std::int32_t sum =
      kernel().product(&codes_[row * stride_], query.codes.data(), stride_) - query.bytes.offset;
  return static_cast<float>(sum) * query.bytes.scale * rows_[row].scale;
}

Interval CodeRows::interval(const Query& query, std::uint32_t row) const {
  const float middle = score(query, row);
  const ByteVector& bounds = rows_[row];
  const float slack =
      query.bytes.norm * bounds.error + query.bytes.error * bounds.norm + query.bytes.rounding;
  return {middle - slack, middle + slack, row};
}

void CodeRows::prefetch(std::size_t row) const {
  for (std::size_t j = 0; j < stride_; j += kLine) __builtin_prefetch(&codes_[row * stride_ + j]);
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
                                        const CodeRows& codes, EmbeddingView vectors,
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
