// Documents as the second space of a generation, and their votes, on the tiny corpus.
#include <algorithm>
#include <fstream>
#include <functional>

#include <gmock/gmock.h>
#include <boost/json.hpp>

#include "engine/document_space.h"
#include "engine/evaluator.h"
#include "engine/http_api.h"
#include "engine/live_store.h"
#include "engine/retrieval_engine.h"
#include "tests/engine/ask_api.h"
#include "tests/engine/tiny_store.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace dexter {
namespace {

namespace json = boost::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// One store for the tests that only read.
class EngineMemory : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new testing::TempDir();
    store_ = new std::filesystem::path(tiny::remembering_store(folder_->path()));
  }
  static void TearDownTestSuite() {
    delete store_;
    delete folder_;
  }
  static testing::TempDir* folder_;
  static std::filesystem::path* store_;
};
testing::TempDir* EngineMemory::folder_ = nullptr;
std::filesystem::path* EngineMemory::store_ = nullptr;

TEST_F(EngineMemory, FindsATrainingDocumentByItsOwnText) {
  const RetrievalEngine engine = RetrievalEngine::open(*store_);
  ASSERT_NE(engine.document_space(), nullptr);
  EXPECT_EQ(engine.document_space()->size(), tiny::kTrainDocuments);
  const std::vector<std::string> texts = {tiny::train()[17].text};
  const auto found = engine.nearest_documents(engine.encode(texts), 3);
  ASSERT_EQ(found[0].size(), 3U);
  EXPECT_EQ(found[0][0].id, DocumentId{17});
  EXPECT_NEAR(found[0][0].score, 1, 1e-5);
  const std::vector<Example> documents = engine.documents(found[0]);
  EXPECT_EQ(documents[0], tiny::train()[17]);
}

TEST_F(EngineMemory, FindsDocumentsByTheWordsTheyShare) {
  const RetrievalEngine engine = RetrievalEngine::open(*store_);
  const DocumentRanking found = engine.document_space()->by_words("violin in an orchestra", 5);
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0].id, DocumentId{12});
  EXPECT_FLOAT_EQ(found[0].score, 1);
}

TEST_F(EngineMemory, RaisesTheLabelsOfNeighboursAndKeepsOthersScores) {
  const RetrievalEngine engine = RetrievalEngine::open(*store_);
  const std::vector<std::string> texts = {tiny::train()[3].text};  // animals and gardening
  const LabelRanking without = engine.answer(texts, 12, {.memory = Memory::kOff})[0];
  const LabelRanking with = engine.answer(texts, 12, {.memory = Memory::kOn})[0];
  EXPECT_EQ(without, engine.rank(texts, 12)[0]);
  const auto score_in = [](const LabelRanking& ranking, LabelId id) {
    return std::ranges::find(ranking, id, &ScoredLabel::id)->score;
  };
  ASSERT_EQ(with.size(), without.size());
  for (const ScoredLabel& label : without) EXPECT_GE(score_in(with, label.id), label.score);
  EXPECT_GT(score_in(with, LabelId{0}), score_in(without, LabelId{0}));
  // No training document has it.
  EXPECT_EQ(score_in(with, LabelId{11}), score_in(without, LabelId{11}));
  EXPECT_TRUE(std::ranges::is_sorted(with, std::greater<>(), &ScoredLabel::score));
}

TEST_F(EngineMemory, HearsNoSilentDocument) {
  const RetrievalEngine engine = RetrievalEngine::open(*store_);
  const std::vector<std::string> texts = {tiny::train()[3].text};
  const auto own_label = [&](std::shared_ptr<const IdSet> silent) {
    AnswerOptions options;
    options.memory = Memory::kOn;
    options.silent = std::move(silent);
    const LabelRanking found = engine.answer(texts, 12, options)[0];
    return std::ranges::find(found, LabelId{0}, &ScoredLabel::id)->score;
  };
  const float by_all = own_label(nullptr);
  EXPECT_LT(own_label(std::make_shared<const IdSet>(std::vector<std::int64_t>{3})), by_all);
  EXPECT_EQ(own_label(std::make_shared<const IdSet>(std::vector<std::int64_t>{999})), by_all);
}

TEST_F(EngineMemory, AnswersWithinAFilterAlone) {
  const RetrievalEngine engine = RetrievalEngine::open(*store_);
  const std::vector<std::string> texts = {tiny::train()[3].text};
  const std::vector<std::string> keys = {"money", "animals"};
  AnswerOptions options;
  options.search.only = engine.ids_of(keys);
  options.memory = Memory::kOn;
  const LabelRanking found = engine.answer(texts, 5, options)[0];
  EXPECT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].id, LabelId{0});
  EXPECT_EQ(found[1].id, LabelId{7});
}

