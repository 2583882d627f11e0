#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/http_client.h"
#include "engine/retrieval_engine.h"
#include "storage/types.h"

namespace dexter {

// What is asked of each text.
struct LabelQuery {
  int k = 5;
  std::vector<std::string> only;  // keys; empty: every label
  AnswerOptions answer;
};

// The labels of one text, best first, with the score of each.
struct LabelAnswer {
  std::vector<Label> labels;
  std::vector<float> scores;
};

// Who answers `dexter query`: a store that is opened here, or a server of one.
class QuerySource {
 public:
  virtual ~QuerySource() = default;
  virtual std::vector<LabelAnswer> answer(std::span<const std::string> texts) = 0;
  virtual std::uint64_t label_count() = 0;
};

// Errors: as RetrievalEngine::open and ids_of.
std::unique_ptr<QuerySource> open_store(const std::filesystem::path& store, LabelQuery query);
// Reads labels without their texts. Errors: as HttpClient::ask, here and in every answer.
std::unique_ptr<QuerySource> connect_to_server(const ServerUrl& url, ClientOptions options,
                                               LabelQuery query);

}  // namespace dexter
