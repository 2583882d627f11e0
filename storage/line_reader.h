#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "storage/corpus_reader.h"

namespace dexter {

// The offset of the first byte of `text` that is not UTF-8 (overlong forms and surrogates are not),
// or std::string_view::npos where all of it is.
std::size_t find_invalid_utf8(std::string_view text);

// Whether `text` has nothing but ASCII white space.
bool is_blank(std::string_view text);

// Streams the lines of a text file, plain or gzip (told by its first bytes; several gzip members
// one after the other count as one file). Memory stays below max_line_bytes + 1 MiB whatever the
// file holds: a longer line is passed over unread. Errors: kNotFound where there is no such file;
// kInvalidInput for a folder; kIo where the system refuses; kCorrupt, final, for a gzip stream that
// is damaged, ends early, has other bytes behind it, or a file named .gz that is none. One caller.
class LineReader {
 public:
  LineReader(const std::filesystem::path& file, std::uint64_t max_line_bytes);
  ~LineReader();
  LineReader(LineReader&&) noexcept;
  LineReader& operator=(LineReader&&) noexcept;

  // The next line without its end (LF or CRLF; the last one may lack it) and, in line 1, without a
  // byte order mark. False at the end. The view is valid until the next call. Throws kInvalidInput
  // for a line that is longer than max_line_bytes, empty, not UTF-8 or has a NUL byte, and stands
  // behind it then.
  bool next(std::string_view& line);

  // 1-based number of the line last read, 0 before the first.
  std::uint64_t line() const;
  // Bytes of the file read and in all; compressed bytes of a gzip file. The total is 0 for a pipe.
  std::uint64_t bytes_read() const;
  std::uint64_t bytes_total() const;

  // Throws "FILE:LINE: what" for the line last read.
  [[noreturn]] void fail(std::string_view what) const;
  // Throws kCorrupt "FILE: what".
  [[noreturn]] void fail_file(std::string_view what) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// What the corpus readers share: they read one line per document.
class LineCorpusReader : public CorpusReader {
 public:
  explicit LineCorpusReader(LineReader lines) : lines_(std::move(lines)) {}
  std::uint64_t bytes_read() const override { return lines_.bytes_read(); }
  std::uint64_t bytes_total() const override { return lines_.bytes_total(); }

 protected:
  LineReader lines_;
};

}  // namespace dexter
