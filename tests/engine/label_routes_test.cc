#include <atomic>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <boost/json.hpp>

#include "engine/http_api.h"
#include "tests/engine/ask_api.h"
#include "tests/engine/tiny_store.h"
#include "tests/support/corpus_files.h"
#include "tests/support/temp_dir.h"

namespace dexter {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;
using Headers = std::vector<std::pair<std::string, std::string>>;

class TinyCatalogue : public ::testing::Test {
 protected:
  ~TinyCatalogue() override {
    writers_.stop();
    upkeep_.stop();
  }
  HttpReply ask(const std::string& method, const std::string& target, const std::string& body = {},
                const Headers& headers = {}) {
    return testing::ask(api_, method, target, body, headers);
  }
  std::string best(const std::string& text) {
    const HttpReply reply =
        ask("POST", "/v1/query", json::serialize(json::object{{"text", text}, {"k", 1}}));
    const json::value body = json::parse(reply.body);
    return std::string(body.at("results").at(0).at("labels").at(0).at("key").as_string());
  }
  ServeOptions options() {
    ServeOptions options;
    options.max_labels = 3;
    options.text_bytes = 100;
    return options;
  }
  ApiParts parts(const ApiKeys& keys, StoreChanges* changes) {
    return {.options = options(),
            .version = "1.2.3",
            .batcher = batcher_,
            .engine = [this] { return store_->engine(); },
            .stopping = [this] { return stopping_; },
            .keys = keys,
            .changes = changes};
  }

  testing::TempDir folder_;
  std::filesystem::path path_ = tiny::indexed_store(folder_.path());
  std::unique_ptr<LiveStore> store_ = LiveStore::open(path_);
  bool stopping_ = false;
  ApiKeys no_keys_;
  TaskPool writers_{2, 8};
  TaskPool upkeep_{1, 1};
  IdempotentReplies replies_{4};
  StoreChanges changes_{.store = *store_,
                        .writers = writers_,
                        .upkeep = upkeep_,
                        .progress = {},
                        .replies = replies_};
  QueryBatcher batcher_{{.workers = 1}, [this] { return store_->engine(); }};
  HttpApi api_{parts(no_keys_, &changes_)};
};

TEST_F(TinyCatalogue, TakesALabelThatTheNextQueryFinds) {
  const HttpReply created =
      ask("PUT", "/v1/labels/new", R"({"name": "New", "text": "rain and snow"})");
  EXPECT_EQ(created.status, 201);
  EXPECT_EQ(created.body, R"({"key":"new","name":"New","text":"rain and snow"})");
  EXPECT_EQ(best("rain and snow"), "new");
  EXPECT_EQ(ask("GET", "/v1/labels/new").body, created.body);
  const HttpReply replaced = ask("PUT", "/v1/labels/new", R"({"text": "bread and soup"})");
  EXPECT_EQ(replaced.status, 200);
  EXPECT_EQ(ask("GET", "/v1/labels/new").body,
            R"({"key":"new","name":"new","text":"bread and soup"})");
  store_.reset();
  store_ = LiveStore::open(path_);
  EXPECT_EQ(store_->find_label("new")->text, "bread and soup");
}

TEST_F(TinyCatalogue, RemovesALabelOnce) {
  EXPECT_EQ(ask("GET", "/v1/labels/music").status, 200);
  const HttpReply removed = ask("DELETE", "/v1/labels/music");
  EXPECT_EQ(removed.status, 200);
  EXPECT_EQ(removed.body, R"({"removed":1,"labels":11})");
  EXPECT_EQ(ask("GET", "/v1/labels/music").status, 404);
  EXPECT_EQ(ask("DELETE", "/v1/labels/music").status, 404);
  EXPECT_NE(best("a piano concert with songs"), "music");
}

TEST_F(TinyCatalogue, TakesAnyKeyThatAPathCanSpell) {
  for (const auto& [path, key] : std::vector<std::pair<std::string, std::string>>{
           {"a%20b", "a b"},
           {"http%3A%2F%2Fx.org%2Fp1", "http://x.org/p1"},
           {"http://x.org/p2", "http://x.org/p2"},
           {"k%C3%A4se", "k\u00e4se"},
           {"a+b", "a+b"},
           {"%22", "\""}}) {
    EXPECT_EQ(ask("PUT", "/v1/labels/" + path, R"({"text": "rain"})").status, 201) << path;
    EXPECT_EQ(store_->find_label(key)->text, "rain") << key;
    EXPECT_EQ(json::parse(ask("GET", "/v1/labels/" + path).body).at("key").as_string(), key);
  }
}

TEST_F(TinyCatalogue, TakesManyLabelsOrNone) {
  const HttpReply taken = ask(
      "POST", "/v1/labels",
      R"({"labels": [{"key": "a", "text": "rain"}, {"key": "music", "name": "Music", "text": "piano"}]})");
  EXPECT_EQ(taken.status, 200);
  EXPECT_EQ(taken.body, R"({"created":1,"replaced":1,"labels":13})");
  const HttpReply refused =
      ask("POST", "/v1/labels",
          R"({"labels": [{"key": "b", "text": "rain"}, {"key": "c", "text": "qqqqqq"}]})");
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.body, HasSubstr("no word that the encoder knows"));
  EXPECT_EQ(ask("GET", "/v1/labels/b").status, 404);
}

