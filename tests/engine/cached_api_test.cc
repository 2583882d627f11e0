#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "engine/http_api.h"
#include "tests/engine/ask_api.h"
#include "tests/engine/tiny_store.h"
#include "tests/support/temp_dir.h"

namespace dexter {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// A store that changes under its cache.
class CachedApi : public ::testing::Test {
 protected:
  ~CachedApi() override {
    writers_.stop();
    upkeep_.stop();
  }
  static std::filesystem::path copied_store(const std::filesystem::path& folder) {
    static const testing::TempDir built;
    static const std::filesystem::path store = tiny::indexed_store(built.path());
    std::filesystem::copy(store, folder / "store", std::filesystem::copy_options::recursive);
    return folder / "store";
  }
  ServeOptions options(int max_k) {
    ServeOptions options;
    options.max_k = max_k;
    return options;
  }
  HttpReply ask(const std::string& method, const std::string& target, const std::string& body) {
    return testing::ask(api_, method, target, body);
  }
  std::string query(const std::string& body) { return ask("POST", "/v1/query", body).body; }

  testing::TempDir folder_;
  std::unique_ptr<LiveStore> store_ = LiveStore::open(copied_store(folder_.path()));
  TaskPool writers_{1, 16};
  TaskPool upkeep_{1, 4};
  IdempotentReplies replies_{16};
  StoreChanges changes_{.store = *store_,
                        .writers = writers_,
                        .upkeep = upkeep_,
                        .progress = {},
                        .replies = replies_};
  ReplyCache cache_{1 << 20};
  ApiKeys keys_;
  QueryBatcher batcher_{{.workers = 1}, [this] { return store_->engine(); }};
  HttpApi api_{{.options = options(10),
                .version = "1",
                .batcher = batcher_,
                .engine = [this] { return store_->engine(); },
                .stopping = [] { return false; },
                .keys = keys_,
                .changes = &changes_,
                .cache = &cache_}};
};

TEST_F(CachedApi, AnswersTheSameQueryFromTheCache) {
  const std::string body = R"({"text": "rain and wind", "k": 2})";
  const std::string first = query(body);
  EXPECT_EQ(cache_.figures().hits, 0u);
  EXPECT_EQ(query(body), first);
  EXPECT_EQ(cache_.figures().hits, 1u);
  EXPECT_EQ(batcher_.figures().texts, 1u);
  EXPECT_NE(query(R"({"text": "rain and wind", "k": 3})"), first);
  EXPECT_EQ(cache_.figures().hits, 1u);
}

TEST_F(CachedApi, AnswersWithAPutLabelInTheNextQueryAndWithoutARemovedOne) {
  const std::string body = R"({"text": "rain and wind", "k": 3})";
  for (int i = 0; i < 2; ++i) EXPECT_THAT(query(body), Not(HasSubstr("storms")));
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(ask("PUT", "/v1/labels/storms", R"({"text": "rain and wind"})").status, 201);
    for (int i = 0; i < 2; ++i) EXPECT_THAT(query(body), HasSubstr("\"storms\""));
    EXPECT_EQ(ask("DELETE", "/v1/labels/storms", "").status, 200);
    for (int i = 0; i < 2; ++i) EXPECT_THAT(query(body), Not(HasSubstr("storms")));
  }
  EXPECT_EQ(cache_.figures().hits, 7u);
}

TEST_F(CachedApi, TellsTheGenerationThatAnswersAfterACompaction) {
  const std::string body = R"({"text": "rain and wind"})";
  const std::string before = query(body);
  EXPECT_EQ(ask("PUT", "/v1/labels/unlike", R"({"text": "piano"})").status, 201);
  EXPECT_EQ(ask("POST", "/v1/admin/compact", "").status, 200);
  const std::string after = query(body);
  EXPECT_NE(after.substr(0, after.find(',')), before.substr(0, before.find(',')));
}

TEST_F(CachedApi, KeepsToTheOptionsOfTheMoment) {
  const std::string body = R"({"text": "rain and wind", "k": 8})";
  for (int i = 0; i < 2; ++i) EXPECT_EQ(ask("POST", "/v1/query", body).status, 200);
  api_.set_options(options(7));
  EXPECT_EQ(ask("POST", "/v1/query", body).status, 400);
}

TEST_F(CachedApi, KeepsNoTimesAndNoErrors) {
  for (const char* body : {R"({"text": "rain", "timing": true})", R"({"text": 1})"})
    for (int i = 0; i < 2; ++i) query(body);
  EXPECT_EQ(cache_.figures().replies, 0u);
}

}  // namespace
}  // namespace dexter
