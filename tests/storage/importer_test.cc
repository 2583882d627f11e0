#include "storage/importer.h"

#include <cstdlib>
#include <string>
#include <vector>

#include "tests/support/corpus_files.h"
#include "tests/support/expect_error.h"
#include "tests/support/gzip_file.h"
#include "tests/support/temp_dir.h"

namespace dexter {
namespace {

using ::testing::ElementsAre;
using testing::expect_error;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::read_bytes;
using testing::TempDir;
using testing::write_bytes;
using testing::write_gzip;

std::vector<Example> examples_of(const Catalog& catalog, Split split) {
  std::vector<Example> examples;
  catalog.scan_examples(split, [&](Example&& example) { examples.push_back(std::move(example)); });
  return examples;
}

std::vector<std::string> label_keys(const Catalog& catalog) {
  std::vector<std::string> keys;
  catalog.scan_labels([&](Label&& label) { keys.push_back(label.key); });
  return keys;
}

// A folder with the files of a corpus, and a store beside them.
class ImportCorpus : public ::testing::Test {
 protected:
  std::filesystem::path write(std::string_view name, std::string_view text) const {
    write_bytes(folder_ / name, text);
    return folder_ / name;
  }
  ImportOptions tiny_options(const std::string& format = "jsonl") const {
    const tiny::Files files = tiny::write_corpus(folder_.path(), format);
    return {.format = format, .train = files.train, .test = files.test, .labels = files.labels};
  }
  ImportReport import(const ImportOptions& options, const Progress& progress = {}) {
    return import_corpus(catalog_, options, progress);
  }
  // The import fails so and leaves the store as it was.
  template <class... Parts>
  void expect_refused(ErrorKind kind, const ImportOptions& options, const Parts&... parts) {
    const Manifest before = catalog_.manifest();
    const auto train = examples_of(catalog_, Split::kTrain);
    const auto keys = label_keys(catalog_);
    expect_error(
        kind, [&] { import(options); }, parts...);
    EXPECT_EQ(catalog_.manifest(), before);
    EXPECT_EQ(examples_of(catalog_, Split::kTrain), train);
    EXPECT_EQ(label_keys(catalog_), keys);
  }

  const TempDir folder_;
  Catalog catalog_ = Catalog::open(folder_ / "store", OpenMode::kCreate);
};

class ImportOfFormat : public ImportCorpus, public ::testing::WithParamInterface<std::string> {};

INSTANTIATE_TEST_SUITE_P(Formats, ImportOfFormat,
                         ::testing::Values("jsonl", "lf-xmc", "xmc", "annif"),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           std::erase(name, '-');
                           return name;
                         });

TEST_P(ImportOfFormat, PutsTheTinyCorpusIntoTheStore) {
  const ImportReport report = import(tiny_options(GetParam()));
  const bool sparse = GetParam() == "xmc";
  EXPECT_EQ(report.corpus.format, GetParam());
  EXPECT_EQ(report.corpus.text_kind, sparse ? TextKind::kSparse : TextKind::kNatural);
  EXPECT_EQ(report.corpus.sparse_features, sparse ? 26u : 0u);
  EXPECT_EQ(report.corpus.labels, tiny::kLabels);
  EXPECT_EQ(report.corpus.train_documents, tiny::kTrainDocuments);
  EXPECT_EQ(report.corpus.test_documents, tiny::kTestDocuments);
  EXPECT_EQ(report.labels_without_training, 1u);  // astronomy
  EXPECT_EQ(report.skipped, 0u);
  EXPECT_EQ(catalog_.manifest().corpus, report.corpus);

  const auto compare = [&](Split split, const std::vector<Example>& expected) {
    const auto found = examples_of(catalog_, split);
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].text,
                sparse ? tiny::detail::letter_counts(expected[i].text) : expected[i].text);
      EXPECT_EQ(found[i].labels, expected[i].labels);
      EXPECT_THAT(found[i].excluded, IsEmpty());
    }
  };
  compare(Split::kTrain, tiny::train());
  compare(Split::kTest, tiny::test());
  for (const Label& label : tiny::labels()) {
    const auto found = catalog_.find_label(label.id);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->name, label.name);
  }
}

