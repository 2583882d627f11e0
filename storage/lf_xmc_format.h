#pragma once

#include <memory>

#include "storage/corpus_reader.h"
#include "storage/line_reader.h"

namespace dexter {

// lf-xmc: the Extreme Classification repository's data sets with label features, one JSON object a
// line, in trn.json, tst.json and lbl.json, plain or gzip.
//   documents  {"uid": "B01", "title": "Grey cat", "content": "A book.", "target_ind": [3, 17]}
//   labels     {"uid": "B77", "title": "Cats", "content": ""}
// `target_ind` are rows of the label file, from 0, [] for none; one that repeats counts once. The
// text is title + " " + content, of which one may be absent or empty; a label's name is its title.
// `uid` is a string or an integer; where it is absent the row number is the key. Other members
// (`target_rel`) are ignored.
std::unique_ptr<CorpusReader> open_lf_xmc_documents(LineReader lines);
std::unique_ptr<LabelReader> open_lf_xmc_labels(LineReader lines);

}  // namespace dexter