TEST_F(EngineMemory, RanksRareLabelsHigherByTheTailExponent) {
  const RetrievalEngine engine = RetrievalEngine::open(*store_);
  const std::vector<std::string> texts = {tiny::test()[7].text};
  const auto place_of_rare = [&](double tail) {
    const LabelRanking found = engine.answer(texts, 12, {.memory = Memory::kOff, .tail = tail})[0];
    return std::ranges::find(found, LabelId{11}, &ScoredLabel::id) - found.begin();
  };
  EXPECT_EQ(place_of_rare(100), 0);
  EXPECT_EQ(place_of_rare(-100), 11);
}

TEST_F(EngineMemory, KeepsWhatItMeasuredAndVotesByItselfOnlyWhereThatHelped) {
  const RetrievalEngine engine = RetrievalEngine::open(*store_);
  const VoteFusion& fusion = engine.catalog().manifest().generation->documents->fusion;
  std::size_t held_out = 0;
  for (const Example& example : tiny::train())
    held_out += in_validation_part(example.key, tiny::config().train.validation_fraction) ? 1 : 0;
  EXPECT_EQ(fusion.validation_documents, held_out);
  const std::vector<std::string> texts = {tiny::train()[3].text};
  const Memory same = fusion.helps ? Memory::kOn : Memory::kOff;
  EXPECT_EQ(engine.answer(texts, 5), engine.answer(texts, 5, {.memory = same}));
}

TEST_F(EngineMemory, EvaluatesWithAndWithoutVotes) {
  const RetrievalEngine engine = RetrievalEngine::open(*store_);
  const auto precision = [&](AnswerOptions answer) {
    const std::vector<Example> all = tiny::train();
    auto next = all.begin();
    const auto stream = [&](Example& example) {
      if (next == all.end()) return false;
      example = *next++;
      return true;
    };
    EvaluatorOptions options;
    options.answer = std::move(answer);
    return evaluate(engine, stream, options, {}).precision[0].value;
  };
  // Each training document is its own nearest neighbour.
  EXPECT_EQ(precision({.memory = Memory::kOn}), 100);
  std::vector<std::int64_t> all;
  for (std::size_t i = 0; i < tiny::kTrainDocuments; ++i)
    all.push_back(static_cast<std::int64_t>(i));
  AnswerOptions unheard;
  unheard.memory = Memory::kOn;
  unheard.silent = std::make_shared<const IdSet>(all);
  EXPECT_EQ(precision(unheard), precision({.memory = Memory::kOff}));
  EXPECT_LT(precision({.memory = Memory::kOff, .tail = -100}), 100);
}

TEST_F(EngineMemory, IsAskedOverHttp) {
  const auto engine = std::make_shared<const RetrievalEngine>(RetrievalEngine::open(*store_));
  QueryBatcher batcher({}, [&] { return engine; });
  const ApiKeys keys;
  const ServeOptions served;
  const HttpApi api({.options = served,
                     .version = "1",
                     .batcher = batcher,
                     .engine = [&] { return engine; },
                     .stopping = [] { return false; },
                     .keys = keys});
  const auto ask = [&](const std::string& body) {
    return testing::ask(api, "POST", "/v1/query", body);
  };
  const std::string text = tiny::train()[3].text;
  const HttpReply found = ask(R"({"text":")" + text + R"(","space":"documents","k":1})");
  ASSERT_EQ(found.status, 200) << found.body;
  const json::value document = json::parse(found.body).at("results").at(0).at("documents").at(0);
  EXPECT_EQ(document.at("key"), "train-3");
  EXPECT_EQ(document.at("text").as_string(), text);
  EXPECT_EQ(document.at("labels").at(1).at("key"), "gardening");
  const auto score_with = [&](const std::string& memory) {
    const HttpReply reply = ask(R"({"text":")" + text + R"(","memory":)" + memory + "}");
    const json::value body = json::parse(reply.body);
    return body.at("results").at(0).at("labels").at(0).at("score").to_number<double>();
  };
  EXPECT_GT(score_with("true"), score_with("false"));
  EXPECT_EQ(ask(R"({"text":"x","space":"walls"})").status, 400);
  EXPECT_EQ(ask(R"({"text":"x","memory":"yes"})").status, 400);
  EXPECT_EQ(ask(R"({"text":"x","tail":11})").status, 400);
  EXPECT_EQ(ask(R"({"text":"x","space":"documents","filter":{"keys":["money"]}})").status, 400);
}