TEST_P(ImportOfFormat, RecognisesTheFormatAndSaysSo) {
  ImportOptions options = tiny_options(GetParam());
  options.format = "auto";
  std::vector<std::string> notes;
  Progress progress;
  progress.report = [&](const ProgressEvent& event) { notes.push_back(event.note); };
  EXPECT_EQ(import(options, progress).corpus.format, GetParam());
  EXPECT_THAT(notes, ::testing::Contains(options.train.filename().string() + " is recognised as " +
                                         GetParam()));
}

TEST_F(ImportCorpus, CountsTheTrainingDocumentsOfEachLabel) {
  import(tiny_options());
  std::vector<std::uint32_t> expected(tiny::kLabels);
  for (const Example& example : tiny::train())
    for (const LabelId label : example.labels) ++expected[value(label)];
  EXPECT_EQ(catalog_.label_frequencies(), expected);
}

TEST_F(ImportCorpus, TakesJsonlLabelsFromTheDocumentsWhereThereIsNoLabelFile) {
  const auto train = write("t", R"({"id":"a","text":"A.","labels":["light_reading","x","x"]})"
                                "\n"
                                R"({"id":"b","text":"B.","labels":["x"]})"
                                "\n");
  const auto test = write("u", R"({"id":"a","text":"C.","labels":["y","x"]})"
                               "\n");
  const ImportReport report = import({.format = "jsonl", .train = train, .test = test});
  EXPECT_THAT(label_keys(catalog_), ElementsAre("light_reading", "x", "y"));
  EXPECT_EQ(catalog_.find_label("light_reading")->text, "light reading");
  EXPECT_EQ(report.labels_without_training, 1u);  // y
  EXPECT_THAT(examples_of(catalog_, Split::kTrain)[0].labels, ElementsAre(LabelId{0}, LabelId{1}));
  EXPECT_THAT(examples_of(catalog_, Split::kTest)[0].labels, ElementsAre(LabelId{1}, LabelId{2}));
}

TEST_F(ImportCorpus, KeepsADocumentWithoutLabels) {
  const auto train = write("t", R"({"id":"a","text":"A.","labels":[]})");
  EXPECT_EQ(import({.format = "jsonl", .train = train}).corpus.train_documents, 1u);
  EXPECT_THAT(examples_of(catalog_, Split::kTrain)[0].labels, IsEmpty());
}

TEST_F(ImportCorpus, FindsTheLabelFileOfAnLfDataSetBesideItsTrainingPart) {
  ImportOptions options = tiny_options("lf-xmc");
  write_gzip(folder_ / "lbl.json.gz", read_bytes(options.labels));
  std::filesystem::remove(options.labels);
  options.labels.clear();
  EXPECT_EQ(import(options).corpus.labels, tiny::kLabels);
  std::filesystem::remove(folder_ / "lbl.json.gz");
  options.replace = true;
  expect_refused(ErrorKind::kInvalidInput, options, "needs a label file");
}

TEST_F(ImportCorpus, CallsSparseLabelsByTheirNumbersWhereTheyHaveNoNames) {
  ImportOptions options = tiny_options("xmc");
  options.labels.clear();
  EXPECT_EQ(import(options).corpus.labels, tiny::kLabels);
  const auto label = catalog_.find_label(LabelId{7});
  EXPECT_EQ(label->key, "7");
  EXPECT_EQ(label->name, "7");
  EXPECT_EQ(label->text, "");
}

TEST_F(ImportCorpus, AppliesAFilterToTheTestDocuments) {
  ImportOptions options = tiny_options("lf-xmc");
  options.filter = write("filter.txt", "7 3\n0 5\n7\t0\n0 5\n");
  EXPECT_EQ(import(options).filter_pairs, 3u);
  const auto test = examples_of(catalog_, Split::kTest);
  EXPECT_THAT(test[0].excluded, ElementsAre(LabelId{5}));
  EXPECT_THAT(test[1].excluded, IsEmpty());
  EXPECT_THAT(test[7].excluded, ElementsAre(LabelId{0}, LabelId{3}));
  for (const Example& example : examples_of(catalog_, Split::kTrain))
    EXPECT_THAT(example.excluded, IsEmpty());
}

