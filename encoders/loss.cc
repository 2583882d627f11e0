// The table of losses.
#include "encoders/loss.h"

#include <spdlog/fmt/fmt.h>

#include "encoders/soft_top_k.h"
#include "encoders/softmax_losses.h"

namespace dexter {
namespace {

struct LossRow {
  LossKind kind;
  std::unique_ptr<LossFunction> (*make)(const LossOptions& options);
};

constexpr LossRow kLosses[] = {
    {{"decoupled_softmax", "each positive against the negatives alone"}, &make_decoupled_softmax},
    {{"softmax", "each positive against every label of the pool"}, &make_softmax},
    {{"soft_top_k", "the positives among the k best of the pool"}, &make_soft_top_k},
};

}  // namespace

const std::vector<LossKind>& loss_kinds() {
  static const std::vector<LossKind> kinds = [] {
    std::vector<LossKind> all;
    for (const LossRow& row : kLosses) all.push_back(row.kind);
    return all;
  }();
  return kinds;
}

std::unique_ptr<LossFunction> make_loss(const LossOptions& options) {
  std::string names;
  for (const LossRow& row : kLosses) {
    if (row.kind.name == options.name) return row.make(options);
    names += fmt::format("{}{}", names.empty() ? "" : ", ", row.kind.name);
  }
  throw Error(ErrorKind::kInvalidInput,
              fmt::format("loss.name is \"{}\", but the losses are {}; choose one of these",
                          options.name, names));
}

}  // namespace dexter
