#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <boost/json.hpp>

#include "engine/demo_index.h"
#include "engine/demo_retriever.h"
#include "engine/http_api.h"
#include "tests/engine/ask_api.h"
#include "tests/engine/served_store.h"
#include "tests/engine/tiny_bank.h"

namespace dexter {
namespace {

namespace json = boost::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TempDir;

std::shared_ptr<const DemoRetriever> shared_bank() {
  static const TempDir folder;
  static const auto retriever = std::make_shared<const DemoRetriever>(
      DemoRetriever::open(tiny::bank_store(folder.path(), tiny::demonstrations())));
  return retriever;
}

class DemoApi : public ::testing::Test {
 protected:
  HttpReply ask(const std::string& body) {
    return testing::ask(api_, "POST", "/v1/demonstrations", body);
  }
  json::value answer(const std::string& body) {
    const HttpReply reply = ask(body);
    EXPECT_EQ(reply.status, 200) << reply.body;
    return json::parse(reply.body);
  }
  void expect_problem(int status, const std::string& body, const std::string& says) {
    const HttpReply reply = ask(body);
    EXPECT_EQ(reply.status, status);
    EXPECT_EQ(reply.content_type, "application/problem+json");
    EXPECT_THAT(json::parse(reply.body).at("detail").as_string().c_str(), HasSubstr(says));
  }
  static std::vector<std::string> fields_of(const json::value& result, std::string_view name) {
    std::vector<std::string> values;
    for (const json::value& demo : result.at("demonstrations").as_array())
      values.emplace_back(demo.at(name).as_string());
    return values;
  }
  static ServeOptions options() {
    ServeOptions options;
    options.max_texts = 3;
    options.text_bytes = 100;
    return options;
  }

  std::shared_ptr<const DemoRetriever> bank_ = shared_bank();
  TaskPool choosers_{1, 4};
  const DemoParts demos_{.retriever = [this] { return bank_; }, .choosers = choosers_};
  ApiKeys keys_;
  QueryBatcher batcher_{{.workers = 1}, [] { return tiny::shared_engine(); }};
  HttpApi api_{{.options = options(),
                .version = "1.2.3",
                .batcher = batcher_,
                .engine = [] { return tiny::shared_engine(); },
                .stopping = [] { return false; },
                .keys = keys_,
                .demos = &demos_}};
};

TEST_F(DemoApi, AnswersWithTheBestLast) {
  const json::value body =
      answer(R"({"text": "Who plays the violin ?", "task": "question", "k": 2})");
  EXPECT_EQ(body.at("strategy"), "bm25");
  const json::array& results = body.at("results").as_array();
  ASSERT_EQ(results.size(), 1u);
  const json::array& found = results[0].at("demonstrations").as_array();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[1].at("id"), "question-0");
  EXPECT_EQ(found[1].at("task"), "question");
  EXPECT_EQ(found[1].at("input"), "Who plays the violin ?");
  EXPECT_EQ(found[1].at("output"), "person");
  EXPECT_EQ(found[1].at("rank"), 1);
  EXPECT_EQ(found[0].at("rank"), 2);
  EXPECT_GT(found[1].at("score").to_number<double>(), found[0].at("score").to_number<double>());
  EXPECT_NEAR(found[0].at("probability").to_number<double>() +
                  found[1].at("probability").to_number<double>(),
              1, 1e-5);
  EXPECT_FALSE(results[0].as_object().contains("prompt"));
}

TEST_F(DemoApi, AnswersManyTextsEachWithItsPrompt) {
  const json::value body = answer(
      R"({"texts": ["the violin", "xyzzy"], "task": "question", "k": 1, "prompt": true,
          "pattern": "{input} -> {output}\n"})");
  EXPECT_EQ(body.at("results").at(0).at("prompt"),
            "Who plays the violin ? -> person\nthe violin ->");
  EXPECT_EQ(body.at("results").at(1).at("prompt"), "xyzzy ->");
  EXPECT_TRUE(body.at("results").at(1).at("demonstrations").as_array().empty());
}

