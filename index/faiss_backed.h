#pragma once

#include <faiss/Index.h>
#include <faiss/impl/FaissException.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "index/ranked_index.h"
#include "storage/error.h"

namespace dexter {

// The id type of FAISS: faiss::Index::idx_t in 1.7.3, faiss::idx_t later.
using FaissId = decltype(faiss::Index::ntotal);

// Inner base of kinds that wrap a faiss::Index. FAISS numbers the rows itself, 0 to size - 1 in
// order of id; it proposes rows, and their scores and order are made anew by Rescorer, because
// FAISS breaks ties by chance and rounds differently from path to path.
class FaissBacked : public RankedIndex {
 protected:
  explicit FaissBacked(IndexCore core) : RankedIndex(std::move(core)) {}

  std::vector<Hit> hits(EmbeddingView queries, int k, const SearchOptions& options) const final;
  void save_rows(SectionFileWriter& writer) const final;

  // The same number of candidates, at least k, for every query; absent ones are Candidate{}.
  virtual std::vector<Candidate> candidates(EmbeddingView queries, int k,
                                            const SearchOptions& options) const = 0;
  virtual const faiss::Index& faiss_index() const = 0;
};

// Candidates asked of FAISS for k answers. Its rounding can misplace only rows whose scores lie
// within about 1e-5 of each other (unit vectors, 256 dimensions); 16 more than k, and an eighth,
// hold them all short of that many true ties.
inline std::size_t with_margin(int k) {
  return static_cast<std::size_t>(k) + 16 + static_cast<std::size_t>(k) / 8;
}

// Parses the section that save_rows wrote; checks what all kinds share. kCorrupt.
std::unique_ptr<faiss::Index> read_faiss(const SectionFileReader& reader, const IndexCore& core);

// Runs `work`; what FAISS or the memory allocator throws becomes an Error of `kind`.
template <class Work>
auto translated(ErrorKind kind, const std::string& doing, Work&& work) {
  try {
    return work();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& e) {
    throw Error(kind, doing + ": FAISS says '" + e.what() +
                          "'; build the index again or choose another kind");
  }
}

}  // namespace dexter
