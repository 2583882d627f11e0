// dexter query --space documents: the documents most alike to a text.
#include "tools/query_documents.h"

#include <algorithm>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "tools/figures.h"
#include "tools/json_output.h"

namespace dexter {
namespace {

// The labels of a document in its order.
std::vector<Label> labels_of(const RetrievalEngine& engine, const Example& document) {
  LabelRanking ranking;
  for (const LabelId id : document.labels) ranking.push_back({id, 0});
  return engine.labels(ranking);
}

std::string json_answer(const RetrievalEngine& engine, const std::string& text,
                        const DocumentRanking& ranking) {
  const std::vector<Example> documents = engine.documents(ranking);
  boost::json::array answers;
  for (std::size_t i = 0; i < documents.size(); ++i) {
    boost::json::array labels;
    for (const Label& label : labels_of(engine, documents[i]))
      labels.push_back({{"key", label.key}, {"name", label.name}});
    answers.push_back({{"key", documents[i].key},
                       {"text", documents[i].text},
                       {"score", rounded(ranking[i].score)},
                       {"labels", std::move(labels)}});
  }
  return json_line({{"text", text}, {"documents", std::move(answers)}});
}

// The text, then a document: score, text, key, and below it the names of its labels.
std::string readable_answer(const RetrievalEngine& engine, const std::string& text,
                            const DocumentRanking& ranking, const LabelQuery& query) {
  std::string out = text + '\n';
  if (ranking.empty()) return out + "  no document: " + why_empty(query) + "\n\n";
  const std::vector<Example> documents = engine.documents(ranking);
  Table table("><<");
  for (std::size_t i = 0; i < documents.size(); ++i) {
    std::string names;
    for (const Label& label : labels_of(engine, documents[i]))
      names += (names.empty() ? "" : ", ") + label.name;
    table.row({fmt::format("{:.3f}", ranking[i].score), documents[i].text, documents[i].key});
    table.row({"", names, ""});
  }
  return out + table.text() + '\n';
}

}  // namespace

void print_documents(Context& context, const RetrievalEngine& engine,
                     std::span<const std::string> texts, const LabelQuery& query) {
  auto rankings =
      engine.nearest_documents(engine.encode(texts), query.wanted(), query.answer.search);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    query.page.cut(rankings[i]);
    context.terminal.print(context.json ? json_answer(engine, texts[i], rankings[i])
                                        : readable_answer(engine, texts[i], rankings[i], query));
  }
}

}  // namespace dexter
