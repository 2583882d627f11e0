#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "storage/embedding_matrix.h"

namespace dexter {

struct ScoreBatch;

// Another encoder whose scores are learnt beside the documents' labels (Hinton et al., Distilling
// the Knowledge in a Neural Network, 2015).
struct TeacherOptions {
  std::string store = {};     // folder of the store whose encoder teaches; empty for none
  double weight = 0.5;        // of the teacher's loss; the labels' loss has the rest
  double temperature = 0.05;  // divides the teacher's cosines
  void validate() const;      // kInvalidInput naming the option, its value and its range
};

template <class Visitor>
void visit(Visitor& v, TeacherOptions& o) {
  v("store", o.store, "a store whose encoder teaches the one that is trained; empty for none");
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

// The teacher's vectors of one step.
struct TeacherStep {
  std::vector<float> documents, labels;

  // Puts them into `batch`, which must not outlive this. `rows[d]` is the row of document d in
  // Teacher::documents; `step_labels` are rows of Teacher::labels.
  void ask(const Teacher& teacher, std::span<const std::uint32_t> rows,
           std::span<const std::uint32_t> step_documents,
           std::span<const std::uint32_t> step_labels, ScoreBatch& batch);
};

// L = -sum_j q_j log p_j with p = softmax(student), q = softmax(teacher), over one row of scores
// against a pool of labels; dL/d student_j = p_j - q_j. Both rows are overwritten. `gradient`
// becomes (1 - weight) gradient + weight (p - q). Returns L. Safe from many threads.
double learn_from_teacher(std::span<float> student, std::span<float> teacher, double weight,
                          std::span<float> gradient);

}  // namespace dexter
