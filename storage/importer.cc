// Corpus files into a store: labels, then filter pairs, then the training and the test part.
#include "storage/importer.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>

#include <spdlog/fmt/fmt.h>

#include "storage/error.h"
#include "storage/jsonl_format.h"
#include "storage/label_filter.h"

namespace dexter {
namespace {

constexpr std::uint32_t kNoLabel = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t kRowsPerReport = 1024;

class Import {
 public:
  Import(Catalog& catalog, const ImportOptions& options, const Progress& progress);
  ImportReport run();

 private:
  ReaderOptions reader_options() const {
    return {.format = std::string(format_.name), .max_line_bytes = options_.max_line_bytes};
  }
  std::filesystem::path label_file() const;
  void add_labels();
  void add_named_labels(const std::filesystem::path& file);
  void add_numbered_labels();
  void read_filter();
  void add_documents(Split split, CorpusReader& reader, const std::filesystem::path& file);
  void add_document(Split split, const CorpusRow& row, const std::filesystem::path& file);
  LabelId label_at(std::uint32_t row) const;
  LabelId label_called(const std::string& key);
  std::unique_ptr<CorpusReader> open_test() const;
  ImportReport finish();

  // `step` handles one row and returns false at the end. A bad row is reported and passed over
  // while skip_bad allows it.
  template <class Step>
  void for_each_row(const Step& step);
  void skip(const Error& bad_row);

  const ImportOptions& options_;
  const Progress& progress_;
  const CorpusFormat& format_;
  std::unique_ptr<CorpusReader> train_;
  CorpusWriter writer_;
  std::filesystem::path labels_;  // the label file; empty where there is none
  std::vector<std::uint32_t>
      label_ids_;                 // by row of the label file; kNoLabel where the row was bad
  std::vector<bool> is_trained_;  // by label id
  LabelFilter filter_;
  std::vector<LabelId> row_labels_;
  ImportReport report_;
};

const CorpusFormat& checked_format(const Catalog& catalog, const ImportOptions& options) {
  const std::optional<CorpusInfo>& corpus = catalog.manifest().corpus;
  if (corpus && !options.replace)
    throw Error(ErrorKind::kInvalidInput,
                fmt::format("importing into {}: it holds a corpus of {} documents and {} labels "
                            "already; import into a new store, or replace it with --replace",
                            catalog.path().string(), corpus->train_documents, corpus->labels));
  ensure(options.filter.empty() || !options.test.empty(), ErrorKind::kInvalidInput,
         fmt::format("importing {}: a filter drops labels of test documents; give the test file",
                     options.train.string()));
  return options.format == "auto" ? recognise_format(options.train) : find_format(options.format);
}

Import::Import(Catalog& catalog, const ImportOptions& options, const Progress& progress)
    : options_(options),
      progress_(progress),
      format_(checked_format(catalog, options)),
      train_(open_corpus(options.train, reader_options())),
      writer_(catalog),
      labels_(label_file()) {}

std::filesystem::path Import::label_file() const {
  if (!options_.labels.empty()) return options_.labels;
  if (format_.name == "lf-xmc") {
    std::error_code ignored;
    for (const char* const name : {"lbl.json", "lbl.json.gz"})
      if (auto beside = options_.train.parent_path() / name;
          std::filesystem::is_regular_file(beside, ignored))
        return beside;
  }
  if (format_.name == "jsonl" || format_.sparse) return {};
  throw Error(ErrorKind::kInvalidInput,
              fmt::format("importing {}: the {} format needs a label file and none is named; pass "
                          "it with --labels",
                          options_.train.string(), format_.name));
}

template <class Step>
void Import::for_each_row(const Step& step) {
  for (bool more = true; more;) {
    try {
      more = step();
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kInvalidInput) throw;
      skip(error);
    }
  }
}

void Import::skip(const Error& bad_row) {
  ++report_.skipped;
  if (options_.skip_bad == 0) throw bad_row;
  if (report_.skipped > options_.skip_bad)
    throw Error(bad_row.kind(), fmt::format("{} (bad row {} of the import, {} may be skipped)",
                                            bad_row.what(), report_.skipped, options_.skip_bad));
  progress_.warning(fmt::format("skipped {}", bad_row.what()));
}

void Import::add_labels() {
  if (!labels_.empty()) {
    add_named_labels(labels_);
  } else if (format_.sparse) {
    add_numbered_labels();
  }
  is_trained_.resize(writer_.label_count());
}

// Runs `write`, whose kInvalidInput (a key seen before) then names the row.
template <class Write>
auto at_row(const std::filesystem::path& file, std::uint64_t line, const Write& write) {
  try {
    return write();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kInvalidInput) throw;
    throw Error(error.kind(), fmt::format("{}:{}: {}", file.string(), line, error.what()));
  }
}

