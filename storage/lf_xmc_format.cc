// {"uid", "title", "content", "target_ind"} lines.
#include "storage/lf_xmc_format.h"

#include "storage/json_row.h"

namespace dexter {
namespace {

std::string uid_or_row(const JsonRow& json, std::uint64_t row) {
  std::string uid = json.key("uid");
  return uid.empty() ? std::to_string(row) : uid;
}

void read_text(const JsonRow& json, const LineReader& lines, std::string& text) {
  const std::string_view title = json.text("title");
  const std::string_view content = json.text("content");
  text = title;
  if (!is_blank(title) && !content.empty()) text += ' ';
  text += content;
  if (is_blank(text)) lines.fail("\"title\" and \"content\" are both empty; give one a text");
}

class LfXmcCorpusReader : public LineCorpusReader {
 public:
  using LineCorpusReader::LineCorpusReader;

  bool next_document(CorpusRow& row) override {
    std::string_view line;
    if (!lines_.next(line)) return false;
    row.line = lines_.line();
    row.row = row.line - 1;
    json_.parse(line);
    row.key = uid_or_row(json_, row.row);
    read_text(json_, lines_, row.text);
    json_.rows("target_ind", row.label_rows);
    row.label_keys.clear();
    return true;
  }

 private:
  JsonRow json_{lines_};
};

class LfXmcLabelReader : public LabelReader {
 public:
  explicit LfXmcLabelReader(LineReader lines) : lines_(std::move(lines)) {}

  bool next_label(LabelRow& row) override {
    std::string_view line;
    if (!lines_.next(line)) return false;
    row.line = lines_.line();
    row.row = row.line - 1;
    json_.parse(line);
    row.key = uid_or_row(json_, row.row);
    read_text(json_, lines_, row.text);
    row.name = json_.text("title");
    if (is_blank(row.name)) row.name = row.text;
    return true;
  }

 private:
  LineReader lines_;
  JsonRow json_{lines_};
};

}  // namespace

std::unique_ptr<CorpusReader> open_lf_xmc_documents(LineReader lines) {
  return std::make_unique<LfXmcCorpusReader>(std::move(lines));
}

std::unique_ptr<LabelReader> open_lf_xmc_labels(LineReader lines) {
  return std::make_unique<LfXmcLabelReader>(std::move(lines));
}

}  // namespace dexter
