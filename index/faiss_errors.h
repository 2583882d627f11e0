#pragma once

#include <faiss/Index.h>

#include <exception>
#include <string>

#include "storage/error.h"

namespace dexter {

// The id type of FAISS: faiss::Index::idx_t in 1.7.3, faiss::idx_t later.
using FaissId = decltype(faiss::Index::ntotal);

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
