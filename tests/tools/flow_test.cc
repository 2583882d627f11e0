#include <gmock/gmock.h>
#include <boost/json.hpp>

#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "tests/tools/tiny_run.h"

namespace dexter::testing {
namespace {

namespace json = boost::json;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

json::object json_of(const std::vector<std::string>& arguments, const RunOptions& options = {}) {
  return json::parse(run_ok(arguments, options).out).as_object();
}

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::string first_key(const json::object& answer) {
  return std::string(answer.at("labels").as_array().at(0).as_object().at("key").as_string());
}

TEST(CommandLineFlow, GoesFromACorpusToAnswers) {
  const TinyRun tiny;
  const Outcome imported = tiny.import();
  EXPECT_THAT(imported.out, HasSubstr("training documents"));
  EXPECT_THAT(imported.err, HasSubstr("next: dexter train --store " + tiny.store));
  const Outcome trained = tiny.train();
  EXPECT_THAT(trained.out, HasSubstr("30/30"));
  EXPECT_THAT(trained.err, HasSubstr("next: dexter index --store " + tiny.store));
  EXPECT_THAT(tiny.index().out, HasSubstr("flat"));

  const Outcome answer = run_ok({"query", "--store", tiny.store, "-k", "2", "a grey cat"});
  EXPECT_THAT(answer.out, StartsWith("a grey cat\n"));
  EXPECT_THAT(lines_of(answer.out).at(1), HasSubstr("Animals"));
  EXPECT_EQ(first_key(json_of(
                {"query", "--store", tiny.store, "--json", "--only", "music", "a grey cat"})),
            "music");

  const json::object figures = json_of({"eval", "--store", tiny.store, "--json"});
  for (const char* key : {"P@1", "P@3", "P@5", "R@10", "nDCG@5", "PSP@5", "queries_per_second"})
    EXPECT_TRUE(figures.at(key).is_number()) << key;
  EXPECT_EQ(figures.at("documents"), 8);
  EXPECT_EQ(figures.at("labels"), 12);
  EXPECT_GE(figures.at("P@1").to_number<double>(), 75.0);  // six of the eight documents
}

TEST(CommandLineFlow, FindsDocumentsAndLetsThemVote) {
  const TinyRun tiny;
  tiny.make_all();
  const std::string text = "Two dogs chased a rabbit across the field.";
  const std::vector<std::string> query = {"query", "--store", tiny.store, "--space", "documents",
                                          "-k",    "2",       "--json",   text};
  EXPECT_EQ(run(query).code, 3);
  const json::object indexed =
      json_of({"index", "--store", tiny.store, "--documents", "--kind", "flat", "--json"});
  EXPECT_EQ(indexed.at("documents").at("documents"), 32);
  const json::array found = json_of(query).at("documents").as_array();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].at("key"), "train-1");
  EXPECT_EQ(std::string(found[0].at("text").as_string()), text);
  EXPECT_EQ(found[0].at("labels").at(0).at("key"), "animals");
  EXPECT_NEAR(found[0].at("score").to_number<double>(), 1, 1e-3);
  const json::array second = json_of({"query", "--store", tiny.store, "--space", "documents", "-k",
                                      "1", "--offset", "1", "--json", text})
                                 .at("documents")
                                 .as_array();
  EXPECT_EQ(second, json::array{found[1]});
  EXPECT_EQ(json_of({"query", "--store", tiny.store, "--space", "documents", "--threshold", "0.999",
                     "--json", text})
                .at("documents"),
            json::array{found[0]});
  EXPECT_THAT(run_ok({"info", "--store", tiny.store}).out, HasSubstr("flat of 32 documents"));
  const auto answer = [&](const char* memory) {
    return first_key(json_of({"query", "--store", tiny.store, "--memory", memory, "--json", text}));
  };
  EXPECT_EQ(answer("on"), "animals");
  EXPECT_EQ(answer("off"), "animals");
  const json::object figures =
      json_of({"eval", "--store", tiny.store, "--memory", "on", "--tail", "0.1", "--json"});
  EXPECT_GE(figures.at("P@1").to_number<double>(), 75.0);
  EXPECT_EQ(
      run({"query", "--store", tiny.store, "--space", "documents", "--only", "music", "x"}).code,
      2);
}

