#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "index/byte_rows.h"
#include "index/row_scan.h"
#include "storage/embedding_matrix.h"

namespace dexter {

// Instruction sets of the byte kernels: the answers are the same.
enum class ByteIsa { kAvx2, kAvx512Vnni };
ByteIsa best_byte_isa();

// Exact search in two looks. The first reads the rows' bytes and gives every score an interval it
// surely lies in; a row whose upper end is below the k-th best lower end cannot be an answer. The
// few that are left are scored in float32 as RowScan scores them, so the answers are RowScan's, bit
// for bit. [queries x k] in order, padded with Hit{}. `bytes` is the copy of `rows`; 1 <= k <=
// rows. Uses OpenMP threads, over the rows.
std::vector<Hit> bounded_scan(EmbeddingView queries, int k, const ByteRows& bytes,
                              EmbeddingView rows, ByteIsa isa = best_byte_isa());

}  // namespace dexter
