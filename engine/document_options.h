#pragma once

#include <string>

namespace dexter {

// The documents as the second space of a generation; keys of the section `index`.
struct DocumentOptions {
  bool documents = false;
  std::string document_kind = "auto";  // auto | flat | ivf | hnsw
  double document_recall = 0.95;       // as IndexOptions::recall
  std::string stemmer = "english";     // as Bm25Options::stemmer

  void validate() const;  // kInvalidInput naming the option, its value and its range
};

template <class Visitor>
void visit(Visitor& v, DocumentOptions& o) {
  v("documents", o.documents,
    "whether the training documents are indexed too: found by --space documents, and the memory "
    "whose votes join the labels' scores");
  v("document_kind", o.document_kind,
    "their index: auto, flat, ivf or hnsw; auto is exact while they are few, else ivf");
  v("document_recall", o.document_recall,
    "recall@10 against exact search that their index must reach");
  v("stemmer", o.stemmer, "stemmer of their words: english, finnish, german, ..., or none");
}

}  // namespace dexter
