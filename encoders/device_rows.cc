// Products of queries with all rows, tile by tile, and the best of each.
#include "encoders/device_rows.h"

#include <ATen/ATen.h>
#include <c10/core/CachingDeviceAllocator.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "encoders/transformer_device.h"
#include "storage/error.h"

namespace dexter {
namespace {

// Scores of one tile, which are held together.
constexpr std::int64_t kTileScores = std::int64_t{1} << 27;
constexpr std::int64_t kRowsAtOnce = 65536;  // copied to the device together
// The best of all tiles so far, of all queries that are asked together.
constexpr std::int64_t kBest = std::int64_t{1} << 22;
constexpr std::int64_t kQueriesAtOnce = 4096;

double norm_of(std::span<const float> row) {
  double squares = 0;
  for (const float v : row) squares += static_cast<double>(v) * static_cast<double>(v);
  return std::sqrt(squares);
}

at::Tensor view_of(EmbeddingView rows) {
  return at::from_blob(const_cast<float*>(rows.data()),
                       {static_cast<std::int64_t>(rows.rows()), rows.dim()}, at::kFloat);
}

// Another device may do, or none: it is no fault of the index.
Error failed_copy(const c10::Error& error, const std::string& device) {
  return {ErrorKind::kInvalidInput, "putting vectors on device " + device + ": LibTorch says '" +
                                        error.what_without_backtrace() +
                                        "'; free its memory, or search on the cpu"};
}

// The best `wanted` of each query, tile by tile: [queries x wanted].
std::pair<at::Tensor, at::Tensor> best_of(const at::Tensor& rows, const at::Tensor& asked,
                                          std::int64_t wanted) {
  const std::int64_t tile = std::max<std::int64_t>(kTileScores / asked.size(0), wanted);
  at::Tensor scores, numbers;
  for (std::int64_t first = 0; first < rows.size(0); first += tile) {
    const std::int64_t size = std::min(tile, rows.size(0) - first);
    const at::Tensor products = at::mm(asked, rows.narrow(0, first, size).t());
    auto [top, at] = at::topk(products, std::min(wanted, size));
    at = at + first;
    scores = scores.defined() ? at::cat({scores, top}, 1) : top;
    numbers = numbers.defined() ? at::cat({numbers, at}, 1) : at;
    if (scores.size(1) > wanted) {
      const auto [best, which] = at::topk(scores, wanted);
      scores = best;
      numbers = numbers.gather(1, which);
    }
  }
  return {scores.to(at::kFloat).cpu().contiguous(), numbers.cpu().contiguous()};
}

}  // namespace

struct DeviceRows::Impl {
  at::Tensor rows;  // [rows x dim]
  double largest_norm = 0;
};

bool finds_gpu() { return device_named("auto").is_cuda(); }

DeviceRows::DeviceRows(EmbeddingView rows, const std::string& device, bool half)
    : impl_(std::make_unique<Impl>()) {
  const c10::InferenceMode no_graph;
  for (std::size_t i = 0; i < rows.rows(); ++i)
    impl_->largest_norm = std::max(impl_->largest_norm, norm_of(rows.row(i)));
  ensure(!half || impl_->largest_norm < 65504, ErrorKind::kInvalidInput,
         "putting vectors on a device: the longest is " + std::to_string(impl_->largest_norm) +
             ", in half precision 65504 fit; keep them in float32");
  const at::Device where = device_named(device);
  try {
    impl_->rows = at::empty({static_cast<std::int64_t>(rows.rows()), rows.dim()},
                            at::TensorOptions().dtype(half ? at::kHalf : at::kFloat).device(where));
    const at::Tensor all = view_of(rows);
    for (std::int64_t first = 0; first < all.size(0); first += kRowsAtOnce) {
      const std::int64_t count = std::min(kRowsAtOnce, all.size(0) - first);
      impl_->rows.narrow(0, first, count).copy_(all.narrow(0, first, count));
    }
  } catch (const c10::OutOfMemoryError&) {
    throw Error(ErrorKind::kInvalidInput,
                "putting vectors on a device: " +
                    std::to_string(bytes_of(rows.rows(), rows.dim(), half) >> 20) +
                    " MiB do not fit its memory; keep them in float16 or search on the cpu");
  } catch (const c10::Error& e) {
    throw failed_copy(e, device);
  }
}

DeviceRows::~DeviceRows() = default;

DeviceRows::Found DeviceRows::best(EmbeddingView queries, std::size_t count) const {
  const c10::InferenceMode no_graph;
  const auto wanted = static_cast<std::int64_t>(count);
  const at::Tensor all = view_of(queries);
  const std::int64_t at_once = std::clamp<std::int64_t>(kBest / wanted, 1, kQueriesAtOnce);
  Found found;
  try {
    for (std::int64_t first = 0; first < all.size(0); first += at_once) {
      const at::Tensor asked = all.narrow(0, first, std::min(at_once, all.size(0) - first));
      const auto [scores, numbers] = best_of(impl_->rows, asked.to(impl_->rows.options()), wanted);
      const float* const score = scores.const_data_ptr<float>();
      const std::int64_t* const number = numbers.const_data_ptr<std::int64_t>();
      found.scores.insert(found.scores.end(), score, score + scores.numel());
      found.rows.insert(found.rows.end(), number, number + numbers.numel());
    }
  } catch (const c10::Error& e) {
    throw Error(ErrorKind::kInternal, std::string("searching on a device: LibTorch says '") +
                                          e.what_without_backtrace() +
                                          "'; ask for fewer at once, or search on the cpu");
  }
  return found;
}

float DeviceRows::slack(std::span<const float> query) const {
  constexpr double kUnit = 1.0 / (1 << 24), kHalfUnit = 1.0 / (1 << 11);
  // Rows, queries and products are rounded to halves, and sums of parts may be; eight roundings
  // cover them. Below the normal halves a value is off by 2^-25 at most.
  const bool half = impl_->rows.scalar_type() == at::kHalf;
  const auto dim = static_cast<double>(query.size());
  const double norm = norm_of(query);
  const double relative = (2 * dim + 32) * kUnit + (half ? 8 * kHalfUnit : 0);
  const double least = half ? std::sqrt(dim) * (norm + impl_->largest_norm + 1) * 0x1p-25 : 1e-37;
  return static_cast<float>((norm * impl_->largest_norm * relative + least) * (1 + 1e-6));
}

std::size_t DeviceRows::bytes() const { return impl_->rows.nbytes(); }

std::size_t DeviceRows::bytes_of(std::size_t rows, int dim, bool half) {
  return rows * static_cast<std::size_t>(dim) * (half ? 2 : sizeof(float));
}

std::size_t DeviceRows::work_bytes(bool half) {
  // The scores of a tile, and what choosing the best of them takes; the best so far beside a
  // tile's, joined, chosen from and gathered: eight scores and ten numbers of each at most.
  const std::size_t value = half ? 2 : sizeof(float);
  return 2 * static_cast<std::size_t>(kTileScores) * value +
         static_cast<std::size_t>(kBest) * (8 * value + 10 * sizeof(std::int64_t));
}

std::optional<std::size_t> DeviceRows::free_bytes(const std::string& device) {
  const at::Device where = device_named(device);
  if (where.is_cpu()) return std::nullopt;
  try {
    at::globalContext().lazyInitDevice(where.type());
    c10::DeviceAllocator& memory = *c10::getDeviceAllocator(where.type());
    memory.emptyCache();  // what LibTorch keeps of tensors that are gone is free
    return memory.getMemoryInfo(where.index()).first;
  } catch (const c10::Error& e) {
    throw failed_copy(e, device);
  }
}

}  // namespace dexter
