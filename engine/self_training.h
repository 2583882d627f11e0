#pragma once

#include <cstdint>
#include <string>

#include "encoders/encoder.h"
#include "encoders/trainer.h"
#include "storage/progress.h"

namespace dexter {

struct SelfTrainingOptions {
  std::string documents = {};  // file of texts without labels, one a line; empty for none
  double confidence = 0.5;     // least probability of a label
  int neighbours = 15;         // training documents that vote; 0 asks none
  double agreement = 0.2;      // least share of them that have the label
  void validate() const;       // kInvalidInput naming the option, its value and its range
};

template <class Visitor>
void visit(Visitor& v, SelfTrainingOptions& o) {
  v("documents", o.documents,
    "file of texts without labels, one a line, plain or gzip: the store's present encoder labels "
    "those it is sure of, and training takes them too; empty for none");
  v("confidence", o.confidence,
    "least probability against all labels that score lower, and against the best one alone, at "
    "loss.temperature");
  v("neighbours", o.neighbours, "nearest training documents that vote; 0 asks none");
  v("agreement", o.agreement, "share of them that must have the label as well");
}

// Self-training (with a gate as that of HAST, Hybrid Active Learning and Self-Training, EMNLP
// 2024): an encoder labels texts without labels, of which only sure ones are kept. With s the
// cosines of a text and the labels, best first, label r is given while
//   e^{s_r / t} / sum_{j >= r} e^{s_j / t} >= confidence  and  e^{(s_r - s_1) / t} >= confidence
// hold from the first label on (each against those behind it, as decoupled softmax learns them, and
// against the best; the 64 best labels stand for all), and where at least `agreement` of the text's
// nearest training documents have it too.
// Appends the texts with a label to `set.guessed` and returns what was done; the validation part,
// to which the rule is applied as well, tells how often it is right. kInvalidInput for sparse
// features; errors of the file as LineReader's.
PseudoLabelReport pseudo_label(const Encoder& encoder, const SelfTrainingOptions& options,
                               double temperature, TrainingSet& set, const Progress& progress);

}  // namespace dexter
