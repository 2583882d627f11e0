// The interfaces of other servers: OpenAI's and text-embeddings-inference's vectors, Annif's
// suggestions.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <boost/json.hpp>

#include "tests/engine/tiny_api.h"

namespace dexter {
namespace {

namespace json = boost::json;
using ::testing::Contains;
using ::testing::HasSubstr;
using testing::TinyApi;

const std::vector<std::string> kTexts = {"a cat", "a piano concert with songs"};
constexpr const char* kSuggest = "/v1/projects/dexter/suggest";

class DoorApi : public TinyApi {
 protected:
  json::value answer(const std::string& target, const std::string& body) {
    const HttpReply reply = ask("POST", target, body);
    EXPECT_EQ(reply.status, 200) << reply.body;
    return json::parse(reply.body);
  }
  HttpReply form(const std::string& target, const std::string& body,
                 const std::string& type = "application/x-www-form-urlencoded") {
    return testing::ask(api_, "POST", target, body, {{"Content-Type", type}});
  }
  std::string detail(const HttpReply& reply) {
    return std::string(json::parse(reply.body).at("detail").as_string());
  }
};

std::vector<float> floats(const json::value& list) {
  std::vector<float> result;
  for (const json::value& each : list.as_array()) result.push_back(each.to_number<float>());
  return result;
}

std::vector<float> expected_row(std::size_t i) {
  const EmbeddingMatrix vectors = tiny::shared_engine()->encode(kTexts);
  const auto row = vectors.view().row(i);
  return {row.begin(), row.end()};
}

// A batch sums in another order than one text.
auto near(const std::vector<float>& row) {
  return ::testing::Pointwise(::testing::FloatNear(1e-6f), row);
}

// The bytes of base64 text, by the alphabet's positions.
std::string decoded(std::string_view text) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  unsigned bits = 0, count = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<unsigned>(digits.find(c));
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>(bits >> count & 255);
  }
  return bytes;
}

TEST_F(DoorApi, EmbedsOneTextAndMany) {
  const json::value many =
      answer("/v1/embed", R"({"texts": ["a cat", "a piano concert with songs"]})");
  EXPECT_EQ(many.at("generation").to_number<std::uint64_t>(), tiny::shared_engine()->generation());
  ASSERT_EQ(many.at("vectors").as_array().size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) EXPECT_EQ(floats(many.at("vectors").at(i)), expected_row(i));
  const json::value one = answer("/v1/embed", R"({"text": "a cat"})");
  ASSERT_EQ(one.at("vectors").as_array().size(), 1u);
  EXPECT_THAT(floats(one.at("vectors").at(0)), near(expected_row(0)));
}

TEST_F(DoorApi, ShortensVectorsToUnitLength) {
  const std::vector<float> whole = expected_row(0);
  const float norm = std::hypot(whole[0], whole[1]);
  const json::value body = answer("/v1/embed", R"({"text": "a cat", "dimensions": 2})");
  const std::vector<float> found = floats(body.at("vectors").at(0));
  ASSERT_EQ(found.size(), 2u);
  EXPECT_NEAR(found[0], whole[0] / norm, 1e-6);
  EXPECT_NEAR(found[1], whole[1] / norm, 1e-6);
}

TEST_F(DoorApi, AnswersLikeOpenAiInFloatsAndBase64) {
  const json::value body = answer(
      "/v1/embeddings", R"({"model": "any", "input": ["a cat", "a piano concert with songs"]})");
  EXPECT_EQ(body.at("object").as_string(), "list");
  EXPECT_EQ(body.at("usage").at("prompt_tokens").to_number<int>(), 7);
  EXPECT_THAT(std::string(body.at("model").as_string()), ::testing::StartsWith("dexter-bag-"));
  const json::array& data = body.at("data").as_array();
  ASSERT_EQ(data.size(), 2u);
  EXPECT_EQ(data[1].at("object").as_string(), "embedding");
  EXPECT_EQ(data[1].at("index").to_number<int>(), 1);
  EXPECT_THAT(floats(data[1].at("embedding")), near(expected_row(1)));

  const json::value packed =
      answer("/v1/embeddings", R"({"input": "a cat", "encoding_format": "base64"})");
  const std::string bytes =
      decoded(std::string(packed.at("data").at(0).at("embedding").as_string()));
  std::vector<float> unpacked(bytes.size() / sizeof(float));
  std::memcpy(unpacked.data(), bytes.data(), unpacked.size() * sizeof(float));
  EXPECT_THAT(unpacked, near(expected_row(0)));
}

