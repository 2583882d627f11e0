#include "storage/corpus_reader.h"

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
using ::testing::IsEmpty;
using testing::read_bytes;
using testing::TempDir;
using testing::write_bytes;
using testing::write_gzip;

std::vector<CorpusRow> documents_of(const std::filesystem::path& file,
                                    const std::string& format = "auto") {
  const auto reader = open_corpus(file, {.format = format});
  std::vector<CorpusRow> rows;
  for (CorpusRow row; reader->next_document(row);) rows.push_back(row);
  return rows;
}

std::vector<LabelRow> labels_of(const std::filesystem::path& file, const std::string& format) {
  const auto reader = open_labels(file, {.format = format});
  std::vector<LabelRow> rows;
  for (LabelRow row; reader->next_label(row);) rows.push_back(row);
  return rows;
}

std::vector<CorpusRow> documents_in(std::string_view text, const std::string& format) {
  const TempDir folder;
  write_bytes(folder / "corpus", text);
  return documents_of(folder / "corpus", format);
}

std::vector<LabelRow> labels_in(std::string_view text, const std::string& format) {
  const TempDir folder;
  write_bytes(folder / "corpus", text);
  return labels_of(folder / "corpus", format);
}

class EveryFormat : public ::testing::TestWithParam<std::string> {};

std::vector<std::string> format_names() {
  std::vector<std::string> names;
  for (const CorpusFormat& format : corpus_formats()) names.emplace_back(format.name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Corpus, EveryFormat, ::testing::ValuesIn(format_names()),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           std::erase(name, '-');
                           return name;
                         });

TEST_P(EveryFormat, GivesTheTinyCorpus) {
  const TempDir folder;
  const CorpusFormat& format = find_format(GetParam());
  const tiny::Files files = tiny::write_corpus(folder.path(), GetParam());
  const auto labels = tiny::labels();
  const auto examples = tiny::train();
  const auto rows = documents_of(files.train, GetParam());
  ASSERT_EQ(rows.size(), examples.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    SCOPED_TRACE(examples[i].text);
    EXPECT_EQ(rows[i].row, i);
    EXPECT_EQ(rows[i].line, i + (format.sparse ? 2 : 1));
    EXPECT_EQ(rows[i].text,
              format.sparse ? tiny::detail::letter_counts(examples[i].text) : examples[i].text);
    const bool keyed = GetParam() == "jsonl" || GetParam() == "lf-xmc";
    EXPECT_EQ(rows[i].key, keyed ? examples[i].key : std::to_string(i));
    std::vector<std::uint32_t> by_row;
    std::vector<std::string> by_key;
    for (const LabelId label : examples[i].labels) {
      if (format.labels_by_row) by_row.push_back(value(label));
      if (!format.labels_by_row)
        by_key.push_back((GetParam() == "annif" ? "http://example.org/" : "") +
                         labels[value(label)].key);
    }
    EXPECT_EQ(rows[i].label_rows, by_row);
    EXPECT_EQ(rows[i].label_keys, by_key);
  }
}

TEST_P(EveryFormat, GivesTheTinyLabels) {
  const TempDir folder;
  const tiny::Files files = tiny::write_corpus(folder.path(), GetParam());
  const auto rows = labels_of(files.labels, GetParam());
  ASSERT_EQ(rows.size(), tiny::kLabels);
  for (const Label& label : tiny::labels()) {
    const LabelRow& row = rows[value(label.id)];
    EXPECT_EQ(row.name, label.name);
    EXPECT_EQ(row.row, value(label.id));
    EXPECT_EQ(row.text, GetParam() == "jsonl" ? label.text : GetParam() == "xmc" ? "" : label.name);
    EXPECT_EQ(row.key, GetParam() == "xmc"     ? std::to_string(value(label.id))
                       : GetParam() == "annif" ? "http://example.org/" + label.key
                                               : label.key);
  }
}

TEST_P(EveryFormat, IsRecognisedByItsFirstLinePlainAndPacked) {
  const TempDir folder;
  const tiny::Files files = tiny::write_corpus(folder.path(), GetParam());
  EXPECT_EQ(recognise_format(files.train).name, GetParam());
  const auto packed = folder / "packed.gz";
  write_gzip(packed, read_bytes(files.train));
  EXPECT_EQ(recognise_format(packed).name, GetParam());
  EXPECT_EQ(documents_of(packed).size(), tiny::kTrainDocuments);
}

