#include <gmock/gmock.h>
#include <boost/json.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "tests/tools/run_dexter.h"
#include "tests/tools/tiny_run.h"

namespace dexter::testing {
namespace {

namespace json = boost::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

using Arguments = std::vector<std::string>;

json::object json_of(const Arguments& arguments, const RunOptions& options = {}) {
  return json::parse(run_ok(arguments, options).out).as_object();
}

std::string line_of(const std::string& input, const std::string& output, const std::string& task) {
  return json::serialize(json::object{{"input", input}, {"output", output}, {"task", task}}) + "\n";
}

// The tiny corpus's first label of each document, and three questions of another task.
class DemosRun {
 public:
  DemosRun() {
    write_bytes(folder / "topic.jsonl", topic(tiny::train()));
    write_bytes(folder / "question.jsonl",
                line_of("Who plays the violin ?", "person", "question") +
                    line_of("Where is the station ?", "place", "question") +
                    line_of("When does the train leave ?", "time", "question"));
    write_bytes(folder / "test.jsonl", topic(tiny::test()));
  }

  Outcome import() const {
    return run_ok({"demos", "import", "--store", store, (folder / "topic.jsonl").string(),
                   (folder / "question.jsonl").string()});
  }
  Outcome train() const {
    Arguments arguments = {"demos", "train", "--store", store};
    const Arguments settings = tiny_settings();
    arguments.insert(arguments.end(), settings.begin(), settings.end());
    return run_ok(arguments);
  }

  const TempDir folder;
  const std::string store = (folder / "store").string();

