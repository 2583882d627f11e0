#pragma once

#include <string>

namespace dexter {

// Where the index of a store is searched. The answers are the same everywhere, without `codes`.
struct DeviceOptions {
  // cpu; cuda, for a flat or ivf index; or auto, the GPU where there is one that can and the cpu
  // elsewhere.
  std::string name = "cpu";
  // What a copy of the index and the searches of it may take of each GPU: up to 1 a share of its
  // free memory, above a number of MiB.
  double memory = 0.9;
  // Of an ivf index on several GPUs: whether each holds all of it and answers a part of the
  // queries, or each a part of the rows and all queries.
  bool replicas = false;
  // Of an ivf index on GPUs: bytes a vector of its copy there in product-quantised codes, a divisor
  // of the dimensions, which miss some answers; 0: none.
  int codes = 0;
};

}  // namespace dexter
