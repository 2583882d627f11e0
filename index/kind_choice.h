#pragma once

#include <cstddef>
#include <string>

namespace dexter {

// A kind of the table and why it is used, with figures.
struct KindChoice {
  std::string kind;
  std::string reason;
};

// What `auto` means for `rows` vectors of `dim` float32 values on a machine with `available_bytes`
// of free memory: flat while reading all vectors for a query is fast, then hnsw with `links` while
// the graph fits memory and is built in reasonable time, then ivf.
KindChoice choose_kind(std::size_t rows, int dim, int links, double available_bytes);

// Memory that can be had without swapping, as the kernel estimates it.
double available_memory();

}  // namespace dexter
