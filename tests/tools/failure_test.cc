#include <gmock/gmock.h>
#include <sys/stat.h>
#include <boost/json.hpp>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "storage/catalog.h"
#include "tests/tools/tiny_run.h"

namespace dexter::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::vector<std::string> with(std::vector<std::string> first,
                              const std::vector<std::string>& more) {
  first.insert(first.end(), more.begin(), more.end());
  return first;
}

TEST(CommandLineFailures, ABadRowNamesFileAndLineAndLeavesNoStoreBehind) {
  const TinyRun tiny;
  const std::string file = (tiny.folder / "bad.jsonl").string();
  write_bytes(file,
              "{\"id\":\"a\",\"text\":\"one\",\"labels\":[\"music\"]}\n"
              "{\"id\":\"b\",\"text\":\"two\",\"labels\":[\"musik\"]}\n");
  const std::vector<std::string> import = {
      "import", "--store", tiny.store, "--train", file, "--labels", tiny.files.labels.string()};
  const Outcome refused = run(import);
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("bad.jsonl:2: "));
  EXPECT_FALSE(std::filesystem::exists(tiny.store));
  const Outcome tolerated = run_ok(with(import, {"--skip-bad", "1", "--json"}));
  EXPECT_EQ(boost::json::parse(tolerated.out).at("skipped"), 1);
  EXPECT_THAT(tolerated.err, HasSubstr("warning: skipped"));
}

TEST(CommandLineFailures, ABadRowLeavesTheFormerCorpusAsItWas) {
  const TinyRun tiny;
  tiny.make_all();
  const std::string file = (tiny.folder / "bad.jsonl").string();
  write_bytes(file, "{\"id\":\"a\",\"text\":\"one\",\"labels\":[\"music\"]}\nnot json\n");
  const Outcome without = run({"import", "--store", tiny.store, "--train", file});
  EXPECT_EQ(without.code, 2);
  EXPECT_THAT(without.err, HasSubstr("--replace"));
  EXPECT_EQ(run({"import", "--store", tiny.store, "--train", file, "--replace"}).code, 2);
  EXPECT_THAT(run_ok({"query", "--store", tiny.store, "piano songs"}).out, HasSubstr("Music"));
  EXPECT_EQ(run({"verify", "--store", tiny.store}).code, 0);
}

TEST(CommandLineFailures, AStoreThatAnotherWritesToIsUnavailableToWritersOnly) {
  const TinyRun tiny;
  tiny.make_all();
  const Catalog writer = Catalog::open(tiny.store, OpenMode::kWrite);
  for (const std::vector<std::string>& verb : {std::vector<std::string>{"train"},
                                               {"index"},
                                               {"labels", "add", "k"},
                                               {"labels", "remove", "music"}}) {
    const Outcome outcome = run(with(verb, {"--store", tiny.store}));
    EXPECT_EQ(outcome.code, 6) << verb.front() << outcome.err;
  }
  EXPECT_EQ(run({"query", "--store", tiny.store, "piano songs"}).code, 0);
  const Outcome evaluated = run({"eval", "--store", tiny.store});
  EXPECT_EQ(evaluated.code, 0);
  EXPECT_THAT(evaluated.err, HasSubstr("was not kept in the store"));
}

