#pragma once

#include <string>

namespace dexter {

struct LossOptions {
  std::string name = "decoupled_softmax";
  double temperature = 0.05;
  // Added to a label's logit in training, times log(1 + its training documents): what frequency
  // explains, the vectors need not (Menon et al., Long-tail Learning via Logit Adjustment, ICLR
  // 2021).
  double logit_adjustment = 0.2;
  int top_k = 0;  // of soft_top_k; 0: as many as the document has positives
  double top_k_slope = 2;
  void validate() const;
};

template <class Visitor>
void visit(Visitor& v, LossOptions& o) {
  v("name", o.name, "loss: decoupled_softmax, softmax or soft_top_k");
  v("temperature", o.temperature, "divides the cosine of a document and a label");
  v("logit_adjustment", o.logit_adjustment,
    "training adds this times log(1 + documents) to a label's logit, so that answers lean to rare "
    "labels; 0 for none");
  v("top_k", o.top_k,
    "soft_top_k: labels that share a document's mass; 0 for as many as it has positives");
  v("top_k_slope", o.top_k_slope, "soft_top_k: how sharply the k best are told from the others");
}

}  // namespace dexter