TEST_F(ImportCorpus, RefusesAFilterThatDoesNotFitTheCorpus) {
  ImportOptions options = tiny_options("lf-xmc");
  const auto refused = [&](std::string_view filter, const char* where, const char* what) {
    options.filter = write("filter.txt", filter);
    expect_refused(ErrorKind::kInvalidInput, options, where, what);
  };
  refused("0 1\n8 0\n", "filter.txt:2: ", "8 is out of range: the test file has 8 rows");
  refused("0 12\n", "filter.txt:1: ", "unknown label row 12");
  refused("0 1\n0 -1\n", "filter.txt:2: ", "pair");
  refused("0 1 2\n", "filter.txt:1: ", "pair");
  refused("01\n", "filter.txt:1: ", "pair");
  options.test.clear();
  refused("0 1\n", "", "give the test file");
}

TEST_F(ImportCorpus, NamesTheRowOfAnUnknownLabel) {
  ImportOptions options = tiny_options();
  options.train = write("t", R"({"id":"a","text":"A.","labels":["animals","cats"]})");
  expect_refused(ErrorKind::kInvalidInput, options, options.train.string() + ":1: ", "\"cats\"",
                 options.labels.string());
  ImportOptions by_row = tiny_options("lf-xmc");
  by_row.train = write("t", R"({"uid":"a","title":"A.","target_ind":[0,12]})");
  expect_refused(ErrorKind::kInvalidInput, by_row, ":1: ", "row 12", "12 labels");
}

TEST_F(ImportCorpus, NamesTheRowOfAKeyGivenTwice) {
  ImportOptions options = tiny_options();
  const std::string train = read_bytes(options.train);
  options.train = write("t", train + train.substr(0, train.find('\n')));
  expect_refused(ErrorKind::kInvalidInput, options, options.train.string() + ":33: ", "train-0");
  options = tiny_options();
  options.labels = write("l", read_bytes(options.labels) + R"({"id":"animals"})");
  expect_refused(ErrorKind::kInvalidInput, options, options.labels.string() + ":13: ", "animals");
}

TEST_F(ImportCorpus, TheSameKeyMayStandInBothParts) {
  ImportOptions options = tiny_options();
  options.test = options.train;
  EXPECT_EQ(import(options).corpus.test_documents, tiny::kTrainDocuments);
}

TEST_F(ImportCorpus, SkipsAsManyBadRowsAsAllowedAndReportsEach) {
  ImportOptions options = tiny_options();
  const std::string train = read_bytes(options.train);
  options.train = write("t", "not json\n" + train + R"({"id":"train-0","text":"A.","labels":[]})");
  options.test = write("u", read_bytes(options.test) + R"({"id":"x","text":"A.","labels":["?"]})");
  options.skip_bad = 3;
  std::vector<std::string> warnings;
  Progress progress;
  progress.warn = [&](const std::string& warning) { warnings.push_back(warning); };
  const ImportReport report = import(options, progress);
  EXPECT_EQ(report.skipped, 3u);
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("t:1: "), HasSubstr("t:34: "), HasSubstr("u:9: ")));
  EXPECT_EQ(report.corpus.train_documents, tiny::kTrainDocuments);
  EXPECT_EQ(report.corpus.test_documents, tiny::kTestDocuments);

  options.skip_bad = 2;
  options.replace = true;
  expect_refused(ErrorKind::kInvalidInput, options, "u:9: ", "bad row 3", "2 may be skipped");
}

TEST_F(ImportCorpus, ASkippedLabelRowDoesNotShiftTheOthers) {
  ImportOptions options = tiny_options("lf-xmc");
  std::string labels = read_bytes(options.labels);
  labels[labels.find('\n') + 1] = '?';  // of row 1, cooking
  options.labels = write("l", labels);
  options.skip_bad = 6;  // the row, four training documents and one test document of cooking
  const ImportReport report = import(options);
  EXPECT_EQ(report.skipped, 6u);
  EXPECT_EQ(report.corpus.labels, tiny::kLabels - 1);
  const auto football = catalog_.find_label("football");
  ASSERT_TRUE(football);
  // "The players celebrated the late goals of their team.", now the second test document
  EXPECT_THAT(examples_of(catalog_, Split::kTest)[1].labels, ElementsAre(football->id));
}

