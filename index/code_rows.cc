// Bytes of single rows and their products with a query's.
#include "index/code_rows.h"

#include <immintrin.h>

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
      scales_(rows.rows()) {
#pragma omp parallel if (rows.rows() > 1024)
  {
    std::vector<std::int8_t> codes(stride_);
#pragma omp for schedule(static)
    for (std::size_t i = 0; i < rows.rows(); ++i) {
      scales_[i] = to_bytes(rows.row(i), kRowLimit, codes).scale;
      for (std::size_t j = 0; j < stride_; ++j)
        codes_[i * stride_ + j] = static_cast<std::uint8_t>(codes[j] + 128);
    }
  }
}

CodeRows::Query CodeRows::query(std::span<const float> vector) const {
  Query query{.codes = std::vector<std::int8_t>(stride_)};
  query.scale = to_bytes(vector, kernel().query_limit, query.codes).scale;
  for (const std::int8_t code : query.codes) query.offset += 128 * code;
  return query;
}

float CodeRows::score(const Query& query, std::size_t row) const {
  const std::int32_t sum =
      kernel().product(&codes_[row * stride_], query.codes.data(), stride_) - query.offset;
  return static_cast<float>(sum) * query.scale * scales_[row];
}

void CodeRows::prefetch(std::size_t row) const {
  for (std::size_t j = 0; j < stride_; j += kLine) __builtin_prefetch(&codes_[row * stride_ + j]);
}

}  // namespace dexter
