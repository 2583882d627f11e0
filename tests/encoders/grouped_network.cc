#include "tests/encoders/grouped_network.h"

#include <ATen/ATen.h>

#include <numeric>

#include "encoders/transformer_network.h"

namespace dexter::testing {
namespace {

void append(std::vector<float>& out, const at::Tensor& values) {
  const at::Tensor here = values.contiguous();
  out.insert(out.end(), here.const_data_ptr<float>(), here.const_data_ptr<float>() + here.numel());
}

}  // namespace

GroupedPass run_grouped(const TransformerShape& shape, Pooling pooling,
                        std::span<const FloatTensor> parameters,
                        std::span<const std::vector<std::int32_t>> texts, bool few_groups) {
  TransformerNetwork network(shape, pooling, parameters, at::kFloat, at::kCPU);
  for (at::Tensor& parameter : network.parameters()) parameter.requires_grad_(true);
  std::vector<std::uint32_t> order(texts.size());
  std::iota(order.begin(), order.end(), 0u);
  const PackedTexts packed =
      pack(texts, order, at::kCPU, few_groups ? Grouping::kFewGroups : Grouping::kOneLength);
  GroupedPass pass{.groups = packed.groups.size(), .padding = 0, .vectors = {}, .gradients = {}};
  for (const PackedTexts::Group& group : packed.groups)
    pass.padding += static_cast<std::size_t>(group.texts * group.longest);
  pass.padding -= static_cast<std::size_t>(packed.ids.numel());
  const at::Tensor vectors = network.forward(packed, /*dropout=*/0);
  const at::Tensor weights = at::arange(vectors.numel(), at::kFloat).view(vectors.sizes()).sin();
  (vectors * weights).sum().backward();
  append(pass.vectors, vectors.detach());
  for (const at::Tensor& parameter : network.parameters())
    if (parameter.grad().defined()) append(pass.gradients, parameter.grad());
  return pass;
}

}  // namespace dexter::testing