TEST_F(DoorApi, PadsBase64) {
  for (int dims = 1; dims <= 3; ++dims) {  // 4, 8 and 12 bytes: two, one and no '='
    const json::value body = answer(
        "/v1/embeddings", R"({"input": "a cat", "encoding_format": "base64", "dimensions": )" +
                              std::to_string(dims) + "}");
    const json::string& text = body.at("data").at(0).at("embedding").as_string();
    const auto digits = static_cast<std::size_t>(dims) * 4;
    EXPECT_EQ(text.size(), (digits + 2) / 3 * 4);
    EXPECT_EQ(static_cast<std::size_t>(std::count(text.begin(), text.end(), '=')),
              (3 - digits % 3) % 3);
    EXPECT_EQ(decoded({text.data(), text.size()}).size(), digits);
  }
}

TEST_F(DoorApi, AnswersLikeTextEmbeddingsInference) {
  const json::value body =
      answer("/embed", R"({"inputs": ["a cat", "a piano concert with songs"], "truncate": true})");
  ASSERT_EQ(body.as_array().size(), 2u);
  EXPECT_THAT(floats(body.at(1)), near(expected_row(1)));
  EXPECT_THAT(floats(answer("/embed", R"({"inputs": "a cat", "normalize": true})").at(0)),
              near(expected_row(0)));
}

TEST_F(DoorApi, TellsWhatCannotBeEmbedded) {
  const std::vector<std::vector<std::string>> all = {
      {"/v1/embed", "{}", "exactly one"},
      {"/v1/embed", R"({"text": "a", "texts": ["a"]})", "exactly one"},
      {"/v1/embed", R"({"text": "a", "k": 3})", "no field 'k'"},
      {"/v1/embed", R"({"text": "a", "dimensions": 33})", "1 to 32"},
      {"/v1/embeddings", "{}", "'input' is missing"},
      {"/v1/embeddings", R"({"input": [1, 2]})", "a string is expected"},
      {"/v1/embeddings", R"({"input": 3})", "a string or a list"},
      {"/v1/embeddings", R"({"input": "a", "encoding_format": "int8"})", "neither 'float' nor"},
      {"/embed", "{}", "'inputs' is missing"},
      {"/embed", R"({"inputs": "a", "normalize": false})", "unit vector"},
      {"/embed", R"({"inputs": ["a", "b", "c", "d"]})", "a list of 4"},
  };
  for (const auto& row : all) {
    const HttpReply reply = ask("POST", row[0], row[1]);
    EXPECT_EQ(reply.status, 400) << row[0] << row[1];
    EXPECT_THAT(detail(reply), HasSubstr(row[2])) << row[1];
    const json::object problem = json::parse(reply.body).as_object();
    EXPECT_EQ(problem.contains("message"), row[0] == "/v1/embeddings");
    const auto* message = problem.if_contains("message");
    EXPECT_TRUE(message == nullptr || *message == problem.at("detail"));
  }
}

TEST_F(DoorApi, SuggestsLikeAnnif) {
  const HttpReply reply =
      form(kSuggest, "text=rain+and+wind+delayed%20every+train&limit=2&project=x");
  EXPECT_EQ(reply.status, 200) << reply.body;
  const json::value body = json::parse(reply.body);
  const json::array& results = body.at("results").as_array();
  ASSERT_EQ(results.size(), 2u);
  std::vector<std::string> found;
  for (const json::value& each : results) found.emplace_back(each.at("uri").as_string());
  EXPECT_THAT(found, ::testing::UnorderedElementsAre("weather", "railways"));
  EXPECT_TRUE(results[0].at("notation").is_null());
  EXPECT_GT(results[0].at("score").to_number<float>(), results[1].at("score").to_number<float>());
  const json::value query = json::parse(
      ask("POST", "/v1/query", R"({"text": "rain and wind delayed every train", "k": 1})").body);
  const json::value& best = query.at("results").at(0).at("labels").at(0);
  EXPECT_EQ(results[0].at("label"), best.at("name"));
  EXPECT_EQ(results[0].at("score"), best.at("score"));
}