TEST_F(EngineMemory, VerifiesEveryByteOfItsFiles) {
  EXPECT_THAT(verify_store(*store_), IsEmpty());
  const Catalog catalog = Catalog::open(*store_, OpenMode::kRead);
  const DocumentsInfo documents = *catalog.manifest().generation->documents;
  for (const FileRef& file : {documents.index, documents.table, *documents.words}) {
    testing::TempDir copy;
    std::filesystem::copy(*store_, copy.path() / "store", std::filesystem::copy_options::recursive);
    const std::filesystem::path path = copy.path() / "store" / file.name;
    const auto middle = static_cast<std::streamoff>(std::filesystem::file_size(path) / 2);
    std::fstream bytes(path, std::ios::binary | std::ios::in | std::ios::out);
    bytes.seekg(middle);
    const int byte = bytes.get();
    bytes.seekp(middle);
    bytes.put(static_cast<char>(byte ^ 1));
    bytes.close();
    const std::vector<Damage> damages = verify_store(copy.path() / "store");
    ASSERT_FALSE(damages.empty()) << file.name;
    EXPECT_EQ(damages[0].file, file.name);
  }
}

TEST(EngineWithoutMemory, SaysWhatToRunWhereTheGenerationHasNoDocuments) {
  testing::TempDir folder;
  const std::filesystem::path store = tiny::indexed_store(folder.path());
  const RetrievalEngine engine = RetrievalEngine::open(store);
  const std::vector<std::string> texts = {"a cat"};
  EXPECT_EQ(engine.document_space(), nullptr);
  testing::expect_error(
      ErrorKind::kNotFound, [&] { engine.nearest_documents(engine.encode(texts), 3); },
      "dexter index --documents");
  testing::expect_error(
      ErrorKind::kInvalidInput, [&] { engine.answer(texts, 3, {.memory = Memory::kOn}); },
      "dexter index --documents");
  EXPECT_EQ(engine.answer(texts, 3), engine.rank(texts, 3));
}

std::string best_key(const LiveStore& store, const std::string& text) {
  const auto engine = store.engine();
  const std::vector<std::string> texts = {text};
  const LabelRanking found = engine->answer(texts, 1, {.memory = Memory::kOn})[0];
  return engine->labels(found)[0].key;
}

std::string nearest_key(const LiveStore& store, const std::string& text) {
  const auto engine = store.engine();
  const std::vector<std::string> texts = {text};
  const auto found = engine->nearest_documents(engine->encode(texts), 1);
  return engine->documents(found[0])[0].key;
}

// A correction: the store answers a text wrongly, is told the right label, and knows it from then
// on, at once, after a compaction, and when it is opened again.
TEST(EngineMemoryChanges, LearnFromADocumentAtOnceAndForGood) {
  testing::TempDir folder;
  const std::filesystem::path path = tiny::remembering_store(folder.path());
  const std::string text = "cats and dogs and horses";
  auto store = LiveStore::open(path);
  ASSERT_EQ(best_key(*store, text), "animals");
  const LiveStore::Document corrections[] = {{"c1", text, {"money"}},
                                             {"c2", text + " and birds", {"money"}}};
  const LiveStore::Written written = store->put_documents(corrections);
  EXPECT_EQ(written.created, 2U);
  const auto check = [&] {
    EXPECT_EQ(nearest_key(*store, text), "c1");
    EXPECT_EQ(store->find_document("c1")->labels, std::vector<std::string>{"money"});
    const auto engine = store->engine();
    const std::vector<std::string> texts = {text};
    const auto score = [&](Memory memory) {
      const LabelRanking all = engine->answer(texts, 12, {.memory = memory})[0];
      return std::ranges::find(all, LabelId{7}, &ScoredLabel::id)->score;
    };
    EXPECT_GT(score(Memory::kOn), score(Memory::kOff) + 0.05F);
  };
  check();
  const Label label{{}, "added", "Added", "telescopes"};
  store->put_labels({&label, 1});
  store->compact();
  check();
  store.reset();
  store = LiveStore::open(path);
  check();
  store.reset();
  {
    Catalog catalog = Catalog::open(path, OpenMode::kWrite);
    build_generation(catalog, tiny::config_with_documents(), {});
    EXPECT_THAT(catalog.document_changes(), IsEmpty());
  }
  store = LiveStore::open(path);
  EXPECT_EQ(store->engine()->document_space()->size(), tiny::kTrainDocuments + 2);
  check();
}

