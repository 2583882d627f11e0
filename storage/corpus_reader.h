#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace dexter {

// One document of a corpus file. Labels come by key (jsonl, annif) or by row of the label file
// (lf-xmc, xmc); exactly one of the two lists is used by a format.
struct CorpusRow {
  std::string key;
  std::string text;
  std::vector<std::string> label_keys;
  std::vector<std::uint32_t> label_rows;
  std::uint64_t line = 0;  // 1-based, for messages
  std::uint64_t row = 0;   // 0-based document number in the file, bad rows counted
};

struct LabelRow {
  std::string key;
  std::string name;
  std::string text;
  std::uint64_t line = 0;
  std::uint64_t row = 0;  // what label_rows refer to
};

// Streams one file of a corpus, plain or gzip, in memory bounded by `max_line_bytes`. A bad row
// throws kInvalidInput whose message begins "FILE:LINE: " and says what to do; the reader stands
// behind it then, so that a caller may tolerate it and go on. A damaged stream (truncated gzip, a
// count that contradicts the header) is kCorrupt and final. One caller.
class CorpusReader {
 public:
  virtual ~CorpusReader() = default;
  // False at the end.
  virtual bool next_document(CorpusRow& row) = 0;
  // Bytes of the file consumed and in all, for progress (compressed bytes where it is compressed).
  virtual std::uint64_t bytes_read() const = 0;
  virtual std::uint64_t bytes_total() const = 0;
  // Of the xmc header, 0 for other formats.
  virtual std::uint64_t declared_labels() const { return 0; }
  virtual std::uint64_t declared_features() const { return 0; }
};

// Streams a label file; errors as above.
class LabelReader {
 public:
  virtual ~LabelReader() = default;
  virtual bool next_label(LabelRow& row) = 0;
};

struct ReaderOptions {
  std::string format =
      "auto";  // a row of corpus_formats(), or auto: recognised by name and first line
  std::uint64_t max_line_bytes = 16u << 20;
};

struct CorpusFormat {
  std::string_view name;
  std::string_view summary;  // one line for help
  bool sparse = false;       // texts are "feature:value ..." (TextKind::kSparse)
  bool labels_by_row = false;
};

const std::vector<CorpusFormat>& corpus_formats();
// kInvalidInput names the known formats and the nearest one.
const CorpusFormat& find_format(std::string_view name);
// Resolves "auto" by looking at the file's name and first line; kInvalidInput where it cannot tell.
const CorpusFormat& recognise_format(const std::filesystem::path& file);

std::unique_ptr<CorpusReader> open_corpus(const std::filesystem::path& file,
                                          const ReaderOptions& options);
std::unique_ptr<LabelReader> open_labels(const std::filesystem::path& file,
                                         const ReaderOptions& options);

}  // namespace dexter
