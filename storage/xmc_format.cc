// "N D L", then "label,label feature:value feature:value" lines.
#include "storage/xmc_format.h"

#include <array>
#include <charconv>
#include <cmath>
#include <optional>

#include <spdlog/fmt/fmt.h>

namespace dexter {
namespace {

constexpr std::string_view kSpaces = " \t";
// Beyond any data set there is, and a damaged header must not ask for more labels than a disk
// holds.
constexpr std::uint64_t kMaxLabels = 100'000'000;

template <class Number>
bool parse(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

// Takes the next word off the front of `rest`; empty at the end.
std::string_view take_word(std::string_view& rest) {
  rest.remove_prefix(std::min(rest.find_first_not_of(kSpaces), rest.size()));
  const std::string_view word = rest.substr(0, rest.find_first_of(kSpaces));
  rest.remove_prefix(word.size());
  return word;
}

// Documents, features, labels.
std::optional<std::array<std::uint64_t, 3>> parse_header(std::string_view line) {
  std::array<std::uint64_t, 3> counts{};
  for (std::uint64_t& count : counts)
    if (!parse(take_word(line), count)) return std::nullopt;
  if (!take_word(line).empty()) return std::nullopt;
  return counts;
}

class XmcCorpusReader : public LineCorpusReader {
 public:
  explicit XmcCorpusReader(LineReader lines) : LineCorpusReader(std::move(lines)) {
    std::string_view line;
    if (!lines_.next(line)) lines_.fail_file("the file is empty; an xmc file starts with a header");
    const auto counts = parse_header(line);
    if (!counts) lines_.fail("the header must be three numbers: documents, features and labels");
    documents_ = (*counts)[0];
    features_ = (*counts)[1];
    labels_ = (*counts)[2];
    if (labels_ > kMaxLabels)
      lines_.fail(fmt::format("the header declares {} labels, more than the {} that dexter takes",
                              labels_, kMaxLabels));
  }

  bool next_document(CorpusRow& row) override;
  std::uint64_t declared_labels() const override { return labels_; }
  std::uint64_t declared_features() const override { return features_; }

 private:
  void read_labels(std::string_view text, std::vector<std::uint32_t>& out) const;
  void read_features(std::string_view rest, std::string& out) const;

  std::uint64_t documents_ = 0;
  std::uint64_t features_ = 0;
  std::uint64_t labels_ = 0;
  std::uint64_t rows_ = 0;
};

bool XmcCorpusReader::next_document(CorpusRow& row) {
  row.row = rows_;
  ++rows_;  // also where the line is bad
  std::string_view line;
  const bool found = lines_.next(line);
  if (found != (rows_ <= documents_))
    lines_.fail_file(
        fmt::format("the header declares {} documents but the file has {}; fetch the "
                    "file again or mend its header",
                    documents_, found ? "more" : std::to_string(rows_ - 1)));
  if (!found) return false;
  row.line = lines_.line();
  row.key = std::to_string(row.row);
  const std::string_view labels = line.substr(0, line.find_first_of(kSpaces));
  row.label_keys.clear();
  read_labels(labels, row.label_rows);
  read_features(line.substr(labels.size()), row.text);
  return true;
}

void XmcCorpusReader::read_labels(std::string_view text, std::vector<std::uint32_t>& out) const {
  out.clear();
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(','));
    std::uint32_t label = 0;
    if (!parse(word, label))
      lines_.fail(
          fmt::format("\"{}\" is not a label number; a row without labels starts with a "
                      "space",
                      word));
    if (label >= labels_)
      lines_.fail(
          fmt::format("label {} is out of range: the header declares {} labels, counted "
                      "from 0",
                      label, labels_));
    out.push_back(label);
    text.remove_prefix(word.size());
    if (text == ",") lines_.fail("the label list ends with a comma; remove it");
    if (!text.empty()) text.remove_prefix(1);
  }
}

void XmcCorpusReader::read_features(std::string_view rest, std::string& out) const {
  out.clear();
  for (auto word = take_word(rest); !word.empty(); word = take_word(rest)) {
    const std::size_t colon = std::min(word.find(':'), word.size() - 1);
    std::uint64_t feature = 0;
    double number = 0;  // a float's small values are out of range for from_chars<float>
    if (!parse(word.substr(0, colon), feature) || !parse(word.substr(colon + 1), number) ||
        !std::isfinite(static_cast<float>(number)))
      lines_.fail(fmt::format("\"{}\" is not feature:value with a finite value", word));
    if (feature >= features_)
      lines_.fail(
          fmt::format("feature {} is out of range: the header declares {} features, "
                      "counted from 0",
                      feature, features_));
    if (!out.empty()) out += ' ';
    out += word;
  }
  if (out.empty()) lines_.fail("the document has no features; remove it or give it one");
}

class XmcLabelReader : public LabelReader {
 public:
  explicit XmcLabelReader(LineReader lines) : lines_(std::move(lines)) {}

  bool next_label(LabelRow& row) override {
    std::string_view line;
    if (!lines_.next(line)) return false;
    if (is_blank(line)) lines_.fail("the label's name is blank; give it one");
    row.line = lines_.line();
    row.row = row.line - 1;
    row.key = std::to_string(row.row);
    row.name = line;
    row.text.clear();
    return true;
  }

 private:
  LineReader lines_;
};

}  // namespace

std::unique_ptr<CorpusReader> open_xmc_documents(LineReader lines) {
  return std::make_unique<XmcCorpusReader>(std::move(lines));
}

std::unique_ptr<LabelReader> open_xmc_labels(LineReader lines) {
  return std::make_unique<XmcLabelReader>(std::move(lines));
}

bool is_xmc_header(std::string_view line) { return parse_header(line).has_value(); }

}  // namespace dexter