TEST_F(DoorApi, SuggestsNothingBelowZeroTheThresholdOrTheLimit) {
  const auto count = [&](const std::string& more) {
    const json::value body = json::parse(form(kSuggest, "text=rain+and+wind" + more).body);
    for (const json::value& each : body.at("results").as_array())
      EXPECT_GT(each.at("score").to_number<float>(), 0);
    return body.at("results").as_array().size();
  };
  const std::size_t positive = count("&limit=50");
  EXPECT_GT(positive, 0u);
  EXPECT_LT(positive, 12u);  // of 12 labels some point away from any text
  EXPECT_LE(count(""), 10u);
  EXPECT_EQ(count("&limit=0"), 0u);
  EXPECT_EQ(count("&threshold=1"), 0u);
}

TEST_F(DoorApi, SuggestsForManyDocuments) {
  const json::value body = answer(
      "/v1/projects/dexter/suggest-batch?limit=1",
      R"({"documents": [{"text": "a cat", "document_id": "7", "metadata": {}}, {"text": "a piano concert"}]})");
  ASSERT_EQ(body.as_array().size(), 2u);
  EXPECT_EQ(body.at(0).at("results").at(0).at("uri").as_string(), "animals");
  EXPECT_EQ(body.at(0).at("document_id").as_string(), "7");
  EXPECT_EQ(body.at(1).at("results").at(0).at("uri").as_string(), "music");
  EXPECT_TRUE(body.at(1).at("document_id").is_null());
}

TEST_F(DoorApi, DescribesItsOneProject) {
  const json::value list = json::parse(ask("GET", "/v1/projects").body);
  const json::value project = json::parse(ask("GET", "/v1/projects/dexter").body);
  EXPECT_EQ(list.at("projects").as_array(), json::array{project});
  EXPECT_EQ(project.at("project_id").as_string(), "dexter");
  EXPECT_EQ(project.at("vocab").at("size").to_number<int>(), 12);
  EXPECT_TRUE(project.at("is_trained").as_bool());
}

TEST_F(DoorApi, RefusesOtherProjectsBodiesAndNumbers) {
  EXPECT_EQ(ask("GET", "/v1/projects/yso").status, 404);
  EXPECT_EQ(form("/v1/projects/yso/suggest", "text=a").status, 404);
  EXPECT_EQ(form("/v1/projects/a/b/suggest", "text=a").status, 404);
  EXPECT_EQ(form("/v1/projects//suggest", "text=a").status, 404);
  const HttpReply wrong = ask("GET", kSuggest);
  EXPECT_EQ(wrong.status, 405);
  EXPECT_THAT(wrong.headers, Contains(std::pair<std::string, std::string>("Allow", "POST")));
  EXPECT_EQ(form(kSuggest, "{}", "application/json").status, 415);
  for (const auto& [body, expected] : std::vector<std::pair<std::string, std::string>>{
           {"limit=3", "'text' is missing"},
           {"text=a&limit=-1", "'limit' is no number of 0 to 50"},
           {"text=a&limit=51", "0 to 50"},
           {"text=a&limit=2x", "0 to 50"},
           {"text=a&threshold=1.5", "'threshold' is no number of 0 to 1"},
           {"text=a&threshold=nan", "0 to 1"},
           {"text=%", "no escape"},
           {"text=" + std::string(101, 'a'), "at most 100"}}) {
    const HttpReply reply = form(kSuggest, body);
    EXPECT_EQ(reply.status, 400) << body;
    EXPECT_THAT(detail(reply), HasSubstr(expected));
  }
}

}  // namespace
}  // namespace dexter