TEST_F(DemoApi, TakesWhatARetrieverTakes) {
  const auto ids = [&](const std::string& more) {
    const json::value body =
        answer(R"({"text": "Who plays the violin ?", "task": "question", "best_first": true, )" +
               more + "}");
    return fields_of(body.at("results").at(0), "id");
  };
  EXPECT_EQ(ids(R"("exclude": "none")").at(0), "question-0");
  EXPECT_NE(ids(R"("exclude": "same")").at(0), "question-0");
  EXPECT_NE(ids(R"("without": ["question-0"])").at(0), "question-0");
  EXPECT_THAT(ids(R"("words": 6)"), ElementsAre("question-0"));  // itself, and no room for more
  EXPECT_EQ(ids(R"("strategy": "random", "k": 3, "seed": 5)"),
            ids(R"("strategy": "random", "k": 3, "seed": 5)"));
  const json::value balanced = answer(
      R"({"text": "who where when the train", "task": "question", "k": 3, "balanced": true})");
  EXPECT_THAT(fields_of(balanced.at("results").at(0), "output"),
              ::testing::UnorderedElementsAre("person", "place", "time"));
}

TEST_F(DemoApi, MarksPseudoLabelsAndLeavesThemOut) {
  const TempDir folder;
  const auto store = tiny::bank_store(folder.path(), tiny::demonstrations());
  const std::vector<Demonstration> pseudo = {{"p", "question", "Who met whom ?", "person", 0.875}};
  {
    Catalog bank = open_bank(store, OpenMode::kWrite);
    index_bank(store, bank, {}, {}, {}, &pseudo);
  }
  bank_ = std::make_shared<const DemoRetriever>(DemoRetriever::open(store));
  const std::string asked = R"({"text": "Who met Who scored", "best_first": true, "k": 2)";
  const json::value with = answer(asked + "}").at("results").at(0).at("demonstrations");
  EXPECT_EQ(with.at(0).at("id"), "p");
  EXPECT_EQ(with.at(0).at("pseudo"), true);
  EXPECT_EQ(with.at(0).at("confidence"), 0.875);
  EXPECT_EQ(with.at(1).at("pseudo"), false);
  EXPECT_FALSE(with.at(1).as_object().contains("confidence"));
  for (const auto& id :
       fields_of(answer(asked + R"(, "pseudo": false})").at("results").at(0), "id"))
    EXPECT_NE(id, "p");
  expect_problem(400, R"({"text": "a", "pseudo": "no"})", "'pseudo'");
}

TEST_F(DemoApi, SaysWhatIsWrongWithARequest) {
  expect_problem(400, "{}", "0 of 'text' and 'texts'");
  expect_problem(400, R"({"text": "a", "texts": ["b"]})", "2 of 'text' and 'texts'");
  expect_problem(400, R"({"text": "a", "k": 0})", "'k' is 0");
  expect_problem(400, R"({"text": "a", "k": 257})", "256");
  expect_problem(400, R"({"text": "a", "task": "questions"})", "'questions'");
  expect_problem(400, R"({"text": "a", "strategy": "bm52"})", "the nearest is 'bm25'");
  expect_problem(400, R"({"text": "a", "strategy": "dense"})", "dexter demos train");
  expect_problem(400, R"({"text": "a", "exclude": "nearly"})", "the nearest is 'near'");
  expect_problem(400, R"({"text": "a", "mmr_balance": 2})", "'mmr_balance' is 2");
  expect_problem(400, R"({"text": "a", "prompt": true, "pattern": "{output}"})", "{input}");
  expect_problem(400, R"({"text": "a", "tasks": "question"})", "'tasks'");
}

TEST_F(DemoApi, SaysWhatToRunWhereThereIsNoBank) {
  bank_ = nullptr;
  expect_problem(404, R"({"text": "a"})", "dexter demos import");
}

TEST_F(DemoApi, RefusesWhatItsQueueCannotTake) {
  choosers_.stop();
  const HttpReply reply = ask(R"({"text": "a"})");
  EXPECT_EQ(reply.status, 429);
  EXPECT_THAT(reply.headers, ::testing::Contains(::testing::Pair("Retry-After", "1")));
}

}  // namespace
}  // namespace dexter
