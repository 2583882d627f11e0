#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "storage/embedding_matrix.h"

namespace dexter {

// Another encoder whose scores the bag encoder learns beside the documents' labels (Hinton et al.,
// Distilling the Knowledge in a Neural Network, 2015).
struct TeacherOptions {
  std::string store = {};     // folder of the store whose encoder teaches; empty for none
  double weight = 0.5;        // of the teacher's loss; the labels' loss has the rest
  double temperature = 0.05;  // divides the teacher's cosines
  void validate() const;      // kInvalidInput naming the option, its value and its range
};

template <class Visitor>
void visit(Visitor& v, TeacherOptions& o) {
  v("store", o.store, "a store whose encoder teaches the bag encoder; empty for none");
  v("weight", o.weight, "share of the teacher's loss; the labels' loss has the rest");
  v("temperature", o.temperature,
    "divides the teacher's cosines: what it was trained with, or more for softer targets");
}

struct Teacher {
  TeacherOptions options;
  std::string fingerprint;  // of its encoder
  // The training documents, each label's text as a document, and those of guessed labels.
  EmbeddingMatrix documents;
  EmbeddingMatrix labels;
};

// L = -sum_j q_j log p_j with p = softmax(student), q = softmax(teacher), over one row of scores
// against a pool of labels; dL/d student_j = p_j - q_j. Both rows are overwritten. `gradient`
// becomes (1 - weight) gradient + weight (p - q). Returns L. Safe from many threads.
double learn_from_teacher(std::span<float> student, std::span<float> teacher, double weight,
                          std::span<float> gradient);

}  // namespace dexter
