// The living store by definition, and comparisons with it.
#include "tests/engine/live_oracle.h"

#include <algorithm>
#include <optional>
#include <span>

#include <gtest/gtest.h>

#include "engine/retrieval_engine.h"

namespace dexter::testing {
namespace {

constexpr double kTolerance = 1e-5;
constexpr int kAll = 1 << 20;

double product(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t d = 0; d < a.size(); ++d) sum += double{a[d]} * b[d];
  return sum;
}

std::vector<float> row_of(const EmbeddingMatrix& matrix) {
  const std::span<const float> row = matrix.row(0);
  return {row.begin(), row.end()};
}

EmbeddingView view_of(const std::vector<float>& query) {
  return EmbeddingView(query.data(), 1, static_cast<int>(query.size()));
}

std::vector<double> best_of(std::vector<double> scores, std::size_t k) {
  const std::size_t kept = std::min(scores.size(), k);
  std::partial_sort(scores.begin(), scores.begin() + static_cast<std::ptrdiff_t>(kept),
                    scores.end(), std::greater<>());
  scores.resize(kept);
  return scores;
}

template <class Ranking>
bool is_in_order(const Ranking& ranking) {
  return std::is_sorted(ranking.begin(), ranking.end(), [](const auto& a, const auto& b) {
    return a.score != b.score ? a.score > b.score : a.id < b.id;
  });
}

}  // namespace

const std::vector<float>& VectorTable::label(const Encoder& encoder, const std::string& key,
                                             const std::string& text) {
  const auto found = labels_.find({key, text});
  if (found != labels_.end()) return found->second;
  const std::vector<Label> one = {{LabelId{}, key, "name", text}};
  return labels_[{key, text}] = row_of(encoder.encode_labels(one));
}

const std::vector<float>& VectorTable::document(const Encoder& encoder, const std::string& text) {
  const auto found = documents_.find(text);
  if (found != documents_.end()) return found->second;
  const std::vector<std::string> one = {text};
  return documents_[text] = row_of(encoder.encode(one));
}

LiveOracle::LiveOracle(const LiveStore& store, VectorTable& vectors) : vectors_(&vectors) {
  std::map<LabelId, std::string> keys;
  const Catalog& catalog = store.engine()->catalog();
  catalog.scan_labels([&](Label&& label) {
    keys[label.id] = label.key;
    labels_[label.key] = {label.name, label.text, births_++};
  });
  catalog.scan_documents([&](Example&& example) {
    DocumentEntry& entry = documents_[example.key];
    entry.text = example.text;
    for (const LabelId id : example.labels)
      entry.labels.emplace(keys.at(id), labels_.at(keys.at(id)).birth);
  });
}

std::uint64_t LiveOracle::put_labels(const std::vector<Label>& labels) {
  std::uint64_t known = 0;
  for (const Label& label : labels) {
    const auto [entry, added] = labels_.try_emplace(label.key);
    if (added) entry->second.birth = births_++;
    known += added ? 0 : 1;
    entry->second.name = label.name;
    entry->second.text = label.text;
  }
  return known;
}

std::uint64_t LiveOracle::remove_labels(const std::vector<std::string>& keys) {
  std::uint64_t removed = 0;
  for (const std::string& key : keys) removed += labels_.erase(key);
  return removed;
}

std::uint64_t LiveOracle::put_documents(const std::vector<LiveStore::Document>& documents) {
  std::uint64_t known = 0;
  for (const LiveStore::Document& document : documents) {
    DocumentEntry entry{document.text, {}};
    for (const std::string& key : document.labels) entry.labels.emplace(key, labels_.at(key).birth);
    known += documents_.insert_or_assign(document.key, std::move(entry)).second ? 0 : 1;
  }
  return known;
}

std::uint64_t LiveOracle::remove_documents(const std::vector<std::string>& keys) {
  std::uint64_t removed = 0;
  for (const std::string& key : keys) removed += documents_.erase(key);
  return removed;
}

std::vector<std::string> LiveOracle::labels_of(const DocumentEntry& document) const {
  std::vector<std::string> keys;
  for (const auto& [key, birth] : document.labels) {
    const auto label = labels_.find(key);
    if (label != labels_.end() && label->second.birth == birth) keys.push_back(key);
  }
  return keys;
}

bool LiveOracle::has_labels_of(const RetrievalEngine& engine) const {
  std::map<std::string, std::pair<std::string, std::string>> held, wanted;
  engine.scan_labels(std::nullopt, [&](Label&& label) {
    held[label.key] = {label.name, label.text};
    return true;
  });
  for (const auto& [key, entry] : labels_) wanted[key] = {entry.name, entry.text};
  return held == wanted;
}

bool LiveOracle::is_held_by(const Catalog& catalog) const {
  std::map<std::string, std::pair<std::string, std::string>> labels, wanted_labels;
  std::map<LabelId, std::string> keys;
  catalog.scan_labels([&](Label&& label) {
    keys[label.id] = label.key;
    labels[label.key] = {label.name, label.text};
  });
  for (const auto& [key, entry] : labels_) wanted_labels[key] = {entry.name, entry.text};
  std::map<std::string, std::pair<std::string, std::vector<std::string>>> documents, wanted;
  catalog.scan_documents([&](Example&& example) {
    auto& [text, present] = documents[example.key];
    text = example.text;
    for (const LabelId id : example.labels)
      if (keys.contains(id)) present.push_back(keys[id]);
    std::sort(present.begin(), present.end());
  });
  for (const auto& [key, entry] : documents_) wanted[key] = {entry.text, labels_of(entry)};
  return labels == wanted_labels && documents == wanted;
}

