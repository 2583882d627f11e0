#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "index/byte_rows.h"
#include "index/contenders.h"
#include "index/row_scan.h"
#include "storage/embedding_matrix.h"

namespace dexter {

// Instruction sets of the byte kernels: the answers are the same.
enum class ByteIsa { kAvx2, kAvx512Vnni };
ByteIsa best_byte_isa();

// What is searched: vectors, their bytes, and the number that answers call each by. `vectors`
// [places x dim] stand as `bytes` has them; `slots` [places] has each one's number, kNoRow where
// there is none; empty: the place.
struct BoundedRows {
  const ByteRows* bytes = nullptr;
  RowSource vectors;
  std::span<const std::uint32_t> slots = {};
};

// Exact search in two looks. The first reads the rows' bytes and gives every score an interval it
// surely lies in; a row whose upper end is below the k-th best lower end cannot be an answer. The
// few that are left are scored in float32 as RowScan scores them, so the answers are RowScan's, bit
// for bit. [queries x k] in order, padded with Hit{}; k >= 1. Uses OpenMP threads, over the rows.
std::vector<Hit> bounded_scan(EmbeddingView queries, int k, const BoundedRows& rows,
                              ByteIsa isa = best_byte_isa());

// The same for what is wanted of some rows only: bit i of allowed[b] stands for row i of block b;
// an empty span allows all. Answers of each query, in order. Lanes without a row may be allowed.
std::vector<std::vector<Hit>> bounded_scan(EmbeddingView queries, const Wanted& wanted,
                                           const BoundedRows& rows,
                                           std::span<const std::uint16_t> allowed,
                                           ByteIsa isa = best_byte_isa());

// Such bits of some places, in `blocks` blocks.
std::vector<std::uint16_t> lanes_of(std::span<const std::uint32_t> places, std::size_t blocks);

struct BlockRange {
  std::size_t begin = 0;
  std::size_t end = 0;
};

// The k best for one query over some blocks of the rows, on the caller's thread: fills `best`.
// Three blocks must follow the last of every range.
void bounded_scan(std::span<const float> query, const BoundedRows& rows,
                  std::span<const BlockRange> ranges, std::span<Hit> best,
                  ByteIsa isa = best_byte_isa());

}  // namespace dexter
