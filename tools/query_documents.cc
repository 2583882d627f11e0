// dexter query --space documents: the documents most alike to a text.
#include "tools/query_documents.h"

#include <utility>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "tools/figures.h"
#include "tools/json_output.h"

namespace dexter {
namespace {

std::string json_answer(const std::string& text, const DocumentAnswer& answer) {
  boost::json::array documents;
  for (const FoundDocument& document : answer) {
    boost::json::array labels;
    for (const Label& label : document.labels)
      labels.push_back({{"key", label.key}, {"name", label.name}});
    documents.push_back({{"key", document.key},
                         {"text", document.text},
                         {"score", rounded(document.score)},
                         {"labels", std::move(labels)}});
  }
  return json_line({{"text", text}, {"documents", std::move(documents)}});
}

// The text, then a document: score, text, key, and below it the names of its labels.
std::string readable_answer(const std::string& text, const DocumentAnswer& answer,
                            const LabelQuery& query) {
  std::string out = text + '\n';
  if (answer.empty()) return out + "  no document: " + why_empty(query) + "\n\n";
  Table table("><<");
  for (const FoundDocument& document : answer) {
    std::string names;
    for (const Label& label : document.labels) names += (names.empty() ? "" : ", ") + label.name;
    table.row({fmt::format("{:.3f}", document.score), document.text, document.key});
    table.row({"", names, ""});
  }
  return out + table.text() + '\n';
}

}  // namespace

void print_documents(Context& context, QuerySource& source, std::span<const std::string> texts,
                     const LabelQuery& query) {
  const std::vector<DocumentAnswer> answers = source.documents(texts);
  for (std::size_t i = 0; i < texts.size(); ++i)
    context.terminal.print(context.json ? json_answer(texts[i], answers[i])
                                        : readable_answer(texts[i], answers[i], query));
  context.terminal.flush();
}

}  // namespace dexter