void Import::add_named_labels(const std::filesystem::path& file) {
  const auto reader = open_labels(file, reader_options());
  std::uint64_t rows = 0;
  LabelRow row;
  for_each_row([&] {
    if (!reader->next_label(row)) return false;
    rows = row.row + 1;
    label_ids_.resize(rows, kNoLabel);
    label_ids_.back() = at_row(
        file, row.line, [&] { return value(writer_.add_label(row.key, row.name, row.text)); });
    if (row.row % kRowsPerReport == 0) {
      progress_.check("importing labels");
      progress_.update({.stage = "reading labels", .done = rows, .unit = "labels", .note = {}});
    }
    return true;
  });
  progress_.update({.stage = "reading labels", .done = rows, .unit = "labels", .note = {}});
  ensure(writer_.label_count() > 0, ErrorKind::kInvalidInput,
         fmt::format("{}: there is no label in it; name the corpus's label file", file.string()));
  if (format_.sparse && rows != train_->declared_labels())
    throw Error(
        ErrorKind::kInvalidInput,
        fmt::format("{}: it has {} names but the header of {} declares {} labels; name the "
                    "label file of this corpus",
                    file.string(), rows, options_.train.string(), train_->declared_labels()));
}

// A sparse corpus without names: labels are called by their numbers.
void Import::add_numbered_labels() {
  const auto count = static_cast<std::uint32_t>(train_->declared_labels());
  for (std::uint32_t row = 0; row < count; ++row) {
    const std::string number = std::to_string(row);
    label_ids_.push_back(value(writer_.add_label(number, number, "")));
    if (row % kRowsPerReport == 0) progress_.check("importing labels");
  }
}

void Import::read_filter() {
  if (options_.filter.empty()) return;
  ensure(!label_ids_.empty(), ErrorKind::kInvalidInput,
         fmt::format("reading {}: its label rows are those of a label file and none is named; pass "
                     "it with --labels",
                     options_.filter.string()));
  LabelFilterReader reader(options_.filter, options_.max_line_bytes);
  for_each_row([&] {
    std::optional<FilterPair> pair = reader.next_pair();
    if (!pair) return false;
    pair->label =
        at_row(options_.filter, reader.line(), [&] { return value(label_at(pair->label)); });
    filter_.add(*pair, reader.line());
    if (reader.line() % kRowsPerReport == 0) progress_.check("importing the filter");
    return true;
  });
  report_.filter_pairs = filter_.finish();
}

LabelId Import::label_at(std::uint32_t row) const {
  if (row < label_ids_.size() && label_ids_[row] != kNoLabel) return LabelId{label_ids_[row]};
  throw Error(ErrorKind::kInvalidInput,
              row < label_ids_.size()
                  ? fmt::format("label row {} was skipped; mend it or remove it here", row)
                  : fmt::format("unknown label row {}: there are {} labels, counted from 0; remove "
                                "it or complete the label file",
                                row, label_ids_.size()));
}

