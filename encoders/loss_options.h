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
  int positives = 0;  // of decoupled_softmax and in_batch: those with the highest scores; 0: all
  int top_k = 0;      // of soft_top_k; 0: as many as the document has positives
  double top_k_slope = 2;
  double threshold = 0.5;  // the cosine at which a label is as likely as not; of the losses below
  double focus = 2;        // of comic: the power of a negative's probability that weighs it
  // Of comic: from this probability on a label that is not given is taken as a positive; 1: never.
  double correction = 0.95;
  double margin = 0.1, margin_most = 0.3;  // of triplet, in cosines
  int hardest = 100;                       // negatives of triplet per document
  void validate() const;
};

template <class Visitor>
void visit(Visitor& v, LossOptions& o) {
  v("name", o.name,
    "loss: decoupled_softmax, softmax, soft_top_k, in_batch, triplet, binary_cross_entropy, pu, "
    "mlcd "
    "or comic");
  v("temperature", o.temperature, "divides the cosine of a document and a label");
  v("logit_adjustment", o.logit_adjustment,
    "training adds this times log(1 + documents) to a label's logit, so that answers lean to rare "
    "labels; 0 for none");
  v("positives", o.positives,
    "decoupled_softmax, in_batch: a document learns from as many of its positives, those of the "
    "highest scores at the time, and the others are neither positives nor negatives; 0 for all");
  v("top_k", o.top_k,
    "soft_top_k: labels that share a document's mass; 0 for as many as it has positives");
  v("top_k_slope", o.top_k_slope, "soft_top_k: how sharply the k best are told from the others");
  v("threshold", o.threshold,
    "binary_cross_entropy, pu, mlcd, comic: the cosine at which a label is as likely as not");
  v("focus", o.focus,
    "comic: a negative's loss is weighed by its probability to this power; 0 for none");
  v("correction", o.correction,
    "comic: a label that is not given but as probable as this is taken as given; 1 for none (the "
    "paper has 0.7, which a dual encoder that starts at random passes too soon)");
  v("margin", o.margin, "triplet: cosines by which a positive shall lead a negative that is near");
  v("margin_most", o.margin_most, "triplet: the same where a negative leads by far");
  v("hardest", o.hardest, "triplet: negatives per document, those of the highest scores");
}

}  // namespace dexter