 private:
  static std::string topic(const std::vector<Example>& examples) {
    std::string lines;
    for (const Example& example : examples)
      lines += line_of(example.text, tiny::labels()[value(example.labels[0])].key, "topic");
    return lines;
  }
};

std::string output_at(const json::object& answer, std::size_t place) {
  const json::array& found = answer.at("demonstrations").as_array();
  return std::string(found.at(place).as_object().at("output").as_string());
}

TEST(DemosFlow, ChoosesInputsToSolveUntilAllAreSolved) {
  const DemosRun demos;
  demos.import();
  demos.train();
  const std::string questions = (demos.folder / "unsolved.jsonl").string();
  write_bytes(questions, line_of("Who plays the violin ?", "", "question") +
                             line_of("Who plays the drums ?", "", "question") +
                             line_of("Who plays the drums at night ?", "", "question"));
  const Outcome chosen = run_ok({"demos", "choose", "--store", demos.store, "-n", "1", questions});
  EXPECT_THAT(chosen.err, HasSubstr("chose 1 of 3 inputs; 1 are solved in the bank already"));
  json::object solved = json::parse(chosen.out).as_object();
  EXPECT_THAT(json::serialize(solved), HasSubstr("drums"));
  solved["output"] = "person";
  write_bytes(demos.folder / "solved.jsonl", json::serialize(solved) + "\n");
  run_ok({"demos", "import", "--store", demos.store, (demos.folder / "solved.jsonl").string()});
  demos.train();
  EXPECT_THAT(run_ok({"demos", "choose", "--store", demos.store, "-n", "9", questions}).err,
              HasSubstr("chose 1 of 3 inputs; 2 are solved in the bank already"));
}

TEST(DemosTrain, ResumedAfterAKillMakesTheEncoderThatItWouldHaveMade) {
  const DemosRun whole, killed;
  whole.import();
  killed.import();
  const auto train = [](const DemosRun& demos, const Arguments& more) {
    Arguments arguments = {"demos", "train", "--store", demos.store, "--json"};
    const Arguments settings = tiny_settings("400");
    arguments.insert(arguments.end(), settings.begin(), settings.end());
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  };
  const json::object expected = json_of(train(whole, {}));
  EXPECT_EQ(expected.at("resumed"), false);

  const auto checkpoint = std::filesystem::path(killed.store) / "demos/train/checkpoint";
  {
    Process process(train(killed, {}));
    while (!std::filesystem::exists(checkpoint))
      ASSERT_FALSE(process.ends_within(std::chrono::milliseconds(2)));
    process.send(SIGKILL);
    process.finish();
  }
  const json::object resumed = json_of(train(killed, {"--resume"}));
  EXPECT_EQ(resumed.at("resumed"), true);
  EXPECT_EQ(resumed.at("fingerprint"), expected.at("fingerprint"));
  EXPECT_THAT(run_ok(train(killed, {"--resume"})).err,
              HasSubstr("no checkpoint to resume from: trained from the beginning"));
  // Rounds have none; this one ends for want of a language model.
  EXPECT_THAT(run(train(killed, {"--resume", "--scorer", "http"})).err,
              HasSubstr("--resume has nothing to resume"));
}

TEST(DemosFlow, GoesFromAnEmptyFolderToAPrompt) {
  const DemosRun demos;
  const Outcome imported = demos.import();
  EXPECT_THAT(imported.out, HasSubstr("added 35, replaced 0; the bank has 35 demonstrations"));
  EXPECT_THAT(imported.err, HasSubstr("next: dexter demos train --store " + demos.store));
  const Outcome trained = demos.train();
  EXPECT_THAT(trained.out, HasSubstr("32 dimensions"));

  const json::object answer = json_of({"demos", "retrieve", "--store", demos.store, "--task",
                                       "topic", "-k", "3", "--json", "The players scored goals."});
  EXPECT_EQ(answer.at("text"), "The players scored goals.");
  EXPECT_EQ(answer.at("strategy"), "dense");
  const json::array& found = answer.at("demonstrations").as_array();
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(output_at(answer, 2), "football");
  EXPECT_EQ(found[2].as_object().at("rank"), 1);  // the best comes last
  EXPECT_GT(found[2].as_object().at("score").to_number<double>(),
            found[0].as_object().at("score").to_number<double>());
  for (const char* field : {"id", "task", "input", "output", "rank", "score", "probability"})
    EXPECT_TRUE(found[0].as_object().contains(field)) << field;

  const Outcome prompt =
      run_ok({"demos", "retrieve", "--store", demos.store, "--task", "question", "-k", "1",
              "--prompt", "--pattern", "Q: {input}\\nA: {output}\\n", "When does it rain ?"});
  EXPECT_EQ(prompt.out, "Q: When does the train leave ?\nA: time\nQ: When does it rain ?\nA:\n");
}

TEST(DemosFlow, TellsOfTheBankAndVerifiesIt) {
  const DemosRun demos;
  demos.import();
  EXPECT_THAT(run_ok({"info", "--store", demos.store}).out,
              AllOf(HasSubstr("35 of 2 tasks: question 3, topic 32"),
                    HasSubstr("found by words (english); by vectors after")));
  demos.train();
  EXPECT_THAT(run_ok({"info", "--store", demos.store}).out,
              HasSubstr("found by words (english) and vectors, flat"));
  const json::object bank =
      json_of({"info", "--store", demos.store, "--json"}).at("demonstrations").as_object();
  EXPECT_EQ(bank.at("demonstrations"), 35);
  EXPECT_EQ(bank.at("tasks").as_object().at("topic"), 32);
  EXPECT_EQ(bank.at("encoder").as_object().at("dim"), 32);
  EXPECT_EQ(bank.at("index"), "flat");
  const std::string words = "demos/index/000001.words.idx";
  EXPECT_EQ(json_of({"verify", "--store", demos.store, "--json"}).at("whole"), true);
  flip_byte(std::filesystem::path(demos.store) / words, 200);
  const Outcome outcome = run({"verify", "--store", demos.store, "--json"});
  EXPECT_EQ(outcome.code, 4);
  EXPECT_THAT(outcome.out, HasSubstr(words));
}

TEST(DemosFlow, FindsWordsByTheStemmerOfTheImport) {
  const DemosRun demos;
  write_bytes(demos.folder / "talot.jsonl", line_of("vanhoissa taloissa", "x", "t"));
  run_ok({"demos", "import", "--store", demos.store, "--stemmer", "finnish",
          (demos.folder / "talot.jsonl").string()});
  const auto found = [&](const Arguments& more) {
    Arguments arguments = {"demos", "retrieve", "--store", demos.store, "--json", "talo"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return json_of(arguments).at("demonstrations").as_array().size();
  };
  EXPECT_EQ(found({}), 1u);
  EXPECT_EQ(found({"--stemmer", "none"}), 0u);
  const Outcome unknown = run({"demos", "import", "--store", (demos.folder / "new").string(),
                               "--stemmer", "finish", (demos.folder / "talot.jsonl").string()});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("the nearest is 'finnish'"));
  EXPECT_FALSE(std::filesystem::exists(demos.folder / "new"));
}

TEST(DemosFlow, EvaluatesTheVoteOfEachTask) {
  const DemosRun demos;
  demos.import();
  demos.train();
  const json::object figures =
      json_of({"demos", "eval", "--store", demos.store, "--data",
               (demos.folder / "test.jsonl").string(), "-k", "3", "--json"});
  EXPECT_EQ(figures.at("strategy"), "dense");
  EXPECT_EQ(figures.at("k"), 3);
  EXPECT_EQ(figures.at("queries"), 8);
  const json::object& topic = figures.at("tasks").as_object().at("topic").as_object();
  EXPECT_EQ(topic.at("queries"), 8);
  EXPECT_EQ(topic.at("accuracy"), figures.at("accuracy"));    // of one task the mean is its own
  EXPECT_GE(topic.at("accuracy").to_number<double>(), 75.0);  // "astronomy" has no demonstration
  EXPECT_GT(topic.at("margin").to_number<double>(), 0);
  EXPECT_THAT(run_ok({"demos", "eval", "--store", demos.store, "--data",
                      (demos.folder / "test.jsonl").string(), "--strategy", "bm25"})
                  .out,
              HasSubstr("vote of 8 demonstrations chosen by bm25"));
}

TEST(DemosFlow, WritesTheAnswerOfEachRow) {
  const DemosRun demos;
  demos.import();
  const std::string data = (demos.folder / "test.jsonl").string();
  const std::string answers = (demos.folder / "answers.jsonl").string();
  const Arguments eval = {"demos", "eval", "--store", demos.store, "--data",
                          data,    "-k",   "3",       "--answers", answers};
  Arguments as_json = eval;
  as_json.push_back("--json");
  const double accuracy = json_of(as_json).at("accuracy").to_number<double>();
  std::istringstream lines(read_bytes(answers));
  int rows = 0, right = 0;
  for (std::string line; std::getline(lines, line); ++rows) {
    const json::object row = json::parse(line).as_object();
    EXPECT_EQ(row.at("task"), "topic");
    EXPECT_EQ(std::string(row.at("input").as_string()),
              tiny::test()[static_cast<std::size_t>(rows)].text);
    right += row.at("answer") == row.at("output");
  }
  EXPECT_EQ(rows, 8);
  EXPECT_NEAR(100.0 * right / rows, accuracy, 1e-9);
  Arguments with_judgements = eval;
  with_judgements.insert(with_judgements.end(), {"--judgements", data});
  EXPECT_EQ(run(with_judgements).code, 2);
}

TEST(DemosFlow, LabelsInputsAndLeavesTheLabelsOutOnRequest) {
  const DemosRun demos;
  demos.import();
  demos.train();
  const std::string inputs = (demos.folder / "inputs.jsonl").string();
  const std::string text = "The players scored goals.";
  write_bytes(inputs, line_of(text, "football", "topic") +
                          json::serialize(json::object{{"input", "?!"}, {"task", "topic"}}) + "\n");
  const Arguments label = {"demos", "label", "--store", demos.store,        inputs,
                           "-k",    "3",     "--json",  "--min-confidence", "0.5"};
  const json::object first = json_of(label);
  EXPECT_EQ(first.at("inputs"), 2);
  EXPECT_EQ(first.at("added"), 1);
  EXPECT_EQ(first.at("unsure"), 1);
  EXPECT_EQ(first.at("pseudo"), 1);
  EXPECT_EQ(first.at("judged"), 1);
  EXPECT_EQ(first.at("accuracy_kept"), 100);
  const json::object second = json_of(label);
  EXPECT_EQ(second.at("added"), 0);
  EXPECT_EQ(second.at("replaced"), 1);
  EXPECT_THAT(run_ok({"info", "--store", demos.store}).out, HasSubstr("and 1 pseudo-labelled"));
  EXPECT_EQ(json_of({"verify", "--store", demos.store, "--json"}).at("whole"), true);

  const auto best = [&](const Arguments& more) {
    Arguments arguments = {"demos", "retrieve", "--store", demos.store, "-k", "1", "--json", text};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return json_of(arguments).at("demonstrations").as_array().at(0).as_object();
  };
  EXPECT_EQ(std::string(best({}).at("input").as_string()), text);
  EXPECT_EQ(best({}).at("pseudo"), true);
  EXPECT_GE(best({}).at("confidence").to_number<double>(), 0.5);
  EXPECT_EQ(best({"--no-pseudo"}).at("pseudo"), false);
  EXPECT_FALSE(best({"--no-pseudo"}).contains("confidence"));
  EXPECT_THAT(run_ok({"demos", "retrieve", "--store", demos.store, "--strategy", "bm25", text}).out,
              HasSubstr("football (pseudo-label, "));

  write_bytes(inputs, line_of("a", "x", "topics"));
  const Outcome unknown = run(label);
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("the nearest is 'topic'"));
  const Outcome empty = run({"demos", "label", "--store", demos.store + "x", inputs});
  EXPECT_EQ(empty.code, 3);
  EXPECT_THAT(empty.err, HasSubstr("dexter demos import"));
}

TEST(DemosFlow, TakesAnInstructionForATask) {
  const DemosRun demos;
  const auto import = [&](const std::string& instruction) {
    return run({"demos", "import", "--store", demos.store, "--instruction", instruction,
                (demos.folder / "topic.jsonl").string()});
  };
  EXPECT_EQ(import("topic=What is it about?").code, 0);
  EXPECT_THAT(run_ok({"info", "--store", demos.store}).out, HasSubstr("topic: What is it about?"));
  EXPECT_THAT(import("topics=a").err, HasSubstr("the nearest is 'topic'"));
  EXPECT_THAT(import("topic").err, HasSubstr("write TASK=TEXT"));
}

TEST(DemosFlow, MeasuresAnEncoderThatLearntNothingAndOneThatDidNotSeeTheTask) {
  const DemosRun demos;
  demos.import();
  const auto train = [&](const Arguments& more) {
    Arguments arguments = {"demos", "train", "--store", demos.store, "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  };
  EXPECT_EQ(json::parse(train({"--epochs", "0"}).out).at("epochs"), 0);
  const auto accuracy = [&] {
    return json_of({"demos", "eval", "--store", demos.store, "--data",
                    (demos.folder / "test.jsonl").string(), "-k", "3", "--json"})
        .at("accuracy")
        .to_number<double>();
  };
  EXPECT_GT(accuracy(), 10);  // a twelfth by chance
  EXPECT_EQ(train({"--without-task", "topic", "--set", "train.validation_fraction=0"}).code, 0);
  EXPECT_GT(accuracy(), 10);
  const Outcome unknown = train({"--without-task", "topics"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("the nearest is 'topic'"));
}

TEST(DemosFlow, AnswersByWordsBeforeItIsTrained) {
  const DemosRun demos;
  demos.import();
  const json::object answer = json_of({"demos", "retrieve", "--store", demos.store, "--strategy",
                                       "bm25", "-k", "1", "--json", "violin"});
  EXPECT_EQ(answer.at("strategy"), "bm25");
  EXPECT_EQ(answer.at("demonstrations").as_array().size(), 1u);
  EXPECT_EQ(
      json_of({"demos", "retrieve", "--store", demos.store, "--json", "violin"}).at("strategy"),
      "bm25");
  const Outcome dense =
      run({"demos", "retrieve", "--store", demos.store, "--strategy", "dense", "violin"});
  EXPECT_EQ(dense.code, 2);
  EXPECT_THAT(dense.err, HasSubstr("dexter demos train"));
}

TEST(DemosFlow, ReadsTextsFromStandardInputAndPutsTheBestFirstOnRequest) {
  const DemosRun demos;
  demos.import();
  const Arguments arguments = {"demos", "retrieve",   "--store", demos.store,    "-k",
                               "2",     "--strategy", "bm25",    "--best-first", "--json"};
  const Outcome outcome = run_ok(arguments, {.input = "the grey cat\nviolin\n"});
  std::istringstream lines(outcome.out);
  std::vector<json::object> answers;
  for (std::string line; std::getline(lines, line);)
    answers.push_back(json::parse(line).as_object());
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(output_at(answers[0], 0), "animals");
  EXPECT_EQ(answers[0].at("demonstrations").as_array()[0].as_object().at("rank"), 1);
}

TEST(DemosFlow, EvaluatesByJudgements) {
  const TempDir folder;
  const std::string store = (folder / "store").string();
  write_bytes(folder / "corpus.jsonl",
              "{\"_id\":\"d1\",\"title\":\"Cats\",\"text\":\"They sleep.\"}\n"
              "{\"_id\":\"d2\",\"title\":\"Dogs\",\"text\":\"They bark at cats.\"}\n");
  write_bytes(folder / "queries.jsonl",
              "{\"_id\":\"q1\",\"text\":\"cats bark\"}\n{\"_id\":\"q2\",\"text\":\"no words\"}\n");
  write_bytes(folder / "qrels.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t1\n");
  run_ok({"demos", "import", "--store", store, (folder / "corpus.jsonl").string()});
  const Arguments arguments = {"demos",        "eval",
                               "--store",      store,
                               "--data",       (folder / "queries.jsonl").string(),
                               "--judgements", (folder / "qrels.tsv").string(),
                               "-k",           "10",
                               "--json"};
  const json::object figures = json_of(arguments);
  EXPECT_EQ(figures.at("queries"), 1);
  // The second document shares both words, the first one.
  EXPECT_EQ(figures.at("MRR@10").to_number<double>(), 0.5);
  EXPECT_EQ(figures.at("MAP@10").to_number<double>(), 0.5);
  EXPECT_EQ(figures.at("MultiHop-RAG MAP@10").to_number<double>(), 0.5);
  EXPECT_EQ(figures.at("Hits@10").to_number<double>(), 1);
  EXPECT_EQ(figures.at("Recall@10").to_number<double>(), 1);
  EXPECT_NEAR(figures.at("nDCG@10").to_number<double>(), 0.63093, 1e-5);  // 1 / log2(3)
  write_bytes(folder / "qrels.tsv", "q3\td1\t1\n");
  const Outcome none = run(arguments);
  EXPECT_EQ(none.code, 2);
  EXPECT_THAT(none.err, HasSubstr("qrels.tsv"));
}

TEST(DemosFlow, NamesTheBadLineAndLeavesTheBankAsItWas) {
  const DemosRun demos;
  const std::string bad = (demos.folder / "bad.jsonl").string();
  write_bytes(bad, line_of("a", "x", "t") + "{\"output\":\"x\"}\n");
  const Outcome first = run({"demos", "import", "--store", demos.store, bad});
  EXPECT_EQ(first.code, 2);
  EXPECT_THAT(first.err, HasSubstr("bad.jsonl:2: \"input\" is missing"));
  EXPECT_FALSE(std::filesystem::exists(demos.store));
  demos.import();
  EXPECT_EQ(run({"demos", "import", "--store", demos.store, bad}).code, 2);
  const json::object again = json_of({"demos", "import", "--store", demos.store, "--json",
                                      (demos.folder / "question.jsonl").string()});
  EXPECT_EQ(again.at("added"), 0);
  EXPECT_EQ(again.at("replaced"), 3);
  EXPECT_EQ(again.at("demonstrations"), 35);
  EXPECT_EQ(again.at("tasks").as_object().at("question"), 3);
}

TEST(DemosFlow, SaysWhatIsWrongWithARequest) {
  const DemosRun demos;
  demos.import();
  const struct {
    Arguments arguments;
    const char* says;
  } cases[] = {{{"retrieve", "--task", "topics", "a"}, "the nearest of its 2 tasks is 'topic'"},
               {{"retrieve", "--strategy", "bm52", "a"}, "the nearest is 'bm25'"},
               {{"retrieve", "--stemmer", "englsh", "a"}, "the nearest is 'english'"},
               {{"retrieve", "-k", "0", "a"}, "-k"},
               {{"retrieve", "--prompt", "--pattern", "{output}", "a"}, "{input}"},
               {{"train", "--scorer", "oracle"}, "there is no scorer 'oracle'"}};
  for (const auto& each : cases) {
    Arguments arguments = {"demos", each.arguments[0], "--store", demos.store};
    arguments.insert(arguments.end(), each.arguments.begin() + 1, each.arguments.end());
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(each.says));
  }
  write_bytes(demos.folder / "other.jsonl", line_of("a", "x", "unknown"));
  Arguments eval = {"demos",      "eval",   "--store",
                    demos.store,  "--data", (demos.folder / "other.jsonl").string(),
                    "--strategy", "bm25"};
  EXPECT_THAT(run(eval).err, HasSubstr("'unknown'"));
  eval.push_back("--all-tasks");
  run_ok(eval);
}

}  // namespace
}  // namespace dexter::testing
