// FAISS's indexes on GPUs. Compiled where FAISS has them, in the place of faiss_no_gpus.cc.
#include <cuda_runtime_api.h>
#include <faiss/IndexIVFFlat.h>
#include <faiss/IndexIVFPQ.h>
#include <faiss/IndexScalarQuantizer.h>
#include <faiss/gpu/GpuIndexFlat.h>
#include <faiss/gpu/GpuIndexIVFFlat.h>
#include <faiss/gpu/GpuIndexIVFPQ.h>
#include <faiss/gpu/GpuIndexIVFScalarQuantizer.h>
#include <faiss/gpu/StandardGpuResources.h>

#include <string>
#include <utility>

#include "index/faiss_devices.h"
#include "index/faiss_search.h"

namespace dexter {
namespace {

// The first device that FAISS's kernels do not run on: launching one there ends the process.
std::string too_old_device(int count) {
  for (int gpu = 0; gpu < count; ++gpu) {
    int major = 0, minor = 0;
    for (const auto& [value, attribute] : {std::pair{&major, cudaDevAttrComputeCapabilityMajor},
                                           std::pair{&minor, cudaDevAttrComputeCapabilityMinor}})
      if (const cudaError_t error = cudaDeviceGetAttribute(value, attribute, gpu);
          error != cudaSuccess)
        return "asking GPU " + std::to_string(gpu) + " for its architecture: CUDA says '" +
               cudaGetErrorString(error) + "'";
    if (std::string old = faiss_too_new(DEXTER_FAISS_GPU_ARCHITECTURE, 10 * major + minor, gpu);
        !old.empty())
      return old;
  }
  return {};
}

// FAISS's own count ends the process where there is no driver.
int devices_seen(std::string& problem) {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess) {
    problem = error == cudaErrorInsufficientDriver
                  ? "no driver of NVIDIA's is here, or one that is older than CUDA 13"
                  : std::string("CUDA says '") + cudaGetErrorString(error) + "'";
    cudaGetLastError();  // it is told once
    return 0;
  }
  problem = count == 0 ? "CUDA sees no device" : too_old_device(count);
  return problem.empty() ? count : 0;
}

void check(cudaError_t error, const std::string& doing) {
  ensure(error == cudaSuccess, ErrorKind::kInvalidInput,
         doing + ": CUDA says '" + cudaGetErrorString(error) + "'; search on the cpu");
}

// Each copy has its own: one serves one thread. It lives as long as the copy.
faiss::gpu::StandardGpuResources resources() {
  faiss::gpu::StandardGpuResources own;
  own.setTempMemory(FaissDevices::kWork);
  own.setPinnedMemory(0);  // for batches of queries beyond 256 MiB, which never come
  return own;
}

template <class Config>
Config config_on(std::size_t device) {
  Config config;
  config.device = static_cast<int>(device);
  config.indicesOptions = faiss::gpu::INDICES_32_BIT;  // rows are numbered below 2^31
  return config;
}

class GpuDevices final : public FaissDevices {
 public:
  explicit GpuDevices(int count) : count_(static_cast<std::size_t>(count)) {}

  std::size_t count() const override { return count_; }

  std::size_t free_bytes(std::size_t device) const override {
    const std::string asking = "asking for the free memory of " + name(device);
    int before = 0;
    check(cudaGetDevice(&before), asking);
    check(cudaSetDevice(static_cast<int>(device)), asking);
    std::size_t free = 0, total = 0;
    const cudaError_t asked = cudaMemGetInfo(&free, &total);
    check(cudaSetDevice(before), asking);
    check(asked, asking);
    return free;
  }

  std::string name(std::size_t device) const override { return "GPU " + std::to_string(device); }

  std::unique_ptr<faiss::Index> flat(EmbeddingView rows, bool half,
                                     std::size_t device) const override {
    faiss::gpu::StandardGpuResources own = resources();
    faiss::gpu::GpuIndexFlatConfig config;
    config.device = static_cast<int>(device);
    config.useFloat16 = half;
    auto index = std::make_unique<faiss::gpu::GpuIndexFlatIP>(&own, rows.dim(), config);
    index->add(static_cast<FaissId>(rows.rows()), rows.data());
    return index;
  }

  std::unique_ptr<faiss::Index> lists(std::unique_ptr<faiss::IndexIVF> index,
                                      std::size_t device) const override {
    using faiss::gpu::GpuIndexIVFFlat, faiss::gpu::GpuIndexIVFFlatConfig;
    using faiss::gpu::GpuIndexIVFScalarQuantizer, faiss::gpu::GpuIndexIVFScalarQuantizerConfig;
    faiss::gpu::StandardGpuResources own = resources();
    if (const auto* flat = dynamic_cast<const faiss::IndexIVFFlat*>(index.get()))
      return std::make_unique<GpuIndexIVFFlat>(&own, flat,
                                               config_on<GpuIndexIVFFlatConfig>(device));
    if (const auto* codes = dynamic_cast<const faiss::IndexIVFPQ*>(index.get())) {
      auto config = config_on<faiss::gpu::GpuIndexIVFPQConfig>(device);
      // Tables of float32 for 256 centroids a byte fit a block's 48 KiB up to here.
      config.useFloat16LookupTables = codes->pq.M > 48;
      return std::make_unique<faiss::gpu::GpuIndexIVFPQ>(&own, codes, config);
    }
    return std::make_unique<GpuIndexIVFScalarQuantizer>(
        &own, &dynamic_cast<const faiss::IndexIVFScalarQuantizer&>(*index),
        config_on<GpuIndexIVFScalarQuantizerConfig>(device));
  }

  void search(const faiss::Index& copy, FaissId n, const float* queries, const FaissId* lists,
              const float* list_scores, std::size_t each, FaissId count, float* scores,
              FaissId* rows) const override {
    faiss::SearchParametersIVF how;
    how.nprobe = each;
    dynamic_cast<const faiss::gpu::GpuIndexIVF&>(copy).search_preassigned(
        n, queries, count, lists, list_scores, scores, rows, /*store_pairs=*/false, &how);
  }

 private:
  std::size_t count_;
};

}  // namespace

std::string faiss_without_gpu() {
  std::string problem;
  devices_seen(problem);
  return problem;
}

std::unique_ptr<const FaissDevices> gpu_devices(int count) {
  std::string problem;
  const int seen = devices_seen(problem);
  ensure(seen > 0, ErrorKind::kInvalidInput,
         "searching on a GPU through FAISS: " + problem + "; choose cpu");
  ensure(count <= seen, ErrorKind::kInvalidInput,
         "searching on GPUs through FAISS: " + std::to_string(count) + " were asked for, but " +
             std::to_string(seen) + " are here");
  return std::make_unique<const GpuDevices>(count > 0 ? count : seen);
}

}  // namespace dexter
