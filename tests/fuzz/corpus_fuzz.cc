// Documents and labels of every corpus format. The first byte chooses the format and the part.
#include <algorithm>

#include "storage/corpus_reader.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/corpus_files.h"
#include "tests/support/memory_file.h"
#include "tests/support/temp_dir.h"

namespace dexter::fuzz {
namespace {

constexpr std::uint64_t kMaxLine = 1 << 10;

// A reader takes no more steps than there may be lines, whatever it refuses on the way.
template <class Next>
void read_all(std::uint64_t lines, const Next& next) {
  for (std::uint64_t steps = 0;; ++steps) {
    require(steps <= lines, "a reader comes to an end");
    try {
      if (!next()) return;
    } catch (const Error& error) {
      require(error.kind() != ErrorKind::kInternal, "a refusal is not our own mistake");
      if (error.kind() == ErrorKind::kCorrupt) return;
    }
  }
}

void check(const CorpusRow& row, const CorpusFormat& format) {
  require(!row.key.empty() && !row.text.empty(), "a document has a key and a text");
  require(row.text.size() <= kMaxLine, "a text is no longer than its line");
  require(format.labels_by_row ? row.label_keys.empty() : row.label_rows.empty(),
          "labels come the way of their format");
}

void read(const std::filesystem::path& file, const CorpusFormat& format, bool labels,
          std::uint64_t lines) {
  const ReaderOptions options{.format = std::string(format.name), .max_line_bytes = kMaxLine};
  if (labels) {
    LabelRow row;
    const auto reader = open_labels(file, options);
    return read_all(lines, [&] { return reader->next_label(row); });
  }
  CorpusRow row;
  const auto reader = open_corpus(file, options);
  read_all(lines, [&] {
    if (!reader->next_document(row)) return false;
    check(row, format);
    return true;
  });
}

}  // namespace

std::vector<std::string> seeds() {
  std::vector<std::string> result;
  const testing::TempDir folder;
  for (std::size_t i = 0; i < corpus_formats().size(); ++i) {
    const tiny::Files files = tiny::write_corpus(folder.path(), corpus_formats()[i].name);
    for (const auto& [part, file] : {std::pair(0, files.test), std::pair(1, files.labels)}) {
      std::string& seed = result.emplace_back();
      seed += static_cast<char>(2 * i + static_cast<std::size_t>(part));
      seed += testing::read_bytes(file);
    }
  }
  return result;
}

void run(std::string_view input) {
  if (input.empty()) return;
  static testing::MemoryFile file;
  const auto choice = static_cast<unsigned char>(input[0]) % (2 * corpus_formats().size());
  const std::string_view text = input.substr(1);
  file.write(text);
  const auto lines = static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  const bool packed = text.starts_with("\x1F\x8B");
  // gzip makes at most 1,032 bytes of one.
  read(file.path(), corpus_formats()[choice / 2], choice % 2 == 1,
       packed ? text.size() * 1032 + 1 : lines);
}

}  // namespace dexter::fuzz
