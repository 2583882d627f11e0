// The table of losses.
#include "encoders/loss.h"

#include <spdlog/fmt/fmt.h>

#include "encoders/cluster_discrimination.h"
#include "encoders/sigmoid_losses.h"
#include "encoders/soft_top_k.h"
#include "encoders/softmax_losses.h"
#include "encoders/triplet.h"

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
    {{"in_batch", "labels and documents of a batch against each other"}, &make_in_batch},
    {{"triplet", "each positive ahead of the hardest negatives by a margin"}, &make_triplet},
    {{"binary_cross_entropy", "each label of the pool by itself"}, &make_binary_cross_entropy},
    {{"pu", "the positives' share of all that is found; others are not negatives"}, &make_pu},
    {{"mlcd", "positives above, negatives below a threshold, each side by its worst"}, &make_mlcd},
    {{"comic", "hard negatives above all, and those found surely are positives"}, &make_comic},
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

std::string losses_by_chunks() {
  std::string names;
  for (const LossRow& row : kLosses)
    if (row.make({})->needs().by_chunks)
      names += fmt::format("{}{}", names.empty() ? "" : ", ", row.kind.name);
  return names;
}

}  // namespace dexter