TEST(CommandLineFlow, AnswersAnAddedLabelAtTheNextQueryAndForgetsARemovedOne) {
  const TinyRun tiny;
  tiny.make_all();
  const std::vector<std::string> query = {"query", "--store", tiny.store,           "-k",
                                          "1",     "--json",  "keyboard and violin"};
  EXPECT_NE(first_key(json_of(query)), "added");
  run_ok({"labels", "add", "--store", tiny.store, "added", "--name", "Added", "--text",
          "keyboard and violin"});
  EXPECT_EQ(first_key(json_of(query)), "added");
  const json::object shown = json_of({"labels", "show", "--store", tiny.store, "added", "--json"});
  EXPECT_EQ(shown.at("text"), "keyboard and violin");
  EXPECT_EQ(shown.at("imported"), false);
  EXPECT_EQ(json_of({"labels", "list", "--store", tiny.store, "--json"}).at("all"), 13);
  tiny.index();  // the new generation holds it too
  EXPECT_EQ(first_key(json_of(query)), "added");
  run_ok({"labels", "remove", "--store", tiny.store, "added"});
  EXPECT_NE(first_key(json_of(query)), "added");
  EXPECT_EQ(run({"labels", "show", "--store", tiny.store, "added"}).code, 3);
}

TEST(CommandLineFlow, CompactsChangedLabelsIntoTheNextGenerationWithTheSameAnswers) {
  const TinyRun tiny;
  tiny.make_all();
  run_ok({"labels", "add", "--store", tiny.store, "added", "--text", "keyboard and violin"});
  run_ok({"labels", "remove", "--store", tiny.store, "money"});
  const std::vector<std::string> query = {"query", "--store", tiny.store,           "-k",
                                          "100",   "--json",  "keyboard and violin"};
  const Outcome before = run(query);
  const json::object report = json_of({"compact", "--store", tiny.store, "--json"});
  EXPECT_EQ(report.at("changes"), 2);
  EXPECT_EQ(report.at("labels"), 12);
  EXPECT_EQ(report.at("generation"), 2);
  EXPECT_EQ(run(query).out, before.out);
  EXPECT_EQ(json_of({"compact", "--store", tiny.store, "--json"}).at("generation"), 2);
}

TEST(CommandLineFlow, MergesTheEncodersOfTwoStores) {
  const TinyRun first, second;
  for (const TinyRun* tiny : {&first, &second}) {
    tiny->import();
    EXPECT_EQ(run({"merge", "--store", tiny->store, "--from", tiny->store, tiny->store}).code, 3);
    std::vector<std::string> train = {"train", "--store", tiny->store, "--seed",
                                      tiny == &first ? "1" : "2"};
    for (const std::string& word : tiny_settings("5")) train.push_back(word);
    train.insert(train.end(),
                 {"--set", "encoder.hidden=0", "--set", "train.validation_fraction=0.4"});
    run_ok(train);
  }
  const json::object report =
      json_of({"merge", "--store", first.store, "--from", first.store, second.store, "--json"});
  EXPECT_EQ(report.at("encoder"), "bag");
  EXPECT_EQ(report.at("dim"), 32);
  EXPECT_EQ(report.at("weights"), json::array({0.5, 0.5}));
  first.index();
  EXPECT_THAT(run_ok({"info", "--store", first.store}).out,
              HasSubstr(std::string(report.at("fingerprint").as_string())));
  const json::object learnt = json_of(
      {"merge", "--store", first.store, "--from", first.store, second.store, "--learn", "--json"});
  EXPECT_GT(learnt.at("learnt_on").as_int64(), 0);
  for (const char* name : {"1", "2", "equal", "learnt"})
    EXPECT_EQ(learnt.at("figures").at(name).as_object().size(), 3u) << name;
  const Outcome both = run({"merge", "--store", first.store, "--from", first.store, second.store,
                            "--learn", "--weights", "1", "2"});
  EXPECT_EQ(both.code, 2);
  const Outcome few = run({"merge", "--store", first.store, "--from", first.store, second.store,
                           "--weights", "1", "2", "3"});
  EXPECT_EQ(few.code, 2);
  EXPECT_THAT(few.err, HasSubstr("3 weights were given"));
}

