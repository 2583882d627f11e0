// Importing a corpus beside the one a store holds, and putting it in its place.
#include "storage/corpus_writer.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <system_error>
#include <utility>

#include "storage/catalog_impl.h"
#include "storage/checksum.h"
#include "storage/crash_point.h"
#include "storage/error.h"
#include "storage/key_table.h"

namespace dexter {
namespace {

constexpr std::size_t kBatchBytes = 4u << 20;
constexpr std::size_t kFrequenciesPerRecord = 1u << 16;

void sort_distinct(std::vector<LabelId>& ids) {
  std::ranges::sort(ids);
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
}

}  // namespace

struct CorpusWriter::Impl {
  CatalogState& store;
  const std::uint32_t number;  // of the corpus in the making
  RecordBatch batch;
  KeyTable labels;
  std::array<HashSet, 2> document_keys;  // by Split
  std::array<std::uint64_t, 2> documents{};
  std::vector<std::uint32_t> frequencies;  // by LabelId
  bool committed = false;
  // Reused from one record to the next.
  Example example;
  Label label;
  std::string record;

  explicit Impl(CatalogState& catalog)
      : store(catalog), number(catalog.corpus() + 1), batch(*catalog.records) {}

  void put(Family family, std::string_view key) { batch.put(family, key, record); }

  void write_batch() {
    if (batch.bytes() == 0) return;
    store.require_free_space();
    store.records->write_unlogged(batch);
    batch.clear();
    crash_point("corpus.batch_written");
  }

  void write_full_batch() {
    if (batch.bytes() >= kBatchBytes) write_batch();
  }

  void check_labels(std::span<const LabelId> ids, std::string_view document) const {
    for (const LabelId id : ids) {
      if (value(id) < labels.size()) continue;
      throw Error(ErrorKind::kInvalidInput,
                  fmt::format("adding document \"{}\": it names label {}, there are {}; give every "
                              "label before its documents",
                              document, value(id), labels.size()));
    }
  }

  // A hash seen before is a key seen before, or one of the rare keys that share a hash.
  void check_new(Split split, std::string_view key, const std::string& name_key) {
    const std::uint64_t hash = checksum64(key);
    if (document_keys[static_cast<std::size_t>(split)].insert(hash)) return;
    write_batch();
    if (!store.records->get(Family::kDocumentKeys, name_key)) return;
    throw Error(
        ErrorKind::kInvalidInput,
        fmt::format("adding document \"{}\": its key was already given to another document of the "
                    "{} part; make the keys unique",
                    key, split == Split::kTrain ? "train" : "test"));
  }

  void put_frequencies(RecordBatch& into) {
    into.remove(Family::kMeta, codec::frequencies_range());
    for (std::size_t first = 0; first < frequencies.size(); first += kFrequenciesPerRecord) {
      const std::size_t count = std::min(kFrequenciesPerRecord, frequencies.size() - first);
      const auto key =
          codec::frequencies_key(static_cast<std::uint32_t>(first / kFrequenciesPerRecord));
      codec::encode_numbers(record, key, std::span(frequencies).subspan(first, count));
      into.put(Family::kMeta, key, record);
    }
  }

