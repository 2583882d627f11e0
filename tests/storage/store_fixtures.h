#pragma once

#include <filesystem>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "storage/catalog.h"
#include "storage/error.h"
#include "storage/section_file.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_corpus.h"

namespace dexter::testing {

// What `call` throws; nothing when it does not.
template <class Call>
std::optional<Error> error_of(Call&& call) {
  try {
    std::forward<Call>(call)();
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

inline std::string numbered(std::string prefix, std::uint64_t number) {
  return prefix.append(std::to_string(number));
}

inline void add_tiny_corpus(CorpusWriter& corpus) {
  for (const Label& label : tiny::labels()) corpus.add_label(label.key, label.name, label.text);
  for (const Example& example : tiny::train())
    corpus.add_example(Split::kTrain, example.key, example.text, example.labels, {});
  for (const Example& example : tiny::test())
    corpus.add_example(Split::kTest, example.key, example.text, example.labels, {});
}

inline CorpusInfo import_tiny_corpus(Catalog& catalog) {
  CorpusWriter corpus(catalog);
  add_tiny_corpus(corpus);
  CorpusInfo info;
  info.format = "jsonl";
  return corpus.commit(info);
}

inline FileRef write_file(const std::filesystem::path& store, const std::string& name,
                          std::string_view type, std::string_view content) {
  SectionFileWriter file(store / name, type, 1);
  file.add("content", content);
  return file.commit(store);
}

// Row i of label i is {i, 0.5, -i}.
inline EmbeddingMatrix tiny_vectors(std::size_t rows) {
  EmbeddingMatrix vectors(rows, 3);
  for (std::size_t i = 0; i < rows; ++i) {
    const auto number = static_cast<float>(i);
    const auto row = vectors.row(i);
    row[0] = number;
    row[1] = 0.5f;
    row[2] = -number;
  }
  return vectors;
}

// Commits generation `number` with its own encoder and index files and a vector per label.
inline void commit_generation(Catalog& catalog, std::uint64_t number) {
  EncoderInfo encoder;
  encoder.file = write_file(catalog.path(), numbered("encoders/", number) + ".enc", "encoder",
                            numbered("w", number));
  encoder.kind = "bag";
  encoder.fingerprint = numbered("f", number);
  encoder.dim = 3;
  encoder.corpus = catalog.manifest().corpus->number;
  std::vector<std::int64_t> ids;
  catalog.scan_labels([&](Label&& label) { ids.push_back(value(label.id)); });
  catalog.put_vectors(Space::kLabels, ids, tiny_vectors(ids.size()), true);
  Manifest next = catalog.manifest();
  next.trained = encoder;
  GenerationInfo generation;
  generation.number = number;
  generation.encoder = encoder;
  generation.label_index = write_file(catalog.path(), numbered("index/", number) + ".idx", "index",
                                      numbered("i", number));
  generation.index_kind = "flat";
  generation.index_reason = "asked for";
  generation.labels = ids.size();
  next.generation = generation;
  next.config = "{}";
  catalog.commit(next, true);
}

// The same with an index of documents.
inline void commit_documents(Catalog& catalog, std::uint64_t number) {
  commit_generation(catalog, number);
  Manifest next = catalog.manifest();
  DocumentsInfo& documents = next.generation->documents.emplace();
  const std::string name = numbered("index/", number);
  documents.index = write_file(catalog.path(), name + ".documents.idx", "index", "i");
  documents.table = write_file(catalog.path(), name + ".table.idx", "documents", "t");
  documents.index_kind = "flat";
  catalog.commit(next, true);
}

inline std::vector<Example> examples_of(const Catalog& catalog, Split split) {
  std::vector<Example> examples;
  catalog.scan_examples(split, [&](Example&& example) { examples.push_back(std::move(example)); });
  return examples;
}

inline std::vector<Label> labels_of(const Catalog& catalog) {
  std::vector<Label> labels;
  catalog.scan_labels([&](Label&& label) { labels.push_back(std::move(label)); });
  return labels;
}

// Everything a reader can see, read in full.
inline std::string state_of(const std::filesystem::path& store) {
  std::ostringstream out;
  const Catalog catalog = Catalog::open(store, OpenMode::kRead);
  const Manifest& manifest = catalog.manifest();
  out << to_json(manifest);
  for (const Label& label : labels_of(catalog))
    out << '\n' << value(label.id) << label.key << label.name << label.text;
  for (const Split split : {Split::kTrain, Split::kTest})
    for (const Example& example : examples_of(catalog, split))
      out << '\n' << value(example.id) << example.key << example.text << example.labels.size();
  catalog.scan_documents([&](Example&& example) {
    out << '\n' << value(example.id) << example.key << example.text << example.labels.size();
  });
  for (const DocumentChange& change : catalog.document_changes())
    out << '\n' << value(change.id) << change.removed << change.vector.size();
  for (const std::uint32_t frequency : catalog.label_frequencies()) out << ' ' << frequency;
  for (const LabelChange& change : catalog.label_changes())
    out << '\n' << value(change.id) << change.removed << change.vector.size();
  catalog.scan_vectors(Space::kLabels, 100, [&](auto ids, EmbeddingView) {
    for (const std::int64_t id : ids) out << ' ' << id;
  });
  out << catalog.note("history").value_or("none");
  if (manifest.generation) {
    for (const FileRef& file :
         {manifest.generation->encoder.file, manifest.generation->label_index})
      verify_section_file(store, file);
  }
  return out.str();
}

}  // namespace dexter::testing