TEST(CommandLineFlow, AddsLabelsOfAFileAllOrNone) {
  const TinyRun tiny;
  tiny.make_all();
  const std::string file = (tiny.folder / "new.jsonl").string();
  write_bytes(file,
              "{\"id\":\"n1\",\"name\":\"N1\",\"text\":\"dogs and doctors\"}\n"
              "{\"id\":\"n2\",\"name\":\"N2\",\"text\":");
  const Outcome bad = run({"labels", "add", "--store", tiny.store, "--file", file});
  EXPECT_EQ(bad.code, 2);
  EXPECT_THAT(bad.err, HasSubstr("new.jsonl:2: "));
  EXPECT_EQ(json_of({"labels", "list", "--store", tiny.store, "--json"}).at("all"), 12);
  write_bytes(file,
              "{\"id\":\"n1\",\"name\":\"N1\",\"text\":\"dogs and doctors\"}\n"
              "{\"id\":\"music\",\"name\":\"Music\",\"text\":\"piano music\"}\n");
  const json::object good =
      json_of({"labels", "add", "--store", tiny.store, "--file", file, "--json"});
  EXPECT_EQ(good.at("added"), 1);
  EXPECT_EQ(good.at("replaced"), 1);
  EXPECT_EQ(good.at("labels"), 13);
}

TEST(CommandLineFlow, RemovesNoLabelWhereOneIsNotThere) {
  const TinyRun tiny;
  tiny.import();
  const Outcome outcome = run({"labels", "remove", "--store", tiny.store, "music", "musik"});
  EXPECT_EQ(outcome.code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("'musik'"));
  EXPECT_EQ(json_of({"labels", "list", "--store", tiny.store, "--json"}).at("all"), 12);
}

TEST(CommandLineFlow, AnswersEveryLineOfStandardInputInItsPlace) {
  const TinyRun tiny;
  tiny.make_all();
  std::string input;
  for (int i = 0; i < 700; ++i) input += i % 2 == 0 ? "piano songs\n" : "trains and tickets\n";
  const Outcome outcome =
      run_ok({"query", "--store", tiny.store, "-k", "1", "--json"}, {.input = input + "\nlast"});
  const std::vector<std::string> lines = lines_of(outcome.out);
  ASSERT_EQ(lines.size(), 702u);
  EXPECT_EQ(outcome.err, "");
  for (std::size_t i = 0; i < 700; ++i)
    ASSERT_EQ(first_key(json::parse(lines[i]).as_object()), i % 2 == 0 ? "music" : "railways");
  EXPECT_EQ(json::parse(lines[700]), json::parse(R"({"text": "", "labels": []})"));
  EXPECT_EQ(json::parse(lines[701]).at("text"), "last");
}

TEST(CommandLineFlow, AnswersALineBeforeTheNextIsWritten) {
  const TinyRun tiny;
  tiny.make_all();
  Process process({"query", "--store", tiny.store, "-k", "1", "--json"});
  process.write_input("piano songs\n");
  EXPECT_TRUE(process.wait_for_output("\"music\""));
  process.write_input("trains and tickets\n");
  EXPECT_TRUE(process.wait_for_output("\"railways\""));
  EXPECT_EQ(process.finish().code, 0);
}

TEST(CommandLineFlow, EvaluatesAFileAndCountsLabelsThatTheStoreDoesNotHave) {
  const TinyRun tiny;
  tiny.make_all();
  const std::string file = (tiny.folder / "more.jsonl").string();
  write_bytes(file,
              "{\"id\":\"m1\",\"text\":\"piano songs\",\"labels\":[\"music\",\"unheard of\"]}\n"
              "{\"id\":\"m2\",\"text\":\"trains and tickets\",\"labels\":[\"railways\"]}\n");
  const Outcome outcome =
      run_ok({"eval", "--store", tiny.store, "--data", file, "-k", "1,2", "--json"});
  const json::object figures = json::parse(outcome.out).as_object();
  EXPECT_EQ(figures.at("documents"), 2);
  EXPECT_EQ(figures.at("unknown_label_mentions"), 1);
  EXPECT_EQ(figures.at("P@1").to_number<double>(), 100.0);
  EXPECT_EQ(figures.at("P@2").to_number<double>(), 50.0);
  EXPECT_THAT(outcome.err, HasSubstr("1 of 3 label mentions (33 %)"));
  EXPECT_THAT(outcome.err, HasSubstr("'unheard of'"));
  EXPECT_EQ(json_of({"info", "--store", tiny.store, "--json"}).at("evaluation"),
            json::value(figures));
}