std::vector<double> LiveOracle::best_scores(const RetrievalEngine& engine,
                                            const std::vector<float>& query,
                                            const std::vector<std::string>& keys,
                                            std::size_t k) const {
  std::vector<double> scores;
  for (const std::string& key : keys)
    scores.push_back(product(query, vectors_->label(engine.encoder(), key, labels_.at(key).text)));
  return best_of(std::move(scores), k);
}

void LiveOracle::expect_ranking(const RetrievalEngine& engine, const LabelRanking& ranking,
                                const std::vector<float>& query,
                                const std::vector<double>& expected) const {
  const std::vector<Label> answers = engine.labels(ranking);
  ASSERT_EQ(answers.size(), expected.size());
  EXPECT_TRUE(is_in_order(ranking));
  std::set<std::string> keys;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const auto entry = labels_.find(answers[i].key);
    ASSERT_TRUE(entry != labels_.end() && keys.insert(answers[i].key).second) << answers[i].key;
    EXPECT_EQ(answers[i].name, entry->second.name);
    EXPECT_EQ(answers[i].text, entry->second.text);
    EXPECT_NEAR(ranking[i].score, expected[i], kTolerance);
    const std::vector<float>& vector =
        vectors_->label(engine.encoder(), entry->first, entry->second.text);
    EXPECT_NEAR(ranking[i].score, product(query, vector), kTolerance);
  }
}

void LiveOracle::check_labels(const RetrievalEngine& engine, const std::string& text, int k) const {
  const std::vector<float>& query = vectors_->document(engine.encoder(), text);
  std::vector<std::string> keys;
  for (const auto& [key, entry] : labels_) keys.push_back(key);
  const auto expected = best_scores(engine, query, keys, static_cast<std::size_t>(k));
  expect_ranking(engine, engine.rank(view_of(query), k).at(0), query, expected);
  EXPECT_EQ(engine.label_count(), labels_.size());
}

void LiveOracle::check_filtered(const RetrievalEngine& engine, const std::string& text,
                                const std::vector<std::string>& keys) const {
  const std::vector<float>& query = vectors_->document(engine.encoder(), text);
  const auto expected = best_scores(engine, query, keys, keys.size());
  const LabelRanking ranking =
      engine.rank(view_of(query), static_cast<int>(keys.size()) + 3, {.only = engine.ids_of(keys)})
          .at(0);
  expect_ranking(engine, ranking, query, expected);
}

void LiveOracle::check_documents(const RetrievalEngine& engine, const std::string& text,
                                 int k) const {
  const std::vector<float>& query = vectors_->document(engine.encoder(), text);
  std::vector<double> expected;
  for (const auto& [key, entry] : documents_)
    expected.push_back(product(query, vectors_->document(engine.encoder(), entry.text)));
  expected = best_of(std::move(expected), static_cast<std::size_t>(k));
  const DocumentRanking ranking = engine.nearest_documents(view_of(query), k).at(0);
  const std::vector<Example> answers = engine.documents(ranking);
  ASSERT_EQ(answers.size(), expected.size());
  EXPECT_TRUE(is_in_order(ranking));
  std::set<std::string> seen;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const auto entry = documents_.find(answers[i].key);
    ASSERT_TRUE(entry != documents_.end() && seen.insert(answers[i].key).second) << answers[i].key;
    EXPECT_EQ(answers[i].text, entry->second.text);
    EXPECT_NEAR(ranking[i].score, expected[i], kTolerance);
    LabelRanking ids;
    for (const LabelId id : answers[i].labels) ids.push_back({id, 0});
    std::vector<std::string> keys;
    for (const Label& label : engine.labels(ids)) keys.push_back(label.key);
    std::sort(keys.begin(), keys.end());
    EXPECT_EQ(keys, labels_of(entry->second)) << answers[i].key;
  }
}

void LiveOracle::check_votes(const RetrievalEngine& engine, const std::string& text, int k) const {
  const std::vector<std::string> texts = {text};
  const std::vector<float>& query = vectors_->document(engine.encoder(), text);
  const LabelRanking ranking = engine.answer(texts, k, {.memory = Memory::kOn}).at(0);
  const std::vector<Label> answers = engine.labels(ranking);
  ASSERT_EQ(answers.size(), std::min<std::size_t>(labels_.size(), static_cast<std::size_t>(k)));
  std::set<std::string> seen;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const auto entry = labels_.find(answers[i].key);
    ASSERT_TRUE(entry != labels_.end() && seen.insert(answers[i].key).second) << answers[i].key;
    const std::vector<float>& vector =
        vectors_->label(engine.encoder(), entry->first, entry->second.text);
    EXPECT_GE(ranking[i].score, product(query, vector) - kTolerance);
  }
}

void LiveOracle::check_all(LiveStore& store, const std::string& text) const {
  const auto engine = store.engine();
  EXPECT_TRUE(has_labels_of(*engine));
  check_labels(*engine, text, kAll);
  check_documents(*engine, text, kAll);
  for (const auto& [key, entry] : labels_) {
    const std::optional<Label> found = store.find_label(key);
    ASSERT_TRUE(found) << key;
    EXPECT_EQ(found->name, entry.name);
  }
  for (const auto& [key, entry] : documents_) {
    std::optional<LiveStore::Document> found = store.find_document(key);
    ASSERT_TRUE(found) << key;
    EXPECT_EQ(found->text, entry.text);
    std::sort(found->labels.begin(), found->labels.end());
    EXPECT_EQ(found->labels, labels_of(entry)) << key;
  }
}

}  // namespace dexter::testing
