// FAISS's indexes on the processors in the part of devices: what a machine without a GPU tries.
#include <faiss/IndexFlat.h>
#include <faiss/IndexScalarQuantizer.h>

#include "index/faiss_devices.h"
#include "index/kind_choice.h"

namespace dexter {
namespace {

class ProcessorDevices final : public FaissDevices {
 public:
  explicit ProcessorDevices(int count) : count_(static_cast<std::size_t>(count)) {}

  std::size_t count() const override { return count_; }
  std::size_t free_bytes(std::size_t) const override {
    return static_cast<std::size_t>(available_memory()) / count_;
  }
  std::string name(std::size_t) const override { return "the processors"; }

  std::unique_ptr<faiss::Index> flat(EmbeddingView rows, bool half, std::size_t) const override {
    std::unique_ptr<faiss::Index> index;
    if (half)
      index = std::make_unique<faiss::IndexScalarQuantizer>(
          rows.dim(), faiss::ScalarQuantizer::QT_fp16, faiss::METRIC_INNER_PRODUCT);
    else
      index = std::make_unique<faiss::IndexFlatIP>(rows.dim());
    index->is_trained = true;  // neither form learns from data
    index->add(static_cast<FaissId>(rows.rows()), rows.data());
    return index;
  }

  std::unique_ptr<faiss::Index> lists(std::unique_ptr<faiss::IndexIVF> index,
                                      std::size_t) const override {
    const faiss::InvertedLists& from = *index->invlists;
    auto own = std::make_unique<faiss::ArrayInvertedLists>(from.nlist, from.code_size);
    for (std::size_t list = 0; list < from.nlist; ++list)
      if (const std::size_t size = from.list_size(list); size > 0)
        own->add_entries(list, size, from.get_ids(list), from.get_codes(list));
    index->replace_invlists(own.release(), /*own=*/true);
    return index;
  }

  void search(const faiss::Index& copy, FaissId n, const float* queries, const FaissId* lists,
              const float* list_scores, std::size_t each, FaissId count, float* scores,
              FaissId* rows) const override {
    faiss::SearchParametersIVF how;
    how.nprobe = each;
    dynamic_cast<const faiss::IndexIVF&>(copy).search_preassigned(
        n, queries, count, lists, list_scores, scores, rows, /*store_pairs=*/false, &how);
  }

 private:
  std::size_t count_;
};

}  // namespace

std::unique_ptr<const FaissDevices> processor_devices(int count) {
  return std::make_unique<const ProcessorDevices>(count);
}

}  // namespace dexter
