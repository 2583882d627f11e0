#pragma once

#include <memory>

#include "storage/corpus_reader.h"
#include "storage/line_reader.h"

namespace dexter {

// annif: the tab-separated files of Annif, plain or gzip.
//   documents   TEXT<tab><http://example.org/s1> <http://example.org/s2>
//   vocabulary  <http://example.org/s1><tab>LABEL[<tab>NOTATION]
// URIs are label keys, with or without angle brackets; a document may have none, but the tab
// stands; one that repeats counts once. The document's key is its row number. A label's name and
// text are LABEL; the notation is ignored.
std::unique_ptr<CorpusReader> open_annif_documents(LineReader lines);
std::unique_ptr<LabelReader> open_annif_labels(LineReader lines);

}  // namespace dexter
