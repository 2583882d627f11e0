#include <gmock/gmock.h>
#include <boost/json.hpp>

#include <string>
#include <utility>
#include <vector>

#include "tests/support/corpus_files.h"
#include "tests/tools/run_dexter.h"
#include "tests/tools/served.h"
#include "tests/tools/tiny_run.h"

namespace dexter::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class RemoteQuery : public ::testing::Test {
 protected:
  RemoteQuery() { tiny.make_all(); }
  std::vector<std::string> by(const std::string& option, const std::string& where,
                              const std::vector<std::string>& more) {
    std::vector<std::string> all = {"query", option, where};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  const TinyRun tiny;
};

TEST_F(RemoteQuery, AnswersInTheWordsOfTheStore) {
  const Served served(tiny.store);
  const std::vector<std::vector<std::string>> all = {
      {"rain and wind", "a cat and a dog"},
      {"-k", "3", "--json", "rain and wind", "", "\"quoted\" \\ and ü"},
      {"-k", "2", "--only", "music", "--only", "animals", "a cat"},
      {"-k", "3", "--offset", "2", "--json", "rain and wind", "a cat"},
      {"-k", "12", "--threshold", "0.2", "rain and wind", "a cat"},
      {"--offset", "1", "--threshold", "0.2", "--json", "rain and wind"},
      {"--offset", "12", "rain", "--threshold", "-1"},
      {"--json", "-k", "2"}};
  const RunOptions lines{.input = "rain\n\na piano concert with songs\n"};
  for (const auto& more : all) {
    const Outcome local = run(by("--store", tiny.store, more), lines);
    const Outcome remote = run(by("--url", served.url(), more), lines);
    EXPECT_EQ(local.code, 0) << local.err;
    EXPECT_EQ(remote.code, 0) << remote.err;
    EXPECT_EQ(remote.out, local.out);
    EXPECT_EQ(remote.err, "");
  }
}

TEST_F(RemoteQuery, FindsDocumentsAsTheStoreDoes) {
  const std::vector<std::string> documents = {"--space", "documents", "rain and wind", "a cat"};
  {
    const Served without(tiny.store);
    const Outcome refused = run(by("--url", without.url(), documents));
    EXPECT_NE(refused.code, 0);
    EXPECT_THAT(refused.err, HasSubstr("--documents"));
  }
  run_ok({"index", "--store", tiny.store, "--documents"});
  const Served served(tiny.store);
  for (std::vector<std::string> more : {std::vector<std::string>{},
                                        {"-k", "3", "--json"},
                                        {"-k", "2", "--offset", "1", "--threshold", "0.1"}}) {
    more.insert(more.end(), documents.begin(), documents.end());
    const Outcome local = run_ok(by("--store", tiny.store, more));
    EXPECT_EQ(run_ok(by("--url", served.url(), more)).out, local.out);
    EXPECT_THAT(local.out, HasSubstr("train-"));
  }
}

// More labels than a server gives at once, read by pages.
TEST_F(RemoteQuery, TurnsPagesBeyondTheMostLabelsOfOneAnswer) {
  std::string lines;
  for (int i = 0; i < 2300; ++i) {
    const std::string n = std::to_string(i);
    lines += R"({"id": "more )" + n + R"(", "name": "more", "text": "rain or snow in year )" + n +
             "\"}\n";
  }
  const std::string file = (tiny.folder / "more.jsonl").string();
  write_bytes(file, lines);
  run_ok({"labels", "add", "--store", tiny.store, "--file", file});
  const auto keys = [&](const std::string& option, const std::string& where, int k, int offset) {
    const Outcome outcome = run_ok(by(
        option, where,
        {"--json", "-k", std::to_string(k), "--offset", std::to_string(offset), "rain and snow"}));
    std::vector<std::string> found;
    const boost::json::value answer = boost::json::parse(outcome.out);
    for (const auto& label : answer.at("labels").as_array())
      found.emplace_back(label.at("key").as_string());
    return found;
  };
  const std::vector<std::string> all = keys("--store", tiny.store, 2312, 0);
  ASSERT_EQ(all.size(), 2312U);
  const Served served(tiny.store);
  for (const auto& [option, where] :
       {std::pair<std::string, std::string>{"--store", tiny.store}, {"--url", served.url()}}) {
    std::vector<std::string> pages = keys(option, where, 2048, 0);
    const std::vector<std::string> last = keys(option, where, 2048, 2048);
    EXPECT_EQ(last.size(), 264U);
    pages.insert(pages.end(), last.begin(), last.end());
    EXPECT_EQ(pages, all) << option;
  }
}

TEST_F(RemoteQuery, AsksForManyTextsAtOnce) {
  const Served served(tiny.store);
  RunOptions lines;
  for (int i = 0; i < 300; ++i) lines.input += "a cat and number " + std::to_string(i) + "\n";
  const Outcome local = run({"query", "--store", tiny.store, "--json", "-k", "1"}, lines);
  EXPECT_EQ(run({"query", "--url", served.url() + "/", "--json", "-k", "1"}, lines).out, local.out);
}

