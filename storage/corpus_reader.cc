// The table of corpus formats, and telling them apart.
#include "storage/corpus_reader.h"

#include <algorithm>
#include <numeric>

#include <spdlog/fmt/fmt.h>

#include "storage/annif_format.h"
#include "storage/error.h"
#include "storage/json_row.h"
#include "storage/jsonl_format.h"
#include "storage/lf_xmc_format.h"
#include "storage/line_reader.h"
#include "storage/xmc_format.h"

namespace dexter {
namespace {

struct Row {
  CorpusFormat format;
  std::unique_ptr<CorpusReader> (*open_documents)(LineReader);
  std::unique_ptr<LabelReader> (*open_labels)(LineReader);
};

const Row kRows[] = {
    {{"jsonl",
      "one {\"id\", \"text\", \"labels\"} object a line; labels file {\"id\", \"name\", "
      "\"text\"}",
      false, false},
     &open_jsonl_documents,
     &open_jsonl_labels},
    {{"lf-xmc",
      "trn/tst/lbl.json of the LF data sets: {\"uid\", \"title\", \"content\", "
      "\"target_ind\"}",
      false, true},
     &open_lf_xmc_documents,
     &open_lf_xmc_labels},
    {{"xmc",
      "the Extreme Classification repository's sparse text: N D L, then labels "
      "feature:value",
      true, true},
     &open_xmc_documents,
     &open_xmc_labels},
    {{"annif", "tab-separated text and <subject URIs>, with a tab-separated vocabulary", false,
      false},
     &open_annif_documents,
     &open_annif_labels},
};

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

const Row& find_row(std::string_view name) {
  const auto found = std::ranges::find(kRows, name, [](const Row& row) { return row.format.name; });
  if (found != std::end(kRows)) return *found;
  const auto nearest = std::ranges::min_element(
      kRows, {}, [&](const Row& row) { return edit_distance(name, row.format.name); });
  std::string known;
  for (const Row& row : kRows)
    known += fmt::format("{}{}", known.empty() ? "" : ", ", row.format.name);
  throw Error(ErrorKind::kInvalidInput,
              fmt::format("there is no corpus format \"{}\"; did you mean {}? Known formats: {}",
                          name, nearest->format.name, known));
}

// The name of the format of which `line` may be the first; empty where there is none.
std::string_view format_of(std::string_view line, const LineReader& lines) {
  if (line.starts_with('{')) {
    JsonRow json(lines);
    json.parse(line);
    if (json.has("target_ind")) return "lf-xmc";
    return json.has("text") && json.has("id") ? "jsonl" : "";
  }
  if (is_xmc_header(line)) return "xmc";
  return line.find('\t') != std::string_view::npos ? "annif" : "";
}

}  // namespace

const std::vector<CorpusFormat>& corpus_formats() {
  static const std::vector<CorpusFormat> formats = [] {
    std::vector<CorpusFormat> result;
    for (const Row& row : kRows) result.push_back(row.format);
    return result;
  }();
  return formats;
}

const CorpusFormat& find_format(std::string_view name) { return find_row(name).format; }

const CorpusFormat& recognise_format(const std::filesystem::path& file) {
  LineReader lines(file, ReaderOptions{}.max_line_bytes);
  ensure(lines.bytes_total() > 0, ErrorKind::kInvalidInput,
         fmt::format("recognising {}: it is empty or not a regular file; name its format",
                     file.string()));
  std::string_view line;
  const std::string_view name = lines.next(line) ? format_of(line, lines) : "";
  if (name.empty())
    throw Error(ErrorKind::kInvalidInput,
                fmt::format("recognising {}: its first line, \"{}\", fits no format; name one of "
                            "jsonl, lf-xmc, xmc, annif",
                            file.string(), line.substr(0, 60)));
  return find_format(name);
}

std::unique_ptr<CorpusReader> open_corpus(const std::filesystem::path& file,
                                          const ReaderOptions& options) {
  const Row& row = find_row(options.format == "auto" ? recognise_format(file).name
                                                     : std::string_view(options.format));
  return row.open_documents(LineReader(file, options.max_line_bytes));
}

std::unique_ptr<LabelReader> open_labels(const std::filesystem::path& file,
                                         const ReaderOptions& options) {
  ensure(options.format != "auto", ErrorKind::kInvalidInput,
         fmt::format("opening {}: a label file does not tell its format; name the corpus's",
                     file.string()));
  return find_row(options.format).open_labels(LineReader(file, options.max_line_bytes));
}

}  // namespace dexter
