#pragma once

#include <memory>

#include "storage/corpus_reader.h"
#include "storage/line_reader.h"

namespace dexter {

// jsonl: one JSON object a line.
//   documents  {"id": "d1", "text": "A grey cat.", "labels": ["animals", "pets"]}
//   labels     {"id": "animals", "name": "Animals", "text": "cats, dogs, horses"}
// `id` is a string or an integer; `text` of a document is required and not blank; `labels` is a
// list of label ids, [] for none; one that repeats counts once. A label's `name` is its id with
// spaces for underscores where it is not given, its `text` is its name. Other members are ignored.
std::unique_ptr<CorpusReader> open_jsonl_documents(LineReader lines);
std::unique_ptr<LabelReader> open_jsonl_labels(LineReader lines);

// The label that a jsonl document names where there is no label file.
LabelRow label_of_key(std::string_view key);

}  // namespace dexter
