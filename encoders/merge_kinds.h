#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "encoders/merge.h"

namespace dexter {

// Inner header: what the merges of each kind of encoder share.

// kIncompatible that names `what` and says what to do `then`, where it is not the `same`.
void ensure_alike(bool same, std::string_view what, std::string_view then);

// One tensor of each encoder, all of one size.
using MergedTensors = std::vector<std::span<const float>>;

// Inner products of the tensors of each two encoders. [encoders x encoders]
std::vector<double> inner_products(const MergedTensors& tensors);
// What each tensor is multiplied by to make the merged one, given the inner products.
std::vector<double> merge_factors(std::span<const double> weights, std::span<const double> products,
                                  const std::string& method);
// The sum of the tensors times these. A tensor that is alone comes back bit for bit.
std::vector<float> combined(const MergedTensors& tensors, std::span<const double> factors);

std::unique_ptr<EncoderMerge> make_bag_merge(std::span<const SectionFileReader> encoders,
                                             const std::string& method);
std::unique_ptr<EncoderMerge> make_transformer_merge(std::span<const SectionFileReader> encoders,
                                                     const std::string& method);

}  // namespace dexter
