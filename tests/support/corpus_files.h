#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "storage/types.h"
#include "tests/support/tiny_corpus.h"

// The tiny corpus in every format that dexter reads. Texts are plain ASCII without quotes.
namespace dexter::tiny {
namespace detail {

inline std::string joined_rows(const std::vector<LabelId>& labels, const char* separator) {
  std::string text;
  for (const LabelId label : labels)
    text.append(text.empty() ? "" : separator).append(std::to_string(value(label)));
  return text;
}

inline std::string uri(LabelId label) {
  return "<http://example.org/" + labels()[value(label)].key + ">";
}

// The sparse text of a document: feature i is the number of its i-th letter's occurrences.
inline std::string letter_counts(const std::string& text) {
  std::string features;
  for (char letter = 'a'; letter <= 'z'; ++letter) {
    const auto count = std::count(text.begin(), text.end(), letter);
    if (count == 0) continue;
    features.append(features.empty() ? "" : " ").append(std::to_string(letter - 'a'));
    features.append(":").append(std::to_string(count)).append(".5");
  }
  return features;
}

}  // namespace detail

inline std::string lf_xmc_document(const Example& example) {
  return "{\"uid\":" + detail::quoted(example.key) + ",\"title\":" + detail::quoted(example.text) +
         ",\"content\":\"\",\"target_ind\":[" + detail::joined_rows(example.labels, ",") +
         "],\"target_rel\":[1.0]}\n";
}

inline std::string annif_document(const Example& example) {
  std::string line = example.text + "\t";
  for (const LabelId label : example.labels) line += detail::uri(label) + " ";
  line.back() = '\n';
  return line;
}

inline std::string xmc_document(const Example& example) {
  return detail::joined_rows(example.labels, ",") + " " + detail::letter_counts(example.text) +
         "\n";
}

inline std::string xmc_header(const std::vector<Example>& examples) {
  return std::to_string(examples.size()) + " 26 " + std::to_string(kLabels) + "\n";
}

// Writes the training and the test part and the labels of `format` into the existing folder.
inline Files write_corpus(const std::filesystem::path& folder, std::string_view format) {
  if (format == "jsonl") return write_jsonl(folder);
  const bool lf = format == "lf-xmc";
  const bool sparse = format == "xmc";
  const Files files = lf ? Files{folder / "trn.json", folder / "tst.json", folder / "lbl.json"}
                      : sparse
                          ? Files{folder / "train.txt", folder / "test.txt", folder / "Y.txt"}
                          : Files{folder / "train.tsv", folder / "test.tsv", folder / "voc.tsv"};
  const auto write = [&](const std::filesystem::path& file, const std::vector<Example>& examples) {
    std::ofstream out(file);
    if (sparse) out << xmc_header(examples);
    for (const Example& example : examples)
      out << (lf       ? lf_xmc_document(example)
              : sparse ? xmc_document(example)
                       : annif_document(example));
  };
  write(files.train, train());
  write(files.test, test());
  std::ofstream out(files.labels);
  for (const Label& label : labels()) {
    if (lf) out << "{\"uid\":\"" << label.key << "\",\"title\":\"" << label.name << "\"}\n";
    if (sparse) out << label.name << "\n";
    if (!lf && !sparse) out << detail::uri(label.id) << "\t" << label.name << "\n";
  }
  return files;
}

}  // namespace dexter::tiny