TEST_F(TinyCatalogue, TellsWhatIsWrongWithAChange) {
  const auto refuses = [&](const std::string& method, const std::string& target,
                           const std::string& body, const std::string& detail) {
    const HttpReply reply = ask(method, target, body);
    EXPECT_EQ(reply.status, 400) << body;
    EXPECT_EQ(reply.content_type, "application/problem+json");
    EXPECT_THAT(std::string(json::parse(reply.body).at("detail").as_string()), HasSubstr(detail));
  };
  refuses("PUT", "/v1/labels/a", "", "not JSON");
  refuses("PUT", "/v1/labels/a", R"({"nam": "x"})", "nearest is 'name'");
  refuses("PUT", "/v1/labels/a", R"({"name": 1})", "a string");
  refuses("PUT", "/v1/labels/a", R"({"text": ")" + std::string(101, 'a') + "\"}", "100 bytes");
  refuses("PUT", "/v1/labels/%ff", R"({"text": "rain"})", "not UTF-8");
  refuses("PUT", "/v1/labels/%zz", R"({"text": "rain"})", "no escape");
  refuses("PUT", "/v1/labels/" + std::string(5000, 'a'), R"({"text": "rain"})", "5000 bytes");
  refuses("POST", "/v1/labels", "{}", "'labels' is missing");
  refuses("POST", "/v1/labels", R"({"labels": []})", "1 to 3");
  refuses("POST", "/v1/labels", R"({"labels": [{"key": "a"}, {"text": "rain"}]})", "label 2");
  refuses("POST", "/v1/labels",
          R"({"labels": [{"key": "a", "text": "rain"}, {"key": "a", "text": "rain"}]})", "twice");
  EXPECT_EQ(ask("PUT", "/v1/labels/", R"({"text": "rain"})").status, 404);
  EXPECT_EQ(ask("DELETE", "/v1/labels").status, 405);
  EXPECT_EQ(store_->engine()->label_count(), 12u);
}

TEST_F(TinyCatalogue, CompactsIntoTheNextGeneration) {
  const std::uint64_t before = store_->engine()->generation();
  ask("PUT", "/v1/labels/new", R"({"text": "rain and snow"})");
  const json::value body = json::parse(ask("POST", "/v1/admin/compact").body);
  EXPECT_EQ(body.at("generation").to_number<std::uint64_t>(), before + 1);
  EXPECT_EQ(body.at("labels").to_number<int>(), 13);
  EXPECT_EQ(best("rain and snow"), "new");
}

TEST_F(TinyCatalogue, CompactsByItselfOnceEnoughLabelsChanged) {
  const std::uint64_t before = store_->engine()->generation();
  changes_.compact_changes = 3;
  ask("PUT", "/v1/labels/a", R"({"text": "rain"})");
  ask("PUT", "/v1/labels/b", R"({"text": "snow"})");
  EXPECT_EQ(store_->changed_labels(), 2u);
  EXPECT_FALSE(changes_.compaction_waits);
  ask("DELETE", "/v1/labels/music");
  upkeep_.stop();
  EXPECT_EQ(store_->engine()->generation(), before + 1);
  EXPECT_EQ(store_->changed_labels(), 0u);
  EXPECT_FALSE(changes_.compaction_waits);
}

