#include "engine/http_api.h"

#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <boost/json.hpp>

#include "tests/engine/tiny_api.h"

namespace dexter {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;
using testing::TinyApi;

TEST_F(TinyApi, AnswersATextWithItsLabelsBestFirst) {
  const HttpReply reply = query(R"({"text": "rain and wind delayed every train", "k": 2})");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.content_type, "application/json");
  const json::value body = json::parse(reply.body);
  EXPECT_EQ(body.at("generation").to_number<std::uint64_t>(), tiny::shared_engine()->generation());
  const json::array& results = body.at("results").as_array();
  ASSERT_EQ(results.size(), 1u);
  EXPECT_THAT(keys(results[0]), ::testing::UnorderedElementsAre("weather", "railways"));
  const json::array& labels = results[0].at("labels").as_array();
  EXPECT_GE(labels[0].at("score").to_number<double>(), labels[1].at("score").to_number<double>());
  EXPECT_EQ(labels[0].as_object().size(), 3u);
}

TEST_F(TinyApi, AnswersTextsAndTheirVectorsAlike) {
  const std::vector<std::string> texts = {"a cat", "a piano concert with songs"};
  const HttpReply by_text = query(R"({"texts": ["a cat", "a piano concert with songs"]})");
  const EmbeddingMatrix vectors = tiny::shared_engine()->encode(texts);
  json::array rows;
  for (std::size_t i = 0; i < 2; ++i) {
    const auto row = std::as_const(vectors).row(i);
    rows.push_back(json::array(row.begin(), row.end()));
  }
  const HttpReply by_vector = query(json::serialize(json::object{{"vectors", rows}}));
  EXPECT_EQ(by_vector.body, by_text.body);
  const json::value body = json::parse(by_text.body);
  EXPECT_EQ(keys(body.at("results").at(0)).at(0), "animals");
  EXPECT_EQ(keys(body.at("results").at(1)).at(0), "music");
  EXPECT_EQ(keys(body.at("results").at(1)).size(), 5u);
}

TEST_F(TinyApi, WritesTheFieldsThatAreAskedFor) {
  const json::value body = json::parse(
      query(R"({"text": "a cat", "k": 1, "fields": ["id", "text"], "timing": true})").body);
  EXPECT_EQ(json::serialize(body.at("results").at(0).at("labels")),
            R"([{"id":0,"text":"animals such as cats, dogs, horses and birds"}])");
  for (const char* stage : {"wait_ms", "encode_ms", "search_ms"})
    EXPECT_GE(body.at("timing").at(stage).to_number<double>(), 0);
}

TEST_F(TinyApi, LeavesOutLabelsBelowTheThreshold) {
  const json::value all = json::parse(query(R"({"text": "rain and wind", "k": 12})").body);
  const json::array& labels = all.at("results").at(0).at("labels").as_array();
  ASSERT_EQ(labels.size(), 12u);
  const json::value cut = json::parse(query(R"({"text": "rain and wind", "k": 12, "threshold": )" +
                                            json::serialize(labels[3].at("score")) + "}")
                                          .body);
  EXPECT_EQ(cut.at("results").at(0).at("labels").as_array().size(), 4u);
}