LabelId Import::label_called(const std::string& key) {
  if (const std::optional<LabelId> found = writer_.find_label(key)) return *found;
  if (!labels_.empty())
    throw Error(
        ErrorKind::kInvalidInput,
        fmt::format("unknown label \"{}\"; add it to {} or remove it here", key, labels_.string()));
  const LabelRow label = label_of_key(key);
  is_trained_.push_back(false);
  return writer_.add_label(label.key, label.name, label.text);
}

void Import::add_document(Split split, const CorpusRow& row, const std::filesystem::path& file) {
  at_row(file, row.line, [&] {
    row_labels_.clear();
    for (const std::uint32_t label : row.label_rows) row_labels_.push_back(label_at(label));
    for (const std::string& key : row.label_keys) row_labels_.push_back(label_called(key));
    const auto excluded =
        split == Split::kTest ? filter_.labels_of(row.row) : std::span<const LabelId>();
    writer_.add_example(split, row.key, row.text, row_labels_, excluded);
    if (split == Split::kTrain)
      for (const LabelId label : row_labels_) is_trained_[value(label)] = true;
  });
}

void Import::add_documents(Split split, CorpusReader& reader, const std::filesystem::path& file) {
  const std::string stage = fmt::format("reading {}", file.filename().string());
  std::uint64_t rows = 0;   // of the file
  std::uint64_t added = 0;  // documents
  const auto report = [&] {
    progress_.update({.stage = stage,
                      .done = reader.bytes_read(),
                      .total = reader.bytes_total(),
                      .unit = "bytes",
                      .note = fmt::format("{} documents", added)});
  };
  CorpusRow row;
  for_each_row([&] {
    if (++rows % kRowsPerReport == 0) {
      progress_.check("importing documents");
      report();
    }
    if (!reader.next_document(row)) return false;
    add_document(split, row, file);
    ++added;
    return true;
  });
  report();
  ensure(added > 0, ErrorKind::kInvalidInput,
         fmt::format("{}: there is no document in it; name a corpus file", file.string()));
  if (split == Split::kTest) filter_.check_rows(rows - 1, options_.filter);
}

std::unique_ptr<CorpusReader> Import::open_test() const {
  auto test = open_corpus(options_.test, reader_options());
  if (test->declared_labels() != train_->declared_labels() ||
      test->declared_features() != train_->declared_features())
    throw Error(ErrorKind::kInvalidInput,
                fmt::format("{}: its header declares {} features and {} labels, that of {} {} and "
                            "{}; both must be parts of one corpus",
                            options_.test.string(), test->declared_features(),
                            test->declared_labels(), options_.train.string(),
                            train_->declared_features(), train_->declared_labels()));
  return test;
}

ImportReport Import::finish() {
  progress_.check("importing");
  progress_.update({.stage = "committing the corpus", .note = {}});
  report_.labels_without_training =
      static_cast<std::uint64_t>(std::ranges::count(is_trained_, false));
  CorpusInfo info;
  info.format = format_.name;
  info.text_kind = format_.sparse ? TextKind::kSparse : TextKind::kNatural;
  info.sparse_features = train_->declared_features();
  report_.corpus = writer_.commit(info);
  return report_;
}

ImportReport Import::run() {
  const auto start = std::chrono::steady_clock::now();
  progress_.update(
      {.stage = "reading labels",
       .unit = "labels",
       .note = fmt::format("{} is {}{}", options_.train.filename().string(),
                           options_.format == "auto" ? "recognised as " : "", format_.name)});
  const auto test = options_.test.empty() ? nullptr : open_test();
  add_labels();
  read_filter();
  add_documents(Split::kTrain, *train_, options_.train);
  if (test) add_documents(Split::kTest, *test, options_.test);
  ImportReport report = finish();
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace

ImportReport import_corpus(Catalog& catalog, const ImportOptions& options,
                           const Progress& progress) {
  return Import(catalog, options, progress).run();
}

}  // namespace dexter
