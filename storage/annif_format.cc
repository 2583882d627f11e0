// "text<tab><uri> <uri>" lines.
#include "storage/annif_format.h"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

namespace dexter {
namespace {

// Without angle brackets; fails where only one of them is there, or nothing between.
std::string_view bare_uri(std::string_view text, const LineReader& lines) {
  const bool opened = text.starts_with('<');
  if (opened != text.ends_with('>'))
    lines.fail(fmt::format("\"{}\" lacks an angle bracket; write <URI>", text));
  const std::string_view uri = opened && text.size() >= 2 ? text.substr(1, text.size() - 2) : text;
  if (is_blank(uri) || uri.find_first_of("<> ") != std::string_view::npos)
    lines.fail(fmt::format("\"{}\" is not a URI; write <URI>, spaces between several", text));
  return uri;
}

class AnnifCorpusReader : public LineCorpusReader {
 public:
  using LineCorpusReader::LineCorpusReader;

  bool next_document(CorpusRow& row) override {
    std::string_view line;
    if (!lines_.next(line)) return false;
    row.line = lines_.line();
    row.row = row.line - 1;
    const std::size_t tab = line.find('\t');
    if (tab == std::string_view::npos)
      lines_.fail("there is no tab; write the text, a tab, and the URIs of its labels");
    row.key = std::to_string(row.row);
    row.text = line.substr(0, tab);
    if (is_blank(row.text)) lines_.fail("the text before the tab is empty; give the document one");
    row.label_rows.clear();
    row.label_keys.clear();
    for (std::string_view rest = line.substr(tab + 1);;) {
      rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
      const std::string_view word = rest.substr(0, rest.find_first_of(" \t"));
      if (word.empty()) return true;
      row.label_keys.emplace_back(bare_uri(word, lines_));
      rest.remove_prefix(word.size());
    }
  }
};

class AnnifLabelReader : public LabelReader {
 public:
  explicit AnnifLabelReader(LineReader lines) : lines_(std::move(lines)) {}

  bool next_label(LabelRow& row) override {
    std::string_view line;
    if (!lines_.next(line)) return false;
    row.line = lines_.line();
    row.row = row.line - 1;
    const std::size_t tab = line.find('\t');
    if (tab == std::string_view::npos)
      lines_.fail("there is no tab; write <URI>, a tab, and the label");
    row.key = bare_uri(line.substr(0, tab), lines_);
    const std::string_view rest = line.substr(tab + 1);
    row.name = rest.substr(0, rest.find('\t'));
    if (is_blank(row.name)) lines_.fail("the label behind the tab is empty; give it a name");
    row.text = row.name;
    return true;
  }

 private:
  LineReader lines_;
};

}  // namespace

std::unique_ptr<CorpusReader> open_annif_documents(LineReader lines) {
  return std::make_unique<AnnifCorpusReader>(std::move(lines));
}

std::unique_ptr<LabelReader> open_annif_labels(LineReader lines) {
  return std::make_unique<AnnifLabelReader>(std::move(lines));
}

}  // namespace dexter