TEST_P(EveryFormat, ReadsWindowsLineEndsAndAByteOrderMark) {
  const TempDir folder;
  const tiny::Files files = tiny::write_corpus(folder.path(), GetParam());
  std::string text = "\xEF\xBB\xBF";
  for (const char c : read_bytes(files.train)) text.append(c == '\n' ? "\r" : "") += c;
  write_bytes(folder / "windows", text);
  const auto expected = documents_of(files.train);
  const auto rows = documents_of(folder / "windows");
  ASSERT_EQ(rows.size(), expected.size());
  EXPECT_EQ(rows.front().key, expected.front().key);
  EXPECT_EQ(rows.back().text, expected.back().text);
  EXPECT_EQ(rows.back().label_rows, expected.back().label_rows);
  EXPECT_EQ(rows.back().label_keys, expected.back().label_keys);
}

struct BadRow {
  std::string format;
  std::string line;
  std::string message;
};

// Each line stands between two good ones.
const BadRow kBadDocuments[] = {
    {"jsonl", "not json", "not a JSON object"},
    {"jsonl", R"({"id":"x","text":"t","labels":["a"])", "not a JSON object"},
    {"jsonl", R"({"id":"x","text":"t","labels":["a"]} {"id":"y"})", "more text behind"},
    {"jsonl", R"(["x","t"])", "a list where a JSON object"},
    {"jsonl", R"({"text":"t","labels":["a"]})", "\"id\" is missing"},
    {"jsonl", R"({"id":" ","text":"t","labels":["a"]})", "empty key"},
    {"jsonl", R"({"id":1.5,"text":"t","labels":["a"]})", "a number where a string or an integer"},
    {"jsonl", R"({"id":"x","labels":["a"]})", "\"text\" is empty"},
    {"jsonl", R"({"id":"x","text":" \n","labels":["a"]})", "\"text\" is empty"},
    {"jsonl", R"({"id":"x","text":7,"labels":["a"]})", "\"text\" has a number where a string"},
    {"jsonl", R"({"id":"x","text":"a\u0000b","labels":["a"]})", "NUL"},
    {"jsonl", R"({"id":"x","text":"\ud800","labels":["a"]})", "not a JSON object"},
    {"jsonl", R"({"id":"x","text":"t"})", "\"labels\" is missing"},
    {"jsonl", R"({"id":"x","text":"t","labels":"a"})", "\"labels\" has a string where a list"},
    {"jsonl", R"({"id":"x","text":"t","labels":[["a"]]})", "\"labels\" has a list where"},
    {"jsonl", R"({"id":"x","text":"t","labels":[""]})", "empty key"},
    {"jsonl", "", "empty"},
    {"jsonl", "{\"id\":\"x\",\"text\":\"caf\xE9\",\"labels\":[]}", "0xE9"},
    {"jsonl", "{\"id\":" + std::string(1000, '['), "not a JSON object"},
    {"lf-xmc", R"({"uid":"x","title":"","content":" ","target_ind":[0]})", "both empty"},
    {"lf-xmc", R"({"uid":"x","title":"t"})", "\"target_ind\" is missing"},
    {"lf-xmc", R"({"uid":"x","title":"t","target_ind":[-1]})", "-1, which is no label row"},
    {"lf-xmc", R"({"uid":"x","title":"t","target_ind":[4294967296]})", "no label row"},
    {"lf-xmc", R"({"uid":"x","title":"t","target_ind":[18446744073709551615]})", "no label row"},
    {"lf-xmc", R"({"uid":"x","title":"t","target_ind":[1e400]})", "a number where an integer"},
    {"lf-xmc", R"({"uid":"x","title":"t","target_ind":[1.0]})", "a number where an integer"},
    {"lf-xmc", R"({"uid":"x","title":"t","target_ind":["0"]})", "a string where an integer"},
    {"lf-xmc", R"({"uid":["x"],"title":"t","target_ind":[0]})", "\"uid\" has a list"},
    {"annif", "no tab at all", "no tab"},
    {"annif", " \t<http://example.org/a>", "empty"},
    {"annif", "text\t<http://example.org/a", "angle bracket"},
    {"annif", "text\thttp://example.org/a>", "angle bracket"},
    {"annif", "text\t<>", "not a URI"},
    {"annif", "text\t<a><b>", "not a URI"},
    {"annif", "text\t<", "angle bracket"},
    {"xmc", "1,2", "no features"},
    {"xmc", " ", "no features"},
    {"xmc", "0:1.0 1:2.0", "not a label number"},
    {"xmc", "12 0:1.0", "label 12 is out of range: the header declares 12"},
    {"xmc", "-1 0:1.0", "not a label number"},
    {"xmc", "1,,2 0:1.0", "not a label number"},
    {"xmc", "1, 0:1.0", "ends with a comma"},
    {"xmc", ",1 0:1.0", "not a label number"},
    {"xmc", "4294967296 0:1.0", "not a label number"},
    {"xmc", "1 26:1.0", "feature 26 is out of range: the header declares 26"},
    {"xmc", "1 0:nan", "finite"},
    {"xmc", "1 0:inf", "finite"},
    {"xmc", "1 0:1e39", "finite"},  // beyond float
    {"xmc", "1 0:", "finite"},
    {"xmc", "1 :1.0", "finite"},
    {"xmc", "1 0", "finite"},
    {"xmc", "1 0:1:2", "finite"},
    {"xmc", "1 0:1.0x", "finite"},
};