TEST_F(TinyApi, PagesThroughAllLabels) {
  const auto page = [&](int offset, int k) {
    const HttpReply reply = query(R"({"text": "rain and wind", "k": )" + std::to_string(k) +
                                  R"(, "offset": )" + std::to_string(offset) + "}");
    return keys(json::parse(reply.body).at("results").at(0));
  };
  const auto all = page(0, 50);
  std::vector<std::string> paged;
  for (int offset = 0; offset < 50; offset += 4)
    for (const std::string& key : page(offset, 4)) paged.push_back(key);
  EXPECT_EQ(paged, all);
  EXPECT_TRUE(page(99'999, 50).empty());
}

TEST_F(TinyApi, AnswersWithTheLabelsOfAFilterAlone) {
  const json::value body = json::parse(
      query(R"({"text": "a cat", "k": 3, "filter": {"keys": ["music", "animals"]}})").body);
  EXPECT_THAT(keys(body.at("results").at(0)), ::testing::ElementsAre("animals", "music"));
}

TEST_F(TinyApi, AnswersATextOfUnknownWordsWithNoLabel) {
  const HttpReply reply = query(R"({"text": ""})");
  EXPECT_THAT(reply.body, HasSubstr(R"("results":[{"labels":[]}])"));
}

TEST_F(TinyApi, TellsWhatIsWrongWithAQuery) {
  const std::vector<std::pair<std::string, std::string>> all = {
      {"", "not JSON"},
      {"[]", "no object"},
      {"{\"text\":", "not JSON"},
      {"{\"text\":\"\xff\"}", "not JSON"},
      {"{}", "exactly one"},
      {R"({"text": null})", "exactly one"},
      {R"({"text": "a", "texts": ["a"]})", "exactly one"},
      {R"({"txt": "a"})", "nearest is 'text'"},
      {R"({"text": 1})", "'text' is 1, but a string"},
      {R"({"text": ")" + std::string(101, 'a') + "\"}", "at most 100 bytes"},
      {R"({"texts": []})", "1 to 3"},
      {R"({"texts": ["a", "b", "c", "d"]})", "a list of 4"},
      {R"({"texts": "a"})", "a list is expected"},
      {R"({"texts": ["a", 2]})", "a string is expected"},
      {R"({"text": "a", "k": 0})", "1 to 50"},
      {R"({"text": "a", "k": 51})", "1 to 50"},
      {R"({"text": "a", "k": 2.5})", "1 to 50"},
      {R"({"text": "a", "k": "2"})", "1 to 50"},
      {R"({"text": "a", "k": 99999999999999999999})", "1 to 50"},
      {R"({"text": "a", "offset": -1})", "0 to 100000"},
      {R"({"text": "a", "timeout_ms": 0})", "1 to 10000"},
      {R"({"text": "a", "threshold": "x"})", "a number"},
      {R"({"text": "a", "timing": 1})", "true or false"},
      {R"({"text": "a", "fields": ["nam"]})", "nearest is 'name'"},
      {R"({"text": "a", "filter": []})", "an object is expected"},
      {R"({"text": "a", "filter": {}})", "give it 'keys'"},
      {R"({"text": "a", "filter": {"key": ["music"]}})", "nearest is 'keys'"},
      {R"({"text": "a", "filter": {"keys": ["no such label"]}})",
       "none of the key 'no such label'"},
      {R"({"vectors": [[1, 2]]})", "32 numbers"},
      {R"({"vectors": [1]})", "32 numbers"},
      {R"({"vectors": [])" + std::string(1, '}'), "1 to 3"},
  };
  for (const auto& [body, detail] : all) {
    const HttpReply reply = query(body);
    EXPECT_EQ(reply.status, 400) << body;
    EXPECT_EQ(reply.content_type, "application/problem+json");
    EXPECT_THAT(std::string(json::parse(reply.body).at("detail").as_string()), HasSubstr(detail));
  }
}

TEST_F(TinyApi, PointsTheWayWhereThereIsNoRoute) {
  const HttpReply absent = ask("GET", "/v1/qery");
  EXPECT_EQ(absent.status, 404);
  EXPECT_THAT(absent.body, HasSubstr("/openapi.json"));
  const HttpReply wrong = ask("GET", "/v1/query");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_THAT(wrong.headers, ::testing::Contains(::testing::Pair("Allow", "POST")));
}

TEST_F(TinyApi, TellsWhatItServes) {
  const json::value info = json::parse(ask("GET", "/v1/info").body);
  EXPECT_EQ(info.at("version").as_string(), "1.2.3");
  EXPECT_EQ(info.at("labels").to_number<int>(), 12);
  EXPECT_EQ(info.at("encoder").at("dim").to_number<int>(), 32);
  EXPECT_EQ(info.at("index").at("kind").as_string(), "flat");
}

TEST_F(TinyApi, TellsHowItsEncoderWasTrained) {
  const json::value report = json::parse(ask("GET", "/v1/report").body);
  EXPECT_EQ(report.at("history").at("epochs").as_array().size(), 30u);
  EXPECT_TRUE(report.at("evaluation").is_null());
}

TEST_F(TinyApi, IsReadyUntilItStops) {
  EXPECT_EQ(ask("GET", "/livez").status, 200);
  EXPECT_EQ(ask("GET", "/readyz").status, 200);
  stopping_ = true;
  EXPECT_EQ(ask("GET", "/livez").status, 200);
  EXPECT_EQ(ask("GET", "/readyz").status, 503);
  batcher_.stop();
  EXPECT_EQ(query(R"({"text": "a cat"})").status, 503);
}

}  // namespace
}  // namespace dexter