  // What is left over is removed by the next writer.
  void clean_up() {
    try {
      store.remove_stale_records();
      store.remove_unnamed_files(/*temporaries=*/false);
      if (!committed) return;
      std::error_code failed;  // work on the former corpus
      for (const char* folder : {"train", "encoding"})
        std::filesystem::remove_all(store.path / folder, failed);
    } catch (const std::exception&) {
      return;
    }
  }
};

CorpusWriter::CorpusWriter(Catalog& catalog) {
  catalog.impl_->require_writable("importing a corpus");
  catalog.impl_->require_free_space();
  catalog.impl_->remove_stale_records();
  impl_ = std::make_unique<Impl>(*catalog.impl_);
}

CorpusWriter::~CorpusWriter() {
  if (!impl_->committed) impl_->clean_up();
}

LabelId CorpusWriter::add_label(std::string_view key, std::string_view name,
                                std::string_view text) {
  Impl& corpus = *impl_;
  require_valid_key("label", key);
  if (corpus.labels.find(key))
    throw Error(ErrorKind::kInvalidInput,
                fmt::format("adding label \"{}\": its key was already given to another label; make "
                            "the keys unique",
                            key));
  const LabelId id{corpus.labels.add(key)};
  corpus.frequencies.push_back(0);
  corpus.label.key = key;
  corpus.label.name = name;
  corpus.label.text = text;
  const auto record_key = codec::label_key(corpus.number, id);
  codec::encode(corpus.record, record_key, corpus.label);
  corpus.put(Family::kLabels, record_key);
  const auto name_key = codec::label_name_key(corpus.number, key);
  codec::encode_id(corpus.record, name_key, value(id));
  corpus.put(Family::kLabelKeys, name_key);
  corpus.write_full_batch();
  return id;
}

std::optional<LabelId> CorpusWriter::find_label(std::string_view key) const {
  const auto number = impl_->labels.find(key);
  if (!number) return std::nullopt;
  return LabelId{*number};
}

std::uint32_t CorpusWriter::label_count() const { return impl_->labels.size(); }

DocumentId CorpusWriter::add_example(Split split, std::string_view key, std::string_view text,
                                     std::span<const LabelId> labels,
                                     std::span<const LabelId> excluded) {
  Impl& corpus = *impl_;
  require_valid_key("document", key);
  corpus.check_labels(labels, key);
  corpus.check_labels(excluded, key);
  const auto name_key = codec::document_name_key(corpus.number, split, key);
  corpus.check_new(split, key, name_key);
  const DocumentId id{corpus.documents[0] + corpus.documents[1]};
  ++corpus.documents[static_cast<std::size_t>(split)];
  corpus.example.key = key;
  corpus.example.text = text;
  corpus.example.labels.assign(labels.begin(), labels.end());
  corpus.example.excluded.assign(excluded.begin(), excluded.end());
  sort_distinct(corpus.example.labels);
  sort_distinct(corpus.example.excluded);
  if (split == Split::kTrain)
    for (const LabelId label : corpus.example.labels) ++corpus.frequencies[value(label)];
  const auto record_key = codec::document_key(corpus.number, split, id);
  codec::encode(corpus.record, record_key, corpus.example);
  corpus.put(Family::kDocuments, record_key);
  codec::encode_id(corpus.record, name_key, value(id));
  corpus.put(Family::kDocumentKeys, name_key);
  corpus.write_full_batch();
  return id;
}

CorpusInfo CorpusWriter::commit(CorpusInfo info, const std::map<std::string, std::string>& notes) {
  Impl& corpus = *impl_;
  ensure(!corpus.committed, ErrorKind::kInternal, "committing a corpus twice");
  corpus.write_batch();
  crash_point("corpus.before_flush");
  corpus.store.records->flush();
  crash_point("corpus.flushed");
  info.number = corpus.number;
  info.train_documents = corpus.documents[0];
  info.test_documents = corpus.documents[1];
  info.labels = corpus.labels.size();
  Manifest next;
  next.next_label = info.labels;
  next.corpus = info;
  RecordBatch batch(*corpus.store.records);
  corpus.put_frequencies(batch);
  batch.remove(Family::kMeta, codec::note_range());
  for (const auto& [name, json] : notes) CatalogState::put_note(batch, name, json);
  crash_point("corpus.before_commit");
  corpus.store.commit(batch, next, codec::Counts{.labels = info.labels, .vectors = {}});
  corpus.committed = true;
  corpus.store.staged = {};
  crash_point("corpus.committed");
  corpus.clean_up();
  crash_point("corpus.cleaned");
  return info;
}

}  // namespace dexter
