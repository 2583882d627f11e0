#pragma once

#include <string>

#include "index/accelerated_index.h"

namespace dexter {

struct FaissOptions {
  bool gpu = true;    // false: FAISS on the processors, to try what GPUs do
  bool half = false;  // the copy takes two bytes a value
  // Of an ivf index: product-quantised residuals of so many bytes a vector, a divisor of its
  // dimensions that GpuIndexIVFPQ has, 96 at most (IVF-PQ; Jégou, Douze and Schmid, 2011); 0: none.
  // Answers are approximate then: the best by float32 among kRescored times as many by the codes.
  int codes = 0;
  // Of each device, see allowed_bytes. Checked before anything is copied.
  double memory = 0.9;
  // Each device holds all rows and answers a part of the queries; else each holds a part of the
  // rows and answers all.
  bool replicas = false;
  int devices = 0;  // 0: every GPU that is seen (CUDA_VISIBLE_DEVICES), or one part of processors
};

// Why FAISS finds no GPU to search on: this build, no driver, no device; empty where it does.
std::string faiss_without_gpu();

// Why FAISS, compiled for `compiled` (90: sm_90) and newer, cannot run on GPU `gpu` of architecture
// `own`; empty where it can.
std::string faiss_too_new(int compiled, int own, int gpu);

// Copies an index's vectors to FAISS's indexes on other hardware: GpuIndexFlat, GpuIndexIVFFlat, or
// in half precision the scalar quantizer's, or GpuIndexIVFPQ, under its IndexShards or
// IndexReplicas. Searches take turns. kInvalidInput where there is no GPU, no memory for the copy
// (device_memory.h) or the copy fails, and for codes of a flat index, of less than 256 vectors, or
// beside `half`; kInternal where a search fails.
Accelerate by_faiss(const FaissOptions& options);

}  // namespace dexter
