// Products of queries with all rows, tile by tile, and the best of each.
#include "encoders/device_rows.h"

#include <ATen/ATen.h>
#include <c10/core/CachingDeviceAllocator.h>

#include <algorithm>
#include <cmath>

#include "encoders/transformer_device.h"
#include "storage/error.h"

namespace dexter {
namespace {

// Scores of one tile, which are held together.
constexpr std::int64_t kTileScores = std::int64_t{1} << 27;
constexpr std::int64_t kRowsAtOnce = 65536;  // copied to the device together

double norm_of(std::span<const float> row) {
  double squares = 0;
  for (const float v : row) squares += static_cast<double>(v) * static_cast<double>(v);
  return std::sqrt(squares);
}

at::Tensor view_of(EmbeddingView rows) {
  return at::from_blob(const_cast<float*>(rows.data()),
                       {static_cast<std::int64_t>(rows.rows()), rows.dim()}, at::kFloat);
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
  }
}

DeviceRows::~DeviceRows() = default;

DeviceRows::Found DeviceRows::best(EmbeddingView queries, std::size_t count) const {
  const c10::InferenceMode no_graph;
  const auto wanted = static_cast<std::int64_t>(count);
  const at::Tensor& rows = impl_->rows;
  const at::Tensor asked = view_of(queries).to(rows.options());
  const std::int64_t tile = std::max<std::int64_t>(
      {kTileScores / std::max<std::int64_t>(1, asked.size(0)), 2 * wanted, 1});
  at::Tensor scores, numbers;
  try {
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
    scores = scores.to(at::kFloat).cpu().contiguous();
    numbers = numbers.cpu().contiguous();
  } catch (const c10::Error& e) {
    throw Error(ErrorKind::kInternal, std::string("searching on a device: LibTorch says '") +
                                          e.what_without_backtrace() +
                                          "'; ask for fewer at once, or search on the cpu");
  }
  const auto all = static_cast<std::size_t>(scores.numel());
  const float* const score = scores.const_data_ptr<float>();
  const std::int64_t* const number = numbers.const_data_ptr<std::int64_t>();
  return {{number, number + all}, {score, score + all}};
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
  // The scores of a tile, and what choosing the best of them takes.
  return 2 * static_cast<std::size_t>(kTileScores) * (half ? 2 : sizeof(float));
}

std::optional<std::size_t> DeviceRows::free_bytes(const std::string& device) {
  const at::Device where = device_named(device);
  if (where.is_cpu()) return std::nullopt;
  at::globalContext().lazyInitDevice(where.type());
  return c10::getDeviceAllocator(where.type())->getMemoryInfo(where.index()).first;
}

}  // namespace dexter