TEST(CommandLineFailures, AWrongKeyNamesItsNearestNeighbour) {
  const TinyRun tiny;
  tiny.import();
  const Outcome outcome = run({"train", "--store", tiny.store, "--set", "train.epoch=3"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("'train.epochs'"));
  EXPECT_EQ(run({"config", "index.prob"}).code, 2);
  EXPECT_THAT(run({"config", "index.prob"}).err, HasSubstr("'index.probes'"));
}

TEST(CommandLineFailures, TheCommandToRunIsNamedWhereAStepIsMissing) {
  const TinyRun tiny;
  tiny.import();
  const Outcome index = run({"index", "--store", tiny.store});
  EXPECT_EQ(index.code, 3);
  EXPECT_THAT(index.err, HasSubstr("dexter train"));
  const Outcome query = run({"query", "--store", tiny.store, "a text"});
  EXPECT_EQ(query.code, 3);
  EXPECT_THAT(query.err, HasSubstr("dexter train"));
  tiny.train();
  EXPECT_THAT(run({"query", "--store", tiny.store, "a text"}).err, HasSubstr("dexter index"));
}

TEST(CommandLineFailures, AFullDiskUnderTheResultIsAnError) {
  const std::string command = std::string(DEXTER_BINARY) + " --help > /dev/full 2> /dev/null";
  EXPECT_EQ(WEXITSTATUS(std::system(command.c_str())), 7);
}

TEST(CommandLineFailures, AReaderThatGoesAwayIsNone) {
  const TinyRun tiny;
  tiny.make_all();
  std::string texts;
  for (int i = 0; i < 20000; ++i) texts += "piano songs\n";
  write_bytes(tiny.folder / "texts.txt", texts);
  const std::string command = "bash -c 'set -o pipefail; " + std::string(DEXTER_BINARY) +
                              " query --store " + tiny.store + " < " +
                              (tiny.folder / "texts.txt").string() + " 2> " +
                              (tiny.folder / "err").string() + " | head -n 1 > /dev/null'";
  EXPECT_EQ(WEXITSTATUS(std::system(command.c_str())), 0);
  EXPECT_EQ(read_bytes(tiny.folder / "err"), "");
}

TEST(Configuration, LaterSourcesWin) {
  const TempDir folder;
  const std::string file = (folder / "c.json").string();
  write_bytes(file, "{\"train\": {\"epochs\": 7, \"seed\": 8}}");
  const auto value = [&](const std::string& key, const std::vector<std::string>& more) {
    return run_ok(with({"config", key}, more)).out;
  };
  EXPECT_EQ(value("train.epochs", {"--config", file}), "7\n");
  EXPECT_EQ(value("train.epochs", {"--config", file, "--set", "train.epochs=9"}), "9\n");
  EXPECT_EQ(value("train.seed", {"--config", file, "--set", "train.epochs=9"}), "8\n");
  EXPECT_NE(value("train.epochs", {"--preset", "fast"}), value("train.epochs", {}));
  EXPECT_EQ(value("train.epochs", {"--preset", "fast", "--config", file}), "7\n");
}

TEST(Configuration, IsWrittenToAFileThatIsReadBack) {
  const TempDir folder;
  const std::string file = (folder / "c.json").string();
  run_ok({"config", "--preset", "fast", "--set", "index.recall=0.97", "--write", file});
  const std::string all = run_ok({"config", "--json", "--config", file}).out;
  EXPECT_EQ(all,
            run_ok({"config", "--json", "--preset", "fast", "--set", "index.recall=0.97"}).out);
}

TEST(Configuration, OfAStoreIsWhereIndexStarts) {
  const TinyRun tiny;
  tiny.import();
  tiny.train();
  EXPECT_EQ(run_ok({"config", "encoder.dim", "--store", tiny.store}).out, "32\n");
  run_ok({"index", "--store", tiny.store, "--kind", "hnsw", "--set", "index.links=8"});
  run_ok({"index", "--store", tiny.store});
  const auto facts = boost::json::parse(run_ok({"info", "--store", tiny.store, "--json"}).out);
  EXPECT_EQ(facts.at("generation").at("index_kind"), "hnsw");
  EXPECT_EQ(facts.at("config").at("index").at("links"), 8);
  EXPECT_EQ(facts.at("config").at("encoder").at("dim"), 32);
}

TEST(Interruption, StopsTrainingAndResumeGoesOnToTheSameEncoder) {
  const TinyRun whole;
  whole.import();
  const TinyRun tiny;
  tiny.import();
  const std::vector<std::string> settings = tiny_settings("400");
  const auto fingerprint = [](const Outcome& outcome) {
    return boost::json::parse(outcome.out).at("fingerprint");
  };
  const auto expected =
      fingerprint(run_ok(with({"train", "--store", whole.store, "--json"}, settings)));

  Process process(with({"train", "--store", tiny.store}, settings));
  ASSERT_TRUE(process.wait_for_output("1/400"));
  process.send(SIGINT);
  const Outcome stopped = process.finish();
  ASSERT_EQ(stopped.code, 130) << stopped.err << stopped.out;
  EXPECT_THAT(stopped.err, HasSubstr("stopping at the next safe point"));
  EXPECT_THAT(stopped.err, HasSubstr("go on with: dexter train --store " + tiny.store));
  EXPECT_THAT(stopped.err, HasSubstr(" --resume\n"));
  EXPECT_EQ(run({"verify", "--store", tiny.store}).code, 0);

  const Outcome resumed =
      run_ok(with({"train", "--store", tiny.store, "--json", "--resume"}, settings));
  EXPECT_EQ(boost::json::parse(resumed.out).at("resumed"), true);
  EXPECT_EQ(fingerprint(resumed), expected);
}

TEST(Interruption, ResumeBeginsWhereNoEpochWasFinished) {
  const TinyRun tiny;
  tiny.import();
  const Outcome outcome =
      run_ok(with({"train", "--store", tiny.store, "--resume"}, tiny_settings("2")));
  EXPECT_THAT(outcome.out, HasSubstr("2/2"));
  EXPECT_THAT(outcome.err, HasSubstr("no checkpoint to resume from"));
}

// The corpus comes through a pipe, so that the import is still reading when the signal arrives.
TEST(Interruption, OfAnImportLeavesNoStore) {
  const TempDir folder;
  const std::string pipe = (folder / "train.jsonl").string();
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const std::string store = (folder / "store").string();
  Process process({"import", "--store", store, "--format", "jsonl", "--train", pipe});
  std::ofstream rows(pipe);  // waits until the import has opened it
  const auto write_rows = [&rows](int first, int last) {
    for (int i = first; i < last; ++i)
      rows << "{\"id\":\"" << i << "\",\"text\":\"one\",\"labels\":[\"l\"]}\n";
    rows.flush();
  };
  write_rows(0, 10);
  process.send(SIGINT);
  ASSERT_TRUE(process.wait_for_error("stopping at the next safe point"));
  write_rows(10, 5000);
  rows.close();
  const Outcome outcome = process.finish();
  EXPECT_EQ(outcome.code, 130) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("the store is as it was before"));
  EXPECT_FALSE(std::filesystem::exists(store));
}

TEST(Interruption, EndsAQueryThatWaitsForInputAtOnce) {
  const TinyRun tiny;
  tiny.make_all();
  Process process({"query", "--store", tiny.store, "-k", "1"});
  process.write_input("piano songs\n");
  ASSERT_TRUE(process.wait_for_output("Music"));
  process.send(SIGTERM);
  ASSERT_TRUE(process.ends_within(std::chrono::seconds(10)));  // its input is still open
  EXPECT_EQ(process.finish().code, 130);
}

}  // namespace
}  // namespace dexter::testing
