#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/answer_page.h"
#include "engine/http_client.h"
#include "engine/retrieval_engine.h"
#include "storage/types.h"

namespace dexter {

// What is asked of each text.
struct LabelQuery {
  int k = 5;
  AnswerPage page;
  std::vector<std::string> only;  // keys; empty: every label
  AnswerOptions answer;
  // Of what is searched.
  int wanted() const { return k + static_cast<int>(page.offset); }
};

// Why an answer may be empty, for people.
std::string why_empty(const LabelQuery& query);

// The labels of one text, best first, with the score of each.
struct LabelAnswer {
  std::vector<Label> labels;
  std::vector<float> scores;
};

// A document most alike to a text, with its labels in its own order.
struct FoundDocument {
  std::string key, text;
  float score = 0;
  std::vector<Label> labels;
};
using DocumentAnswer = std::vector<FoundDocument>;  // best first

// Who answers `dexter query`: a store that is opened here, or a server of one.
class QuerySource {
 public:
  virtual ~QuerySource() = default;
  virtual std::vector<LabelAnswer> answer(std::span<const std::string> texts) = 0;
  // kNotFound, or kInvalidInput of a server, where no documents are indexed.
  virtual std::vector<DocumentAnswer> documents(std::span<const std::string> texts) = 0;
  virtual std::uint64_t label_count() = 0;
};

// `device` and errors: as RetrievalEngine::open, and ids_of.
std::unique_ptr<QuerySource> open_store(const std::filesystem::path& store,
                                        const DeviceOptions& device, LabelQuery query);
// Reads labels without their texts. Errors: as HttpClient::ask, here and in every answer.
std::unique_ptr<QuerySource> connect_to_server(const ServerUrl& url, ClientOptions options,
                                               LabelQuery query);

}  // namespace dexter