std::string good_line(const std::string& format) {
  if (format == "jsonl")
    return R"({"id":"d","text":"good","labels":[]})"
           "\n";
  if (format == "lf-xmc")
    return R"({"uid":"d","title":"good","target_ind":[]})"
           "\n";
  return format == "xmc" ? " 1:0.5\n" : "good\t\n";
}

TEST(CorpusReader, NamesFileAndLineOfABadRowAndGoesOnBehindIt) {
  const TempDir folder;
  for (const BadRow& bad : kBadDocuments) {
    SCOPED_TRACE(bad.format + ": " + bad.line.substr(0, 60));
    const bool sparse = bad.format == "xmc";
    const std::string good = good_line(bad.format);
    write_bytes(folder / "f", (sparse ? "3 26 12\n" : "") + good + bad.line + "\n" + good);
    const auto reader = open_corpus(folder / "f", {.format = bad.format});
    CorpusRow row;
    ASSERT_TRUE(reader->next_document(row));
    expect_error(
        ErrorKind::kInvalidInput, [&] { reader->next_document(row); },
        (folder / "f").string() + (sparse ? ":3: " : ":2: "), bad.message);
    ASSERT_TRUE(reader->next_document(row));
    EXPECT_EQ(row.row, 2u);
    EXPECT_FALSE(reader->next_document(row));
  }
}

const BadRow kBadLabels[] = {
    {"jsonl", R"({"name":"a"})", "\"id\" is missing"},
    {"jsonl", R"({"id":"a","name":""})", "\"name\" is empty"},
    {"jsonl", R"({"id":"a","text":" "})", "\"text\" is empty"},
    {"jsonl", R"({"id":"a","name":[]})", "\"name\" has a list"},
    {"lf-xmc", R"({"uid":"a"})", "both empty"},
    {"annif", "<http://example.org/a>", "no tab"},
    {"annif", "<http://example.org/a>\t", "empty"},
    {"annif", "\tlabel", "not a URI"},
    {"xmc", " ", "blank"},
};

TEST(LabelReader, NamesFileAndLineOfABadRow) {
  const TempDir folder;
  for (const BadRow& bad : kBadLabels) {
    SCOPED_TRACE(bad.format + ": " + bad.line);
    write_bytes(folder / "f", bad.line + "\n");
    expect_error(
        ErrorKind::kInvalidInput, [&] { labels_of(folder / "f", bad.format); },
        (folder / "f").string() + ":1: ", bad.message);
  }
}

TEST(JsonlFormat, TakesIntegerIdsAndIgnoresOtherMembers) {
  const auto rows = documents_in(
      R"({"extra":{"id":1},"labels":["b",7,"b"],"text":"caf\u00e9 \ud83e\udd86","id":42})",
      "jsonl");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].key, "42");
  EXPECT_EQ(rows[0].text, "caf\xC3\xA9 \xF0\x9F\xA6\x86");
  EXPECT_THAT(rows[0].label_keys, ElementsAre("b", "7", "b"));
}

TEST(JsonlFormat, ALabelIsNamedAfterItsIdAndDescribedByItsName) {
  const auto rows = labels_in(
      "{\"id\":\"light_reading\"}\n{\"id\":\"x\",\"name\":\"Poems\"}\n"
      "{\"id\":\"y\",\"text\":\"verse\",\"name\":null}\n",
      "jsonl");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].name, "light reading");
  EXPECT_EQ(rows[0].text, "light reading");
  EXPECT_EQ(rows[1].text, "Poems");
  EXPECT_EQ(rows[2].name, "y");
  EXPECT_EQ(rows[2].text, "verse");
}

