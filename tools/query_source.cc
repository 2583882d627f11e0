// The two who answer queries.
#include "tools/query_source.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "engine/document_labels.h"
#include "storage/error.h"

namespace dexter {
namespace {

namespace json = boost::json;

class StoreSource : public QuerySource {
 public:
  StoreSource(const std::filesystem::path& store, const DeviceOptions& device, LabelQuery query)
      : engine_(RetrievalEngine::open(store, device)), query_(std::move(query)) {
    if (!query_.only.empty()) query_.answer.search.only = engine_.ids_of(query_.only);
  }

  std::vector<LabelAnswer> answer(std::span<const std::string> texts) override {
    std::vector<LabelAnswer> answers;
    for (LabelRanking& ranking : engine_.answer(texts, query_.wanted(), query_.answer)) {
      query_.page.cut(ranking);
      LabelAnswer& answer = answers.emplace_back();
      answer.labels = engine_.labels(ranking);
      for (const ScoredLabel& scored : ranking) answer.scores.push_back(scored.score);
    }
    return answers;
  }
  std::vector<DocumentAnswer> documents(std::span<const std::string> texts) override {
    std::vector<DocumentAnswer> answers;
    auto rankings =
        engine_.nearest_documents(engine_.encode(texts), query_.wanted(), query_.answer.search);
    for (DocumentRanking& ranking : rankings) {
      query_.page.cut(ranking);
      DocumentAnswer& answer = answers.emplace_back();
      std::vector<Example> found = engine_.documents(ranking);
      for (std::size_t i = 0; i < found.size(); ++i)
        answer.push_back({.key = std::move(found[i].key),
                          .text = std::move(found[i].text),
                          .score = ranking[i].score,
                          .labels = labels_of(engine_, found[i])});
    }
    return answers;
  }
  std::uint64_t label_count() override { return engine_.label_count(); }

 private:
  RetrievalEngine engine_;
  LabelQuery query_;
};

class ServerSource : public QuerySource {
  template <class Read>
  auto read(const std::string& body, const Read& reader) {
    try {
      return reader(json::parse(body));
    } catch (const std::exception& error) {
      throw Error(ErrorKind::kIncompatible,
                  fmt::format("asking {}: its answer is not one of a dexter server ({}); check the "
                              "address",
                              url_.text(), error.what()));
    }
  }

 public:
  ServerSource(const ServerUrl& url, ClientOptions options, LabelQuery query)
      : url_(url), client_(url, std::move(options)), query_(std::move(query)) {}

  std::vector<LabelAnswer> answer(std::span<const std::string> texts) override {
    std::vector<LabelAnswer> answers;
    ask_in_parts(texts, "labels", [&](const json::value& result) {
      LabelAnswer& answer = answers.emplace_back();
      for (const json::value& label : result.at("labels").as_array()) {
        answer.labels.push_back(label_of(label));
        answer.scores.push_back(label.at("score").to_number<float>());
      }
    });
    return answers;
  }

  std::vector<DocumentAnswer> documents(std::span<const std::string> texts) override {
    std::vector<DocumentAnswer> answers;
    ask_in_parts(texts, "documents", [&](const json::value& result) {
      DocumentAnswer& answer = answers.emplace_back();
      for (const json::value& document : result.at("documents").as_array()) {
        FoundDocument& found = answer.emplace_back();
        found.key = json::value_to<std::string>(document.at("key"));
        found.text = json::value_to<std::string>(document.at("text"));
        found.score = document.at("score").to_number<float>();
        for (const json::value& label : document.at("labels").as_array())
          found.labels.push_back(label_of(label));
      }
    });
    return answers;
  }

  std::uint64_t label_count() override {
    return read(client_.ask("GET", "/v1/info"), [](const json::value& info) {
      return info.at("labels").to_number<std::uint64_t>();
    });
  }

 private:
  static Label label_of(const json::value& label) {
    return {.id = {},
            .key = json::value_to<std::string>(label.at("key")),
            .name = json::value_to<std::string>(label.at("name")),
            .text = {}};
  }

  // Calls `take` with the result of each text.
  template <class Take>
  void ask_in_parts(std::span<const std::string> texts, const char* space, const Take& take) {
    // Few enough for one part of the server's queue after another, and for its limits.
    constexpr std::size_t kTexts = 64;
    for (std::size_t first = 0; first < texts.size(); first += kTexts)
      ask(texts.subspan(first, std::min(kTexts, texts.size() - first)), space, take);
  }

  template <class Take>
  void ask(std::span<const std::string> texts, const char* space, const Take& take) {
    json::object request = {{"texts", json::array(texts.begin(), texts.end())},
                            {"space", space},
                            {"k", query_.k},
                            {"probes", query_.answer.search.probes},
                            {"ef", query_.answer.search.ef}};
    if (query_.answer.memory != Memory::kAuto)
      request["memory"] = query_.answer.memory == Memory::kOn;
    if (query_.answer.tail != 0) request["tail"] = query_.answer.tail;
    if (query_.page.offset > 0) request["offset"] = query_.page.offset;
    if (std::isfinite(query_.page.threshold)) request["threshold"] = query_.page.threshold;
    if (!query_.only.empty())
      request["filter"] = {{"keys", json::array(query_.only.begin(), query_.only.end())}};
    read(client_.ask("POST", "/v1/query", json::serialize(request)), [&](const json::value& body) {
      const json::array& results = body.at("results").as_array();
      if (results.size() != texts.size())
        throw std::runtime_error(
            fmt::format("{} results for {} texts", results.size(), texts.size()));
      for (const json::value& result : results) take(result);
      return 0;
    });
  }

  const ServerUrl url_;
  HttpClient client_;
  const LabelQuery query_;
};

}  // namespace

std::string why_empty(const LabelQuery& query) {
  std::string why = "none of its words is known to the encoder";
  if (query.page.offset > 0) why += fmt::format(", or there are {} at most", query.page.offset);
  if (std::isfinite(query.page.threshold))
    why += fmt::format(", or fewer score {} or more", query.page.threshold);
  return why;
}

std::unique_ptr<QuerySource> open_store(const std::filesystem::path& store,
                                        const DeviceOptions& device, LabelQuery query) {
  return std::make_unique<StoreSource>(store, device, std::move(query));
}

std::unique_ptr<QuerySource> connect_to_server(const ServerUrl& url, ClientOptions options,
                                               LabelQuery query) {
  return std::make_unique<ServerSource>(url, std::move(options), std::move(query));
}

}  // namespace dexter