TEST(CommandLineFlow, EvaluatesTheValidationPartWhereThereIsNoTestPart) {
  const TinyRun tiny;
  run_ok({"import", "--store", tiny.store, "--train", tiny.files.train.string(), "--labels",
          tiny.files.labels.string()});
  std::vector<std::string> train = {"train", "--store", tiny.store};
  for (const std::string& word : tiny_settings()) train.push_back(word);
  train.insert(train.end(), {"--set", "train.validation_fraction=0.4"});
  run_ok(train);
  tiny.index();
  const Outcome outcome = run_ok({"eval", "--store", tiny.store});
  EXPECT_THAT(outcome.out, StartsWith("validation part: "));
  EXPECT_THAT(outcome.err, HasSubstr("the store has no test documents"));
}

TEST(CommandLineFlow, WritesAPageOfTheEvaluation) {
  const TinyRun tiny;
  tiny.make_all();
  const std::string page = (tiny.folder / "page.html").string();
  run_ok({"eval", "--store", tiny.store, "--report", page});
  EXPECT_TRUE(read_bytes(page).starts_with("<!doctype html>"));
  const Outcome nowhere =
      run({"eval", "--store", tiny.store, "--report", (tiny.folder / "absent/page.html").string()});
  EXPECT_EQ(nowhere.code, 7) << nowhere.err;
}

TEST(CommandLineFlow, ExportsVectorsWithTheirKeys) {
  const TinyRun tiny;
  tiny.make_all();
  const std::string file = (tiny.folder / "labels.npy").string();
  run_ok({"export", "--store", tiny.store, "--what", "labels", "--out", file});
  EXPECT_EQ(std::filesystem::file_size(file), 128u + 12u * 32u * 4u);
  EXPECT_THAT(read_bytes(file), HasSubstr("'shape': (12, 32)"));
  EXPECT_EQ(lines_of(read_bytes(tiny.folder / "labels.ids.txt")).at(3), "music");
  const json::object documents =
      json_of({"export", "--store", tiny.store, "--what", "documents", "--split", "test", "--out",
               (tiny.folder / "test.npy").string(), "--json"});
  EXPECT_EQ(documents.at("rows"), 8);
  EXPECT_EQ(documents.at("dim"), 32);
  EXPECT_EQ(lines_of(read_bytes(tiny.folder / "test.ids.txt")).at(7), "test-7");
}

TEST(CommandLineFlow, SaysWhatTheStoreHoldsAndThatItIsWhole) {
  const TinyRun tiny;
  tiny.make_all();
  const json::object facts = json_of({"info", "--store", tiny.store, "--json"});
  EXPECT_EQ(facts.at("corpus").at("train_documents"), 32);
  EXPECT_EQ(facts.at("labels"), 12);
  EXPECT_EQ(facts.at("history").at("epochs").as_array().size(), 30u);
  EXPECT_EQ(facts.at("config").at("encoder").at("dim"), 32);
  EXPECT_GT(facts.at("bytes").to_number<std::uint64_t>(), 0u);
  EXPECT_THAT(run_ok({"info", "--store", tiny.store}).out,
              HasSubstr("32 training and 8 test documents"));
  const json::object whole = json_of({"verify", "--store", tiny.store, "--json"});
  EXPECT_EQ(whole.at("whole"), true);
  EXPECT_EQ(whole.at("damage").as_array().size(), 0u);
}

TEST(CommandLineFlow, NamesADamagedFileAndEndsWithItsCode) {
  const TinyRun tiny;
  tiny.make_all();
  const auto encoder = std::filesystem::directory_iterator(tiny.folder / "store/encoders")->path();
  flip_byte(encoder, std::filesystem::file_size(encoder) / 2);
  const Outcome outcome = run({"verify", "--store", tiny.store, "--json"});
  EXPECT_EQ(outcome.code, 4);
  const json::object report = json::parse(outcome.out).as_object();
  EXPECT_EQ(report.at("whole"), false);
  EXPECT_THAT(outcome.out, HasSubstr(encoder.filename().string()));
  EXPECT_THAT(outcome.err, HasSubstr("damaged"));
  EXPECT_EQ(run({"query", "--store", tiny.store, "a text"}).code, 4);
}

