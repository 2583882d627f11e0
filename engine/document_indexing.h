#pragma once

#include <cstdint>

#include "engine/config.h"
#include "storage/catalog.h"
#include "storage/embedding_matrix.h"
#include "storage/progress.h"

namespace dexter {

class Encoder;
class EncodingWork;

// Encodes the documents that the store remembers (Catalog::scan_documents) and writes the files of
// a generation's second space, `number` in their names: an index of the vectors, a table of their
// labels, and, of natural text, an index of their words. Vectors come from `work` where it is
// given. Documents without any feature that the encoder knows are left out. `queries` [n x dim]
// tune the index. Nothing is committed. Errors: as build_index; kInvalidInput for more documents
// than 32 bits number.
DocumentsInfo index_documents(const Catalog& catalog, const Encoder& encoder,
                              const DocumentOptions& options, std::uint64_t number,
                              EmbeddingView queries, EncodingWork* work, const Progress& progress);

}  // namespace dexter