TEST_F(RemoteQuery, BringsAKeyFromAFileOrTheEnvironment) {
  const std::string keys = (tiny.folder / "keys").string();
  const std::string mine = (tiny.folder / "mine").string();
  const std::string empty = (tiny.folder / "empty").string();
  write_bytes(keys, "secret read\n");
  write_bytes(mine, "secret\nand a remark\n");
  write_bytes(empty, "\n");
  const Served served(tiny.store, {"--api-key-file", keys});
  const auto outcome = [&](std::vector<std::string> more, const RunOptions& options = {}) {
    more.emplace_back("rain");
    return run(by("--url", served.url(), more), options);
  };
  const Outcome without = outcome({});
  EXPECT_EQ(without.code, 2);
  EXPECT_THAT(without.err, HasSubstr("a key is wanted"));
  EXPECT_EQ(outcome({"--api-key-file", mine}).code, 0);
  EXPECT_EQ(outcome({}, {.env = {{"DEXTER_API_KEY", "secret"}}}).code, 0);
  EXPECT_EQ(outcome({}, {.env = {{"DEXTER_API_KEY", "other"}}}).code, 2);
  EXPECT_EQ(outcome({"--api-key-file", mine}, {.env = {{"DEXTER_API_KEY", "other"}}}).code, 0);
  EXPECT_THAT(outcome({"--api-key-file", empty}).err, HasSubstr("it holds no key"));
}

TEST_F(RemoteQuery, PassesOnWhatTheServerSays) {
  const Served served(tiny.store);
  const Outcome unknown = run(by("--url", served.url(), {"--only", "no such label", "rain"}));
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("none of the key 'no such label'"));
  const Outcome many = run(by("--url", served.url(), {"-k", "2049", "rain"}));
  EXPECT_EQ(many.code, 2);
  EXPECT_THAT(many.err, HasSubstr("1 to 2048"));
  const Outcome far = run(by("--url", served.url(), {"--offset", "100001", "rain"}));
  EXPECT_EQ(far.code, 2);
  EXPECT_THAT(far.err, AllOf(HasSubstr("'offset'"), HasSubstr("100000")));
  EXPECT_EQ(run(by("--url", served.url() + "/elsewhere", {"rain"})).code, 3);
}

TEST_F(RemoteQuery, TellsWhatIsWrongWithItsOptions) {
  const Outcome absent = run(by("--url", "http://127.0.0.1:1", {"rain"}));
  EXPECT_EQ(absent.code, 6);
  EXPECT_THAT(absent.err, HasSubstr("is a server running there?"));
  for (const char* wrong : {"127.0.0.1:80", "ftp://a", "http://", "http://a:b", "http://a:123456",
                            "http://[::1", "http://a?b", "http://user@a", "http://a b"}) {
    const Outcome outcome = run(by("--url", wrong, {"rain"}));
    EXPECT_EQ(outcome.code, 2) << wrong;
    EXPECT_THAT(outcome.err, HasSubstr("http://127.0.0.1:8080")) << wrong;
  }
  for (const std::vector<std::string>& more :
       std::vector<std::vector<std::string>>{{"--store", tiny.store},
                                             {"--threads", "1"},
                                             {"--device", "auto"},
                                             {"--device-memory", "0.5"},
                                             {"--device-codes", "8"}}) {
    std::vector<std::string> words = by("--url", "http://127.0.0.1:1", more);
    words.emplace_back("rain");
    EXPECT_EQ(run(words).code, 2) << more[0];
  }
  EXPECT_EQ(run(by("--store", tiny.store, {"--api-key-file", "any", "rain"})).code, 2);
  for (const std::vector<std::string>& wrong :
       std::vector<std::vector<std::string>>{{"--offset", "-1"},
                                             {"--offset", "many"},
                                             {"--threshold", "high"},
                                             {"--threshold", "nan"},
                                             {"--device", "tpu"}}) {
    std::vector<std::string> words = by("--store", tiny.store, wrong);
    words.emplace_back("rain");
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.code, 2) << wrong[0] << " " << wrong[1];
    EXPECT_THAT(outcome.err, HasSubstr(wrong[0]));
  }
}

TEST_F(RemoteQuery, SearchesOnTheProcessorsWhereThereIsNoGpu) {
  const Outcome plain = run(by("--store", tiny.store, {"--json", "rain"}));
  EXPECT_EQ(run(by("--store", tiny.store, {"--json", "--device", "auto", "rain"})).out, plain.out);
  const Outcome cuda = run(by("--store", tiny.store, {"--json", "--device", "cuda", "rain"}));
  if (cuda.code == 0)
    EXPECT_EQ(cuda.out, plain.out);
  else
    EXPECT_THAT(cuda.err, HasSubstr("no GPU"));
}

}  // namespace
}  // namespace dexter::testing