TEST(CommandLineFlow, KeepsStandardOutputForTheResultOfJson) {
  const TinyRun tiny;
  const json::object imported =
      json_of({"import", "--store", tiny.store, "--train", tiny.files.train.string(), "--test",
               tiny.files.test.string(), "--labels", tiny.files.labels.string(), "--json"});
  EXPECT_EQ(imported.at("train_documents"), 32);
  EXPECT_EQ(imported.at("labels_without_training"), 1);
  EXPECT_EQ(imported.at("train_pairs"), 40);  // 32 documents, 8 of them with two labels
  std::vector<std::string> train = {"train", "--store", tiny.store, "--json", "--quiet"};
  for (const std::string& word : tiny_settings("2")) train.push_back(word);
  const Outcome trained = run_ok(train);
  EXPECT_EQ(json::parse(trained.out).at("history").as_array().size(), 2u);
  EXPECT_EQ(trained.err, "");
  EXPECT_EQ(json_of({"index", "--store", tiny.store, "--json"}).at("kind"), "flat");
}

TEST(CommandLineFlow, MeasuresEveryKindOfIndexOnAStoreAndOnFiles) {
  const TinyRun tiny;
  tiny.make_all();
  const std::filesystem::path folder = std::filesystem::path(tiny.store).parent_path();
  const std::string base = folder / "base.npy", queries = folder / "queries.npy";
  run_ok({"export", "--store", tiny.store, "--what", "labels", "--out", base});
  run_ok({"export", "--store", tiny.store, "--what", "documents", "--split", "test", "--out",
          queries});
  for (const std::vector<std::string>& source :
       {std::vector<std::string>{"--store", tiny.store},
        std::vector<std::string>{"--base", base, "--queries", queries}}) {
    std::vector<std::string> words = {"bench", "index", "-k", "3", "--json"};
    words.insert(words.end(), source.begin(), source.end());
    const std::vector<std::string> lines = lines_of(run_ok(words).out);
    ASSERT_EQ(lines.size(), 6U);  // three kinds, two batch sizes
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const json::object row = json::parse(lines[i]).as_object();
      EXPECT_EQ(row.at("kind"), i < 2 ? "flat" : i < 4 ? "ivf" : "hnsw");
      EXPECT_EQ(row.at("batch"), i % 2 == 0 ? 1 : 64);
      EXPECT_FALSE(row.at("setting").as_string().empty());
      EXPECT_GT(row.at("queries_per_second").to_number<double>(), 0);
      EXPECT_GE(row.at("build_seconds").to_number<double>(), 0);
      EXPECT_GT(row.at("bytes_per_vector").to_number<double>(), 0);
      if (i < 2) {
        EXPECT_EQ(row.at("recall").to_number<double>(), 1);
      }
    }
  }
  const Outcome alone = run({"bench", "index", "--base", base});
  EXPECT_EQ(alone.code, 2);
  EXPECT_THAT(alone.err, HasSubstr("--base and --queries go together"));
  EXPECT_EQ(run({"bench", "index"}).code, 2);
  EXPECT_THAT(run({"bench", "index", "--store", tiny.store, "--kinds", "flat,tree"}).err,
              HasSubstr("tree"));
  // Codes are of FAISS's GPU indexes alone: without them nothing is measured in their place.
  const Outcome codes = run({"bench", "index", "--base", base, "--queries", queries, "--device",
                             "cuda", "--device-codes", "4", "--kinds", "ivf"});
  EXPECT_THAT(codes.err, Not(HasSubstr("measured on the processors")));
  EXPECT_EQ(codes.code, 2);
  EXPECT_THAT(codes.err, AnyOf(HasSubstr("measuring --device-codes on a GPU"),
                               HasSubstr("at least 256 vectors")));  // with a GPU
}

}  // namespace
}  // namespace dexter::testing