TEST(EngineMemoryChanges, ReplaceAndForgetDocumentsOfTheCorpusToo) {
  testing::TempDir folder;
  const std::filesystem::path path = tiny::remembering_store(folder.path());
  auto store = LiveStore::open(path);
  const std::string text = tiny::train()[12].text;
  ASSERT_EQ(nearest_key(*store, text), "train-12");
  const LiveStore::Document other{"train-12", "The bank raised its prices.", {"money"}};
  EXPECT_EQ(store->put_documents({&other, 1}).replaced, 1U);
  EXPECT_NE(nearest_key(*store, text), "train-12");
  EXPECT_EQ(nearest_key(*store, other.text), "train-12");
  for (const ScoredDocument& found : store->engine()->document_space()->by_words(text, 40))
    EXPECT_NE(found.id, DocumentId{12});
  const std::string keys[] = {"train-12", "train-25", "absent"};
  EXPECT_EQ(store->remove_documents(keys), 2U);
  EXPECT_EQ(store->find_document("train-12"), std::nullopt);
  EXPECT_NE(nearest_key(*store, other.text), "train-12");
  store.reset();
  store = LiveStore::open(path);
  EXPECT_NE(nearest_key(*store, tiny::train()[25].text), "train-25");
}

TEST(EngineMemoryChanges, RefuseWhatNoQueryCouldUse) {
  testing::TempDir folder;
  const auto store = LiveStore::open(tiny::remembering_store(folder.path()));
  const auto refuses = [&](LiveStore::Document document, const char* part) {
    testing::expect_error(
        ErrorKind::kInvalidInput,
        [&] {
          store->put_documents({&document, 1});
        },
        part);
  };
  refuses({"a", "a cat", {"dragons"}}, "dragons");
  refuses({"a", "\xff", {}}, "UTF-8");
  refuses({"", "a cat", {}}, "key");
  EXPECT_EQ(store->find_document("a"), std::nullopt);
}

TEST(EngineMemoryChanges, AreToldOverHttp) {
  testing::TempDir folder;
  const auto store = LiveStore::open(tiny::remembering_store(folder.path()));
  TaskPool writers(2, 8), upkeep(1, 1);
  IdempotentReplies replies(4);
  StoreChanges changes{
      .store = *store, .writers = writers, .upkeep = upkeep, .progress = {}, .replies = replies};
  QueryBatcher batcher({}, [&] { return store->engine(); });
  const ApiKeys keys;
  const ServeOptions served;
  const HttpApi api({.options = served,
                     .version = "1",
                     .batcher = batcher,
                     .engine = [&] { return store->engine(); },
                     .stopping = [] { return false; },
                     .keys = keys,
                     .changes = &changes});
  const auto ask = [&](const char* method, const std::string& target, const std::string& body) {
    return testing::ask(api, method, target, body);
  };
  const std::string owl = R"({"text":"cats and birds","labels":["animals"]})";
  EXPECT_EQ(ask("PUT", "/v1/documents/a/b", owl).status, 201);
  const std::string shown = R"({"key":"a/b","text":"cats and birds","labels":["animals"]})";
  EXPECT_EQ(ask("PUT", "/v1/documents/a/b", owl).body, shown);
  EXPECT_EQ(ask("GET", "/v1/documents/a/b", "").body, shown);
  EXPECT_EQ(nearest_key(*store, "cats and birds"), "a/b");
  EXPECT_EQ(ask("POST", "/v1/documents",
                R"({"documents":[{"key":"a/b","text":"rain"},{"key":"c","text":"snow"}]})")
                .body,
            R"({"created":1,"replaced":1})");
  EXPECT_EQ(ask("POST", "/v1/documents", R"({"documents":[{"text":"rain"}]})").status, 400);
  EXPECT_EQ(ask("DELETE", "/v1/documents/c", "").status, 200);
  EXPECT_EQ(ask("DELETE", "/v1/documents/c", "").status, 404);
  EXPECT_EQ(ask("GET", "/v1/documents/c", "").status, 404);
  writers.stop();
  upkeep.stop();
}

TEST(EngineMemoryChanges, KeepsDocumentsThroughCompactionAndDropsRemovedLabels) {
  testing::TempDir folder;
  const std::filesystem::path path = tiny::remembering_store(folder.path());
  const auto store = LiveStore::open(path);
  const std::vector<std::string> removed = {"animals"};
  EXPECT_EQ(store->remove_labels(removed), 1U);
  const auto check = [&] {
    const auto engine = store->engine();
    const std::vector<std::string> texts = {tiny::train()[3].text};
    const auto answers = engine->answer(texts, 12, {.memory = Memory::kOn});
    for (const ScoredLabel& label : answers[0]) EXPECT_NE(label.id, LabelId{0});
    const auto found = engine->nearest_documents(engine->encode(texts), 1);
    EXPECT_THAT(engine->documents(found[0])[0].labels, ElementsAre(LabelId{10}));
  };
  check();
  store->compact();
  check();
}

}  // namespace
}  // namespace dexter
