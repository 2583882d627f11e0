#pragma once

#include <faiss/IndexIVF.h>

#include <cstddef>
#include <memory>
#include <string>

#include "index/faiss_errors.h"
#include "storage/embedding_matrix.h"

namespace dexter {

// Where FAISS may search: GPUs, or the processors in the part of some. Copies are searched one
// thread at a time each.
class FaissDevices {
 public:
  // GPUs select no more rows of a query, nor lists: their kernels end at 2048, which FAISS
  // excludes.
  static constexpr std::size_t kMost = 2047;
  // What a search may take beside its copy.
  static constexpr std::size_t kWork = std::size_t{512} << 20;

  virtual ~FaissDevices() = default;
  virtual std::size_t count() const = 0;
  virtual std::size_t free_bytes(std::size_t device) const = 0;
  virtual std::string name(std::size_t device) const = 0;
  // An index by inner product over `rows`, which are copied.
  virtual std::unique_ptr<faiss::Index> flat(EmbeddingView rows, bool half,
                                             std::size_t device) const = 0;
  // The same index there. The lists of `index` are read once, in order, by one thread.
  virtual std::unique_ptr<faiss::Index> lists(std::unique_ptr<faiss::IndexIVF> index,
                                              std::size_t device) const = 0;
  // The best `count` rows of each query [n x dim] in `each` lists of it: `lists` and the centroids'
  // `list_scores` are [n x each]. Of a copy that lists() gave.
  virtual void search(const faiss::Index& copy, FaissId n, const float* queries,
                      const FaissId* lists, const float* list_scores, std::size_t each,
                      FaissId count, float* scores, FaissId* rows) const = 0;
};

std::unique_ptr<const FaissDevices> processor_devices(int count);
// kInvalidInput where there is no GPU; then `faiss_without_gpu` says why.
std::unique_ptr<const FaissDevices> gpu_devices(int count);

}  // namespace dexter
