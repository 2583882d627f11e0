#pragma once

#include <memory>

#include "storage/corpus_reader.h"
#include "storage/line_reader.h"

namespace dexter {

// xmc: the Extreme Classification repository's sparse text format.
//   15511 203882 13330           documents, features, labels: the header
//   4,812 12:0.35 907:1.2e-1     labels of the document, then feature:value
//    12:0.35 907:0.5             a space first: a document without labels
// Numbers count from 0; a label that repeats counts once; values are finite. The text is the
// feature part, one space between features; a document without features is a bad row, as one
// without text is. The key is the row number. A file with fewer or more documents than its header
// says is kCorrupt.
std::unique_ptr<CorpusReader> open_xmc_documents(LineReader lines);
// One name a line, in the order of the label numbers; the key is that number, the text empty.
std::unique_ptr<LabelReader> open_xmc_labels(LineReader lines);

// Whether `line` has the form of the header: three numbers and nothing else.
bool is_xmc_header(std::string_view line);

}  // namespace dexter