TEST_F(TinyCatalogue, CopiesTheStoreAsItIsNow) {
  ask("PUT", "/v1/labels/new", R"({"text": "rain and snow"})");
  const HttpReply made = ask("POST", "/v1/admin/snapshot", R"({"name": "one"})");
  EXPECT_EQ(made.status, 201);
  EXPECT_EQ(json::parse(made.body).at("store").as_string(), (path_ / "snapshots/one").string());
  ask("PUT", "/v1/labels/later", R"({"text": "rain and snow"})");
  ask("POST", "/v1/admin/compact");
  EXPECT_TRUE(verify_store(path_ / "snapshots/one").empty());
  const auto copy = RetrievalEngine::open(path_ / "snapshots/one");
  EXPECT_EQ(copy.label_count(), 13u);
  EXPECT_EQ(copy.catalog().find_label("new")->text, "rain and snow");
  EXPECT_EQ(ask("POST", "/v1/admin/snapshot", R"({"name": "one"})").status, 400);
  for (const char* name : {"", ".", "..", "a/b", "a.tmp", "ä"})
    EXPECT_EQ(
        ask("POST", "/v1/admin/snapshot", json::serialize(json::object{{"name", name}})).status,
        400)
        << name;
  const HttpReply dated = ask("POST", "/v1/admin/snapshot");
  EXPECT_EQ(dated.status, 201);
  EXPECT_THAT(dated.body, HasSubstr(R"({"name":"20)"));
  EXPECT_EQ(ask("PUT", "/v1/labels/after", R"({"text": "rain"})").status, 201);
}

TEST_F(TinyCatalogue, MakesAChangeOnceForItsIdempotencyKey) {
  const Headers key = {{"Idempotency-Key", "k1"}};
  EXPECT_EQ(ask("PUT", "/v1/labels/new", R"({"text": "rain"})", key).status, 201);
  const HttpReply again = ask("PUT", "/v1/labels/new", R"({"text": "rain"})", key);
  EXPECT_EQ(again.status, 201);
  EXPECT_EQ(again.headers.at(0).first, "Idempotency-Replayed");
  EXPECT_EQ(ask("PUT", "/v1/labels/new", R"({"text": "snow"})", key).status, 422);
  EXPECT_EQ(ask("PUT", "/v1/labels/new", R"({"text": "snow"})", {{"Idempotency-Key", "k2"}}).status,
            200);
  EXPECT_EQ(ask("PUT", "/v1/labels/new", "{}", {{"Idempotency-Key", std::string(256, 'a')}}).status,
            400);
  for (int i = 0; i < 4; ++i)
    ask("DELETE", "/v1/labels/none", "", {{"Idempotency-Key", "other" + std::to_string(i)}});
  EXPECT_EQ(ask("PUT", "/v1/labels/new", R"({"text": "rain"})", key).status, 200);  // forgotten
}

TEST_F(TinyCatalogue, AnswersAheadOfTheDiskOnlyWhereThatIsAskedFor) {
  const HttpReply ahead =
      ask("PUT", "/v1/labels/new?durability=async", R"({"text": "rain and snow"})");
  EXPECT_EQ(ahead.status, 202);
  EXPECT_EQ(ask("PUT", "/v1/labels/new?durability=none", R"({"text": "rain"})").status, 400);
  writers_.stop();
  EXPECT_EQ(best("rain and snow"), "new");
  EXPECT_EQ(ask("PUT", "/v1/labels/b?durability=async", R"({"text": "rain"})").status, 429);
}

TEST_F(TinyCatalogue, RefusesChangesBeyondTheQueueAndAfterAStop) {
  std::promise<void> gate;
  std::atomic<int> begun = 0;
  const std::shared_future<void> opened = gate.get_future().share();
  const auto wait = [&begun, opened] {
    ++begun;
    opened.wait();
  };
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(writers_.submit(wait));
  while (begun < 2) std::this_thread::yield();
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(writers_.submit(wait));
  const HttpReply full = ask("PUT", "/v1/labels/new", R"({"text": "rain"})");
  EXPECT_EQ(full.status, 429);
  EXPECT_EQ(full.headers.at(0).first, "Retry-After");
  gate.set_value();
  writers_.stop();
  stopping_ = true;
  EXPECT_EQ(ask("PUT", "/v1/labels/new", R"({"text": "rain"})").status, 503);
}

TEST_F(TinyCatalogue, ListsItsLabelsAsTheyAreNowPageByPage) {
  const auto page = [&](const std::string& parameters) {
    return json::parse(ask("GET", "/v1/labels" + parameters).body);
  };
  const auto keys = [](const json::value& list) {
    std::vector<std::string> found;
    for (const json::value& label : list.at("labels").as_array())
      found.emplace_back(label.at("key").as_string());
    return found;
  };
  const std::vector<std::string> all = keys(page(""));
  EXPECT_EQ(all.size(), 12u);
  EXPECT_TRUE(page("").at("next").is_null());
  ask("DELETE", "/v1/labels/" + all[1]);
  ask("PUT", "/v1/labels/" + all[2], R"({"name": "Changed now", "text": "rain"})");
  ask("PUT", "/v1/labels/new", R"({"name": "New", "text": "rain"})");
  std::vector<std::string> expected = all;
  expected.erase(expected.begin() + 1);
  expected.push_back("new");
  std::vector<std::string> found;
  std::string after;
  for (json::value list = page("?limit=5");; list = page("?limit=5" + after)) {
    for (std::string& key : keys(list)) found.push_back(std::move(key));
    if (list.at("next").is_null()) break;
    EXPECT_EQ(keys(list).size(), 5u);
    after = "&after=" + json::serialize(list.at("next"));
  }
  EXPECT_EQ(found, expected);
  EXPECT_EQ(keys(page("?query=changed+NOW")), std::vector<std::string>{all[2]});
  EXPECT_EQ(keys(page("?query=nEw")), std::vector<std::string>{"new"});
  EXPECT_TRUE(keys(page("?query=nothing+like+it")).empty());
  for (const char* wrong :
       {"?limit=0", "?limit=1001", "?limit=x", "?after=-1", "?after=4294967296"})
    EXPECT_EQ(ask("GET", std::string("/v1/labels") + wrong).status, 400) << wrong;
}

TEST_F(TinyCatalogue, IsOnlyReadWhereNothingChangesIt) {
  const HttpApi reader(parts(no_keys_, nullptr));
  EXPECT_EQ(testing::ask(reader, "GET", "/v1/labels/music").status, 200);
  for (const auto& [method, target] : std::vector<std::pair<std::string, std::string>>{
           {"PUT", "/v1/labels/a"}, {"DELETE", "/v1/labels/a"}, {"POST", "/v1/admin/compact"}})
    EXPECT_EQ(testing::ask(reader, method, target, "{}").status, 403) << target;
}

TEST_F(TinyCatalogue, AsksForAKeyThatMayDoIt) {
  testing::write_bytes(folder_ / "keys", "writer\nreader read\n");
  const ApiKeys keys(folder_ / "keys");
  const HttpApi api(parts(keys, &changes_));
  const auto status = [&](const std::string& method, const std::string& target,
                          const Headers& headers) {
    const std::string body = method == "GET" ? "" : R"({"text": "rain"})";
    return testing::ask(api, method, target, body, headers).status;
  };
  const HttpReply without = testing::ask(api, "POST", "/v1/query", R"({"text": "rain"})");
  EXPECT_EQ(without.status, 401);
  EXPECT_EQ(without.content_type, "application/problem+json");
  EXPECT_EQ(without.headers.at(0),
            (std::pair<std::string, std::string>{"WWW-Authenticate", "Bearer realm=\"dexter\""}));
  const Headers reader = {{"Authorization", "Bearer reader"}};
  EXPECT_EQ(status("POST", "/v1/query", reader), 200);
  EXPECT_EQ(status("POST", "/v1/query", {{"authorization", "bearer  reader"}}), 200);
  EXPECT_EQ(status("POST", "/v1/query", {{"X-API-Key", "reader"}}), 200);
  EXPECT_EQ(status("POST", "/v1/query", {{"Authorization", "Basic eDp5"}, {"x-api-key", "reader"}}),
            200);
  EXPECT_EQ(status("POST", "/v1/query", {{"Authorization", "Bearer nobody"}}), 401);
  EXPECT_EQ(status("POST", "/v1/query", {{"Authorization", "reader"}}), 401);
  EXPECT_EQ(status("GET", "/v1/labels/music", reader), 200);
  EXPECT_EQ(status("PUT", "/v1/labels/new", reader), 403);
  EXPECT_EQ(status("POST", "/v1/admin/compact", reader), 403);
  EXPECT_FALSE(store_->find_label("new"));
  EXPECT_EQ(status("PUT", "/v1/labels/new", {{"Authorization", "Bearer writer"}}), 201);
  EXPECT_EQ(status("GET", "/livez", {}), 200);
  EXPECT_EQ(status("GET", "/readyz", {}), 200);
}

TEST_F(TinyCatalogue, ChangesAndAnswersOnManyThreads) {
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) {
        const std::string target = "/v1/labels/" + std::to_string(t) + "/" + std::to_string(i);
        wrong += ask("PUT", target, R"({"text": "rain and snow"})").status == 201 ? 0 : 1;
        wrong += ask("GET", target).status == 200 ? 0 : 1;
        const int compacted = ask("POST", "/v1/admin/compact").status;
        wrong += compacted == 200 || compacted == 429 ? 0 : 1;
        if (i % 2 == 0) wrong += ask("DELETE", target).status == 200 ? 0 : 1;
        wrong += ask("GET", target).status == (i % 2 == 0 ? 404 : 200) ? 0 : 1;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(store_->engine()->label_count(), 12u + 15u);
}

}  // namespace
}  // namespace dexter