TEST(LfXmcFormat, JoinsTitleAndContentAndCountsRowsWhereUidsAreAbsent) {
  const auto rows = documents_in(
      "{\"title\":\"Grey cat\",\"content\":\"A book.\",\"target_ind\":[3,1,3]}\n"
      "{\"content\":\"Only this.\",\"target_ind\":[]}\n",
      "lf-xmc");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].key, "0");
  EXPECT_EQ(rows[0].text, "Grey cat A book.");
  EXPECT_THAT(rows[0].label_rows, ElementsAre(3, 1, 3));
  EXPECT_EQ(rows[1].key, "1");
  EXPECT_EQ(rows[1].text, "Only this.");
  EXPECT_THAT(rows[1].label_rows, IsEmpty());
}

TEST(AnnifFormat, TakesUrisWithAndWithoutBracketsAndANotation) {
  const auto rows = documents_in("A text.\t<http://e.org/a>  http://e.org/b\t<urn:c> \n", "annif");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_THAT(rows[0].label_keys, ElementsAre("http://e.org/a", "http://e.org/b", "urn:c"));
  const auto labels = labels_in("<http://e.org/a>\tlight reading\t59.1\n", "annif");
  ASSERT_EQ(labels.size(), 1u);
  EXPECT_EQ(labels[0].key, "http://e.org/a");
  EXPECT_EQ(labels[0].name, "light reading");
}

TEST(XmcFormat, PutsOneSpaceBetweenFeaturesAndReportsItsHeader) {
  const TempDir folder;
  write_bytes(folder / "f", "2 5 3\n2,0,2  4:1 \t0:-2.5e-1 \n 3:1e-60\n");
  const auto reader = open_corpus(folder / "f", {.format = "xmc"});
  EXPECT_EQ(reader->declared_features(), 5u);
  EXPECT_EQ(reader->declared_labels(), 3u);
  CorpusRow row;
  ASSERT_TRUE(reader->next_document(row));
  EXPECT_EQ(row.text, "4:1 0:-2.5e-1");
  EXPECT_THAT(row.label_rows, ElementsAre(2, 0, 2));
  ASSERT_TRUE(reader->next_document(row));
  EXPECT_EQ(row.text, "3:1e-60");
  EXPECT_THAT(row.label_rows, IsEmpty());
  EXPECT_FALSE(reader->next_document(row));
}

TEST(XmcFormat, ACountThatContradictsTheHeaderIsCorrupt) {
  expect_error(
      ErrorKind::kCorrupt, [] { documents_in("3 5 3\n0 1:1\n0 1:1\n", "xmc"); },
      "declares 3 documents", "has 2");
  expect_error(
      ErrorKind::kCorrupt, [] { documents_in("1 5 3\n0 1:1\n0 1:1\n", "xmc"); },
      "declares 1 documents", "has more");
  expect_error(
      ErrorKind::kCorrupt, [] { documents_in("", "xmc"); }, "empty");
}

TEST(XmcFormat, RefusesAHeaderThatIsNotThreeSaneNumbers) {
  for (const char* const header :
       {"0 1:1\n", "3 5\n", "3 5 3 1\n", "-3 5 3\n", "a b c\n", "1 5 18446744073709551616\n"}) {
    SCOPED_TRACE(header);
    expect_error(
        ErrorKind::kInvalidInput, [&] { documents_in(header, "xmc"); }, ":1: ", "three numbers");
  }
  expect_error(
      ErrorKind::kInvalidInput, [] { documents_in("1 5 4000000000\n", "xmc"); },
      "4000000000 labels");
}

TEST(RecogniseFormat, SaysWhatItSawWhereItCannotTell) {
  const TempDir folder;
  const auto recognise = [&] { recognise_format(folder / "f"); };
  write_bytes(folder / "f", "a line of prose\n");
  expect_error(ErrorKind::kInvalidInput, recognise, "a line of prose", "jsonl, lf-xmc, xmc, annif");
  write_bytes(folder / "f", "{\"uid\":\"p3\",\"title\":\"light reading\"}\n");
  expect_error(ErrorKind::kInvalidInput, recognise, "light reading");
  write_bytes(folder / "f", "");
  expect_error(ErrorKind::kInvalidInput, recognise, "empty");
  write_bytes(folder / "f", "{\"id\":\n");
  expect_error(ErrorKind::kInvalidInput, recognise, ":1: ");
}

TEST(FindFormat, NamesTheNearestFormat) {
  expect_error(
      ErrorKind::kInvalidInput, [] { find_format("json"); }, "\"json\"", "mean jsonl");
  expect_error(
      ErrorKind::kInvalidInput, [] { find_format("lfxmc"); }, "mean lf-xmc");
  EXPECT_EQ(find_format("annif").name, "annif");
}

}  // namespace
}  // namespace dexter
