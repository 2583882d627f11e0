#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "encoders/encoder.h"
#include "engine/live_store.h"

namespace dexter::testing {

// Vectors of labels and texts, each encoded once.
class VectorTable {
 public:
  const std::vector<float>& label(const Encoder& encoder, const std::string& key,
                                  const std::string& text);
  const std::vector<float>& document(const Encoder& encoder, const std::string& text);

 private:
  std::map<std::pair<std::string, std::string>, std::vector<float>> labels_;  // by key and text
  std::map<std::string, std::vector<float>> documents_;
};

// What a living store ought to hold and answer, by definition: a map of labels and one of
// documents, searched by scoring each. Copies are states of it at other moments.
class LiveOracle {
 public:
  struct LabelEntry {
    std::string name, text;
    std::uint64_t birth = 0;  // a removed label that is added again is another one
    bool operator==(const LabelEntry&) const = default;
  };
  struct DocumentEntry {
    std::string text;
    std::set<std::pair<std::string, std::uint64_t>> labels;  // key and birth
    bool operator==(const DocumentEntry&) const = default;
  };

  // As the store is when its test begins, which is taken on trust.
  LiveOracle(const LiveStore& store, VectorTable& vectors);

  // The number of keys that were there before, as the store tells.
  std::uint64_t put_labels(const std::vector<Label>& labels);
  std::uint64_t remove_labels(const std::vector<std::string>& keys);
  std::uint64_t put_documents(const std::vector<LiveStore::Document>& documents);
  std::uint64_t remove_documents(const std::vector<std::string>& keys);

  const std::map<std::string, LabelEntry>& labels() const { return labels_; }
  const std::map<std::string, DocumentEntry>& documents() const { return documents_; }
  // The keys of a document's labels that are there now, in order.
  std::vector<std::string> labels_of(const DocumentEntry& document) const;

  // Whether these are the labels and documents by their records alone, as at opening.
  bool is_held_by(const Catalog& catalog) const;

  // Each fails the test where an answer of `engine` is not the one by definition.
  void check_labels(const RetrievalEngine& engine, const std::string& text, int k) const;
  void check_filtered(const RetrievalEngine& engine, const std::string& text,
                      const std::vector<std::string>& keys) const;
  void check_documents(const RetrievalEngine& engine, const std::string& text, int k) const;
  // Answers with votes: present labels, each once, none below its own score.
  void check_votes(const RetrievalEngine& engine, const std::string& text, int k) const;
  // Every record and every answer to `text`.
  void check_all(LiveStore& store, const std::string& text) const;

 private:
  bool has_labels_of(const RetrievalEngine& engine) const;
  std::vector<double> best_scores(const RetrievalEngine& engine, const std::vector<float>& query,
                                  const std::vector<std::string>& keys, std::size_t k) const;
  void expect_ranking(const RetrievalEngine& engine, const LabelRanking& ranking,
                      const std::vector<float>& query, const std::vector<double>& expected) const;

  VectorTable* vectors_;
  std::map<std::string, LabelEntry> labels_;
  std::map<std::string, DocumentEntry> documents_;
  std::uint64_t births_ = 0;
};

}  // namespace dexter::testing