TEST_F(ImportCorpus, RefusesHeadersThatContradictEachOther) {
  ImportOptions options = tiny_options("xmc");
  options.test = write("u", "1 26 13\n0 0:1\n");
  expect_refused(ErrorKind::kInvalidInput, options, options.test.string(), "26 features",
                 "13 labels");
  options = tiny_options("xmc");
  options.labels = write("l", "only\ntwo\n");
  expect_refused(ErrorKind::kInvalidInput, options, options.labels.string(), "2 names",
                 "12 labels");
}

TEST_F(ImportCorpus, ADamagedFileLeavesTheFormerCorpus) {
  import(tiny_options());
  ImportOptions options = tiny_options("annif");
  options.replace = true;
  const std::string whole = read_bytes(options.train);
  options.train = folder_ / "train.gz";
  write_gzip(options.train, whole);
  std::string packed = read_bytes(options.train);
  packed.resize(packed.size() / 2);
  write("train.gz", packed);
  options.skip_bad = 1000;
  expect_refused(ErrorKind::kCorrupt, options, "train.gz", "ends early");
  options.train = folder_ / "absent";
  expect_refused(ErrorKind::kNotFound, options, "absent");
  options.train = write("empty", "");
  expect_refused(ErrorKind::kInvalidInput, options, "no document");
}

TEST_F(ImportCorpus, ReplacesACorpusOnlyWhenAsked) {
  import(tiny_options());
  ImportOptions options = tiny_options("annif");
  expect_refused(ErrorKind::kInvalidInput, options, "32 documents", "12 labels", "--replace");
  options.replace = true;
  EXPECT_EQ(import(options).corpus.format, "annif");
  EXPECT_EQ(examples_of(catalog_, Split::kTrain).size(), tiny::kTrainDocuments);
  EXPECT_FALSE(catalog_.find_label("animals"));
  EXPECT_TRUE(catalog_.find_label("http://example.org/animals"));
}

TEST_F(ImportCorpus, AStopLeavesTheStoreEmpty) {
  std::stop_source stop;
  stop.request_stop();
  Progress progress;
  progress.stop = stop.get_token();
  expect_error(ErrorKind::kInterrupted, [&] { import(tiny_options(), progress); });
  EXPECT_FALSE(catalog_.manifest().corpus);
}

TEST_F(ImportCorpus, ReportsTheBytesRead) {
  const ImportOptions options = tiny_options();
  std::uint64_t done = 0;
  std::uint64_t total = 0;
  std::string note;
  Progress progress;
  progress.report = [&](const ProgressEvent& event) {
    if (event.stage != "reading train.jsonl") return;
    done = event.done;
    total = event.total;
    note = event.note;
  };
  import(options, progress);
  EXPECT_EQ(done, std::filesystem::file_size(options.train));
  EXPECT_EQ(total, done);
  EXPECT_EQ(note, "32 documents");
}

TEST_F(ImportCorpus, ReadsARealDataSet) {
  const char* const data = std::getenv("DEXTER_DATA");
  if (data == nullptr || !std::filesystem::is_directory(std::filesystem::path(data) / "goemotions"))
    GTEST_SKIP() << "DEXTER_DATA names no folder with goemotions in it";
  const auto folder = std::filesystem::path(data) / "goemotions";
  const ImportReport report =
      import({.train = folder / "trn.json.gz", .test = folder / "tst.json.gz"});
  EXPECT_EQ(report.corpus.format, "lf-xmc");
  EXPECT_EQ(report.corpus.train_documents, 43'410u);
  EXPECT_EQ(report.corpus.test_documents, 5'427u);
  EXPECT_EQ(report.corpus.labels, 28u);
  EXPECT_EQ(report.labels_without_training, 0u);
}

}  // namespace
}  // namespace dexter
