// Encoding with a transformer, in batches of alike length.
#include "encoders/transformer_tower.h"

#include <algorithm>
#include <atomic>
#include <numeric>
#include <string>
#include <utility>

#include "encoders/memory_shortage.h"
#include "encoders/row_kernels.h"
#include "encoders/transformer_device.h"
#include "encoders/transformer_network.h"
#include "storage/error.h"

namespace dexter {
namespace {

// Enough for the matrix library's full rate, few enough to stay in the cache; see
// transformer_bench. A GPU has none to stay in, and is asked for many at once.
constexpr std::size_t kBatchTokens = 2048, kBatchTokensOfGpu = 65536, kLeastBatchTokens = 64;

}  // namespace

struct TransformerTower::Impl {
  explicit Impl(TransformerNetwork own)
      : network(std::move(own)),
        batch_tokens(network.device().is_cuda() ? kBatchTokensOfGpu : kBatchTokens) {}

  TransformerNetwork network;
  std::atomic<std::size_t> batch_tokens;

  // In halves where it does not fit.
  void encode_batch(std::span<const std::vector<std::int32_t>> texts,
                    std::span<const std::uint32_t> order, EmbeddingMatrix& out) {
    if (fits_memory([&] { encode_whole(texts, order, out); })) return;
    std::size_t tokens = 0;
    for (const std::uint32_t text : order) tokens += texts[text].size();
    ensure(order.size() > 1, ErrorKind::kIo,
           "encoding: memory ran out with a single text of " + std::to_string(tokens) +
               " tokens; end other programs on the device, or choose --device cpu");
    const std::size_t half = std::max(kLeastBatchTokens, tokens / 2);
    std::size_t now = batch_tokens;
    while (now > half && !batch_tokens.compare_exchange_weak(now, half)) continue;
    encode_batch(texts, order.first(order.size() / 2), out);
    encode_batch(texts, order.subspan(order.size() / 2), out);
  }

  void encode_whole(std::span<const std::vector<std::int32_t>> texts,
                    std::span<const std::uint32_t> order, EmbeddingMatrix& out) const {
    const PackedTexts packed = pack(texts, order, network.device());
    const at::Tensor vectors = network.forward(packed, /*dropout=*/0)
                                   .narrow(1, 0, out.dim())
                                   .to(at::kCPU, at::kFloat)
                                   .contiguous();
    const float* row = vectors.const_data_ptr<float>();
    for (const std::uint32_t text : order) {
      row_kernels().normalise(row, out.row(text).data(), out.dim());
      row += out.dim();
    }
  }
};

TransformerTower::TransformerTower(const TransformerShape& shape, Pooling pooling,
                                   std::span<const FloatTensor> parameters, Precision precision,
                                   const std::string& device) {
  const auto type = precision == Precision::kBfloat16 ? at::kBFloat16 : at::kFloat;
  impl_ = std::make_unique<Impl>(
      TransformerNetwork(shape, pooling, parameters, type, device_named(device)));
}

TransformerTower::~TransformerTower() = default;

EmbeddingMatrix TransformerTower::encode(std::span<const std::vector<std::int32_t>> texts,
                                         int dim) const {
  const c10::InferenceMode no_graph;
  EmbeddingMatrix out(texts.size(), dim);
  std::vector<std::uint32_t> order(texts.size());
  std::iota(order.begin(), order.end(), 0u);
  std::erase_if(order, [&](std::uint32_t i) { return texts[i].empty(); });
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return texts[a].size() < texts[b].size();
  });
  for (std::size_t first = 0; first < order.size();) {
    std::size_t end = first, tokens = 0;
    while (end < order.size() &&
           (end == first || tokens + texts[order[end]].size() <= impl_->batch_tokens))
      tokens += texts[order[end++]].size();
    impl_->encode_batch(texts, std::span(order).subspan(first, end - first), out);
    first = end;
  }
  return out;
}

std::size_t TransformerTower::batch_tokens() const { return impl_->batch_tokens; }

}  // namespace dexter
