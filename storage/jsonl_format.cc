// {"id", "text", "labels"} lines.
#include "storage/jsonl_format.h"

#include <algorithm>

#include "storage/json_row.h"

namespace dexter {
namespace {

std::string required_id(const JsonRow& json, const LineReader& lines) {
  std::string id = json.key("id");
  if (id.empty()) lines.fail("\"id\" is missing; give every row a unique id");
  return id;
}

class JsonlCorpusReader : public LineCorpusReader {
 public:
  using LineCorpusReader::LineCorpusReader;

  bool next_document(CorpusRow& row) override {
    std::string_view line;
    if (!lines_.next(line)) return false;
    json_.parse(line);
    row.key = required_id(json_, lines_);
    row.text = json_.text("text");
    if (is_blank(row.text)) lines_.fail("\"text\" is empty; give the document a text");
    json_.keys("labels", row.label_keys);
    row.label_rows.clear();
    row.line = lines_.line();
    row.row = row.line - 1;
    return true;
  }

 private:
  JsonRow json_{lines_};
};

class JsonlLabelReader : public LabelReader {
 public:
  explicit JsonlLabelReader(LineReader lines) : lines_(std::move(lines)) {}

  bool next_label(LabelRow& row) override {
    std::string_view line;
    if (!lines_.next(line)) return false;
    json_.parse(line);
    row = label_of_key(required_id(json_, lines_));
    if (json_.has("name")) row.text = row.name = json_.text("name");
    if (json_.has("text")) row.text = json_.text("text");
    if (is_blank(row.name)) lines_.fail("\"name\" is empty; give the label a name");
    if (is_blank(row.text)) lines_.fail("\"text\" is empty; describe the label");
    row.line = lines_.line();
    row.row = row.line - 1;
    return true;
  }

 private:
  LineReader lines_;
  JsonRow json_{lines_};
};

}  // namespace

std::unique_ptr<CorpusReader> open_jsonl_documents(LineReader lines) {
  return std::make_unique<JsonlCorpusReader>(std::move(lines));
}

std::unique_ptr<LabelReader> open_jsonl_labels(LineReader lines) {
  return std::make_unique<JsonlLabelReader>(std::move(lines));
}

LabelRow label_of_key(std::string_view key) {
  LabelRow row;
  row.key = key;
  row.name = key;
  std::replace(row.name.begin(), row.name.end(), '_', ' ');
  if (is_blank(row.name)) row.name = key;
  row.text = row.name;
  return row;
}

}  // namespace dexter
