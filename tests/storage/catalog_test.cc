#include "storage/catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "storage/codec.h"
#include "storage/record_store.h"
#include "tests/storage/store_fixtures.h"

namespace dexter {
namespace {

using namespace dexter::testing;  // NOLINT
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> names_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

TEST(Catalog, SaysThatThereIsNoStore) {
  const TempDir folder;
  for (const OpenMode mode : {OpenMode::kRead, OpenMode::kWrite}) {
    const auto error = error_of([&] { Catalog::open(folder / "none", mode); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->kind(), ErrorKind::kNotFound);
    EXPECT_THAT(error->what(), HasSubstr("none"));
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "none"));
}

TEST(Catalog, MakesAnEmptyStoreOnceAndKeepsIt) {
  const TempDir folder;
  EXPECT_EQ(Catalog::open(folder / "s", OpenMode::kCreate).manifest(), Manifest{});
  {
    Catalog catalog = Catalog::open(folder / "s", OpenMode::kCreate);
    import_tiny_corpus(catalog);
  }
  EXPECT_EQ(Catalog::open(folder / "s", OpenMode::kCreate).label_count(), 12u);
}

TEST(Catalog, DoesNotTurnAFolderOfOtherThingsIntoAStore) {
  const TempDir folder;
  write_bytes(folder / "thesis.txt", "years of work");
  const auto error = error_of([&] { Catalog::open(folder.path(), OpenMode::kCreate); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::kInvalidInput);
  EXPECT_THAT(error->what(), HasSubstr("thesis.txt"));
  EXPECT_THAT(names_in(folder.path()), ElementsAre("thesis.txt"));
}

TEST(Catalog, GivesBackTheCorpusInTheOrderOfItsArrival) {
  const TempDir folder;
  {
    Catalog catalog = Catalog::open(folder / "s", OpenMode::kCreate);
    const CorpusInfo info = import_tiny_corpus(catalog);
    EXPECT_EQ(info.number, 1u);
    EXPECT_EQ(info.train_documents, 32u);
    EXPECT_EQ(info.test_documents, 8u);
    EXPECT_EQ(info.labels, 12u);
    EXPECT_EQ(catalog.manifest().corpus, info);
  }
  const Catalog catalog = Catalog::open(folder / "s", OpenMode::kRead);
  EXPECT_EQ(examples_of(catalog, Split::kTrain), tiny::train());
  EXPECT_EQ(examples_of(catalog, Split::kTest), tiny::test());
  EXPECT_EQ(labels_of(catalog), tiny::labels());
  EXPECT_EQ(catalog.label_count(), 12u);
  EXPECT_EQ(catalog.manifest().next_label, 12u);
  EXPECT_EQ(catalog.find_example(Split::kTest, "test-4"), tiny::test()[4]);
  EXPECT_EQ(catalog.find_example(Split::kTrain, "test-4"), std::nullopt);
}

TEST(Catalog, FindsLabelsByIdAndKey) {
  const TempDir folder;
  Catalog catalog = Catalog::open(folder / "s", OpenMode::kCreate);
  import_tiny_corpus(catalog);
  EXPECT_EQ(catalog.find_label(LabelId{3}), tiny::labels()[3]);
  EXPECT_EQ(catalog.find_label("railways"), tiny::labels()[5]);
  EXPECT_EQ(catalog.find_label(LabelId{12}), std::nullopt);
  EXPECT_EQ(catalog.find_label("railway"), std::nullopt);
  const std::vector<LabelId> ids = {LabelId{7}, LabelId{0}, LabelId{7}};
  EXPECT_THAT(catalog.labels(ids),
              ElementsAre(tiny::labels()[7], tiny::labels()[0], tiny::labels()[7]));
  const std::vector<LabelId> hole = {LabelId{7}, LabelId{12}};
  const auto error = error_of([&] { catalog.labels(hole); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::kCorrupt);
  EXPECT_THAT(error->what(), HasSubstr("label 12"));
}

TEST(Catalog, CountsTheTrainingDocumentsOfEachLabel) {
  const TempDir folder;
  Catalog catalog = Catalog::open(folder / "s", OpenMode::kCreate);
  import_tiny_corpus(catalog);
  std::vector<std::uint32_t> expected(tiny::kLabels, 0);
  for (const Example& example : tiny::train())
    for (const LabelId label : example.labels) ++expected[value(label)];
  EXPECT_EQ(catalog.label_frequencies(), expected);
  EXPECT_EQ(expected[11], 0u);  // astronomy has no training document
}

TEST(Catalog, StoresLabelsOfADocumentAscendingAndDistinct) {
  const TempDir folder;
  Catalog catalog = Catalog::open(folder / "s", OpenMode::kCreate);
  {
    CorpusWriter corpus(catalog);
    for (const char* key : {"a", "b", "c"}) corpus.add_label(key, key, key);
    const std::vector<LabelId> labels = {LabelId{2}, LabelId{0}, LabelId{2}};
    const std::vector<LabelId> excluded = {LabelId{1}, LabelId{1}};
    corpus.add_example(Split::kTrain, "d", "text", labels, excluded);
    corpus.commit({});
  }
  const auto example = catalog.find_example(Split::kTrain, "d");
  ASSERT_TRUE(example);
  EXPECT_THAT(example->labels, ElementsAre(LabelId{0}, LabelId{2}));
  EXPECT_THAT(example->excluded, ElementsAre(LabelId{1}));
  EXPECT_THAT(catalog.label_frequencies(), ElementsAre(1, 0, 1));
}

TEST(Catalog, KeepsTextsOfAnyBytesAndLength) {
  const TempDir folder;
  std::string binary(300'000, '\0');
  for (std::size_t i = 0; i < binary.size(); ++i) binary[i] = static_cast<char>(i * 7);
  Catalog catalog = Catalog::open(folder / "s", OpenMode::kCreate);
  {
    CorpusWriter corpus(catalog);
    corpus.add_label(std::string_view("k\0y", 3), "", binary);
    corpus.add_example(Split::kTest, "\xff\xff", binary, {}, {});
    corpus.commit({});
  }
  EXPECT_EQ(catalog.find_label(std::string_view("k\0y", 3))->text, binary);
  EXPECT_EQ(catalog.find_example(Split::kTest, "\xff\xff")->text, binary);
}

TEST(CorpusWriter, RefusesAKeyGivenTwice) {
  const TempDir folder;
  Catalog catalog = Catalog::open(folder / "s", OpenMode::kCreate);
  CorpusWriter corpus(catalog);
  corpus.add_label("a", "A", "a");
  corpus.add_example(Split::kTrain, "d", "text", {}, {});
  corpus.add_example(Split::kTest, "d", "text", {}, {});  // another part, another key
  for (int i = 0; i < 2; ++i) {
    const auto label = error_of([&] { corpus.add_label("a", "B", "b"); });
    ASSERT_TRUE(label);
    EXPECT_EQ(label->kind(), ErrorKind::kInvalidInput);
    const auto document = error_of([&] { corpus.add_example(Split::kTrain, "d", "x", {}, {}); });
    ASSERT_TRUE(document);
    EXPECT_EQ(document->kind(), ErrorKind::kInvalidInput);
    EXPECT_THAT(document->what(), HasSubstr("\"d\""));
  }
  const CorpusInfo info = corpus.commit({});
  EXPECT_EQ(info.train_documents, 1u);
  EXPECT_EQ(info.labels, 1u);
}

TEST(CorpusWriter, RefusesUnknownLabelsAndUnusableKeys) {
  const TempDir folder;
  Catalog catalog = Catalog::open(folder / "s", OpenMode::kCreate);
  CorpusWriter corpus(catalog);
  corpus.add_label("a", "A", "a");
  const std::vector<LabelId> unknown = {LabelId{1}};
  EXPECT_EQ(error_of([&] { corpus.add_example(Split::kTrain, "d", "t", unknown, {}); })->kind(),
            ErrorKind::kInvalidInput);
  EXPECT_EQ(error_of([&] { corpus.add_example(Split::kTrain, "d", "t", {}, unknown); })->kind(),
            ErrorKind::kInvalidInput);
  EXPECT_EQ(error_of([&] { corpus.add_label("", "A", "a"); })->kind(), ErrorKind::kInvalidInput);
  EXPECT_EQ(error_of([&] { corpus.add_label(std::string(5000, 'x'), "A", "a"); })->kind(),
            ErrorKind::kInvalidInput);
  corpus.add_example(Split::kTrain, "d", "t", {}, {});  // the refused ones left no trace
  EXPECT_EQ(corpus.commit({}).train_documents, 1u);
}

TEST(CorpusWriter, LeavesTheStoreAsItWasWithoutCommit) {
  const TempDir folder;
  Catalog catalog = Catalog::open(folder / "s", OpenMode::kCreate);
  const CorpusInfo info = import_tiny_corpus(catalog);
  {
    CorpusWriter corpus(catalog);
    for (int i = 0; i < 1000; ++i) {
      corpus.add_label(numbered("other", i), "Other", "other");
      corpus.add_example(Split::kTrain, numbered("x", i), std::string(9000, 'x'), {}, {});
    }
  }
  EXPECT_EQ(catalog.manifest().corpus, info);
  EXPECT_EQ(examples_of(catalog, Split::kTrain), tiny::train());
  EXPECT_EQ(catalog.find_label("other1"), std::nullopt);
  EXPECT_EQ(catalog.label_count(), 12u);
}

TEST(CorpusWriter, ReplacesTheCorpusAndAllThatWasMadeOfIt) {
  const TempDir folder;
  Catalog catalog = Catalog::open(folder / "s", OpenMode::kCreate);
  import_tiny_corpus(catalog);
  commit_generation(catalog, 1);
  catalog.put_note("history", "[1]");
  catalog.put_labels(std::vector<Label>{{LabelId{}, "new", "New", "new"}}, tiny_vectors(1));
  write_file(catalog.path(), "train/state.ckpt", "checkpoint", "state");
  {
    CorpusWriter corpus(catalog);
    corpus.add_label("only", "Only", "only");
    EXPECT_EQ(corpus.commit({}, {{"first", "[]"}}).number, 2u);
  }
  EXPECT_EQ(catalog.manifest().trained, std::nullopt);
  EXPECT_EQ(catalog.manifest().generation, std::nullopt);
  EXPECT_EQ(catalog.manifest().next_label, 1u);
  EXPECT_EQ(catalog.note("history"), std::nullopt);
  EXPECT_EQ(catalog.note("first"), "[]");
  EXPECT_THAT(catalog.label_changes(), IsEmpty());
  EXPECT_THAT(examples_of(catalog, Split::kTrain), IsEmpty());
  EXPECT_EQ(catalog.find_label("animals"), std::nullopt);
  EXPECT_THAT(labels_of(catalog), ElementsAre(Label{LabelId{0}, "only", "Only", "only"}));
  EXPECT_THAT(catalog.label_frequencies(), ElementsAre(0));
  catalog.scan_vectors(Space::kLabels, 10, [](auto, auto) { FAIL() << "vectors remain"; });
  EXPECT_THAT(names_in(folder / "s/encoders"), IsEmpty());
  EXPECT_THAT(names_in(folder / "s/index"), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(folder / "s/train/state.ckpt"));
}

TEST(Catalog, KeepsOnlyTheFilesOfTheNewestGeneration) {
  const TempDir folder;
  Catalog catalog = Catalog::open(folder / "s", OpenMode::kCreate);
  import_tiny_corpus(catalog);
  commit_generation(catalog, 1);
  commit_generation(catalog, 2);
  EXPECT_THAT(names_in(folder / "s/encoders"), ElementsAre("2.enc"));
  EXPECT_THAT(names_in(folder / "s/index"), ElementsAre("2.idx"));
  EXPECT_EQ(catalog.manifest().generation->number, 2u);
}

TEST(Catalog, RemovesWhatAKilledWriterLeftWhenTheNextOneOpens) {
  const TempDir folder;
  {
    Catalog catalog = Catalog::open(folder / "s", OpenMode::kCreate);
    import_tiny_corpus(catalog);
    commit_generation(catalog, 1);
  }
  write_bytes(folder / "s/index/2.idx.tmp", "half");
  write_bytes(folder / "s/index/2.idx", "not named");
  std::filesystem::create_directories(folder / "s/train");
  write_bytes(folder / "s/train/a.ckpt.tmp", "half");
  write_bytes(folder / "s/train/a.ckpt", "kept");
  Catalog::open(folder / "s", OpenMode::kWrite);
  EXPECT_THAT(names_in(folder / "s/index"), ElementsAre("1.idx"));
  EXPECT_THAT(names_in(folder / "s/encoders"), ElementsAre("1.enc"));
  EXPECT_THAT(names_in(folder / "s/train"), ElementsAre("a.ckpt"));
}

TEST(Catalog, ShowsVectorsOnceAGenerationIsCommitted) {
  const TempDir folder;
  Catalog catalog = Catalog::open(folder / "s", OpenMode::kCreate);
  import_tiny_corpus(catalog);
  const auto rows_of = [&](std::size_t rows_per_chunk) {
    std::map<std::int64_t, float> rows;
    catalog.scan_vectors(Space::kLabels, rows_per_chunk,
                         [&](std::span<const std::int64_t> ids, EmbeddingView vectors) {
                           EXPECT_EQ(ids.size(), vectors.rows());
                           EXPECT_LE(ids.size(), rows_per_chunk);
                           for (std::size_t i = 0; i < ids.size(); ++i) {
                             EXPECT_EQ(vectors.row(i)[2], -vectors.row(i)[0]);
                             rows[ids[i]] = vectors.row(i)[0];
                           }
                         });
    return rows;
  };
  const std::vector<std::int64_t> ids = {5, 6, 7};
  catalog.put_vectors(Space::kLabels, ids, tiny_vectors(3), true);
  EXPECT_THAT(rows_of(10), IsEmpty());
  commit_generation(catalog, 1);
  EXPECT_EQ(rows_of(5).size(), 12u);
  EXPECT_EQ(rows_of(5), rows_of(100));
  EXPECT_EQ(rows_of(1)[11], 11.0f);
  catalog.put_vectors(Space::kLabels, ids, tiny_vectors(3), true);  // not committed
  EXPECT_EQ(rows_of(5).size(), 12u);
}

TEST(Catalog, HoldsMoreVectorsThanOneChunk) {
  const TempDir folder;
  Catalog catalog = Catalog::open(folder / "s", OpenMode::kCreate);
  import_tiny_corpus(catalog);
  std::vector<std::int64_t> ids(2500);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int64_t>(3 * i);
  const EmbeddingMatrix vectors = tiny_vectors(2500);
  catalog.put_vectors(Space::kDocuments, std::span(ids).first(1500), vectors.view().rows(0, 1500),
                      true);
  catalog.put_vectors(Space::kDocuments, std::span(ids).subspan(1500),
                      vectors.view().rows(1500, 1000), false);
  commit_generation(catalog, 1);
  std::size_t next = 0;
  catalog.scan_vectors(Space::kDocuments, 999,
                       [&](std::span<const std::int64_t> found, EmbeddingView rows) {
                         for (std::size_t i = 0; i < found.size(); ++i, ++next) {
                           EXPECT_EQ(found[i], ids[next]);
                           EXPECT_EQ(rows.row(i)[0], static_cast<float>(next));
                         }
                       });
  EXPECT_EQ(next, 2500u);
}

TEST(Catalog, AddsReplacesAndRemovesLabels) {
  const TempDir folder;
  Catalog catalog = Catalog::open(folder / "s", OpenMode::kCreate);
  import_tiny_corpus(catalog);
  commit_generation(catalog, 1);
  const std::vector<Label> labels = {{LabelId{}, "chess", "Chess", "chess and its openings"},
                                     {LabelId{}, "music", "Music!", "all music"}};
  EXPECT_THAT(catalog.put_labels(labels, tiny_vectors(2)), ElementsAre(LabelId{12}, LabelId{3}));
  EXPECT_EQ(catalog.label_count(), 13u);
  EXPECT_EQ(catalog.manifest().next_label, 13u);
  EXPECT_EQ(catalog.find_label("music")->name, "Music!");
  EXPECT_TRUE(catalog.remove_label("chess"));
  EXPECT_FALSE(catalog.remove_label("chess"));
  EXPECT_TRUE(catalog.remove_label("weather"));
  EXPECT_EQ(catalog.label_count(), 11u);
  EXPECT_EQ(catalog.find_label(LabelId{12}), std::nullopt);
  const auto changes = catalog.label_changes();
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_EQ(changes[0].id, LabelId{3});
  EXPECT_THAT(changes[0].vector, ElementsAre(1.0f, 0.5f, -1.0f));
  EXPECT_EQ(changes[1].id, LabelId{4});
  EXPECT_TRUE(changes[1].removed);
  EXPECT_TRUE(changes[2].removed);
  EXPECT_THAT(changes[2].vector, IsEmpty());
  // A removed label's id is not given again.
  const std::vector<Label> again = {{LabelId{}, "chess", "Chess", "chess"}};
  EXPECT_THAT(catalog.put_labels(again, tiny_vectors(1)), ElementsAre(LabelId{13}));
  commit_generation(catalog, 2);
  EXPECT_THAT(catalog.label_changes(), IsEmpty());
  EXPECT_EQ(labels_of(catalog).size(), 12u);
  EXPECT_EQ(catalog.label_frequencies().size(), 12u);  // imported labels, as before
}

TEST(Catalog, RefusesLabelsWithoutFittingVectorsAsAWhole) {
  const TempDir folder;
  Catalog catalog = Catalog::open(folder / "s", OpenMode::kCreate);
  import_tiny_corpus(catalog);
  const std::vector<Label> two = {{LabelId{}, "x", "X", "x"}, {LabelId{}, "y", "Y", "y"}};
  EXPECT_EQ(error_of([&] { catalog.put_labels(two, tiny_vectors(2)); })->kind(),
            ErrorKind::kInvalidInput);  // no generation could have made them
  commit_generation(catalog, 1);
  EXPECT_EQ(error_of([&] { catalog.put_labels(two, {}); })->kind(), ErrorKind::kInvalidInput);
  EXPECT_EQ(error_of([&] { catalog.put_labels(two, EmbeddingMatrix(2, 4)); })->kind(),
            ErrorKind::kIncompatible);
  const std::vector<Label> twice = {{LabelId{}, "x", "X", "x"}, {LabelId{}, "x", "Y", "y"}};
  EXPECT_EQ(error_of([&] { catalog.put_labels(twice, tiny_vectors(2)); })->kind(),
            ErrorKind::kInvalidInput);
  EXPECT_EQ(catalog.label_count(), 12u);
  EXPECT_THAT(catalog.label_changes(), IsEmpty());
}

TEST(Catalog, TakesLabelsBeforeThereIsACorpusOrGeneration) {
  const TempDir folder;
  {
    Catalog catalog = Catalog::open(folder / "s", OpenMode::kCreate);
    const std::vector<Label> one = {{LabelId{}, "x", "X", "x"}};
    EXPECT_THAT(catalog.put_labels(one, {}), ElementsAre(LabelId{0}));
  }
  const Catalog catalog = Catalog::open(folder / "s", OpenMode::kRead);
  EXPECT_EQ(catalog.find_label("x")->id, LabelId{0});
  EXPECT_EQ(catalog.label_changes().size(), 1u);
}

TEST(Catalog, KeepsNotes) {
  const TempDir folder;
  {
    Catalog catalog = Catalog::open(folder / "s", OpenMode::kCreate);
    EXPECT_EQ(catalog.note("history"), std::nullopt);
    catalog.put_note("history", "[1]");
    catalog.put_note("history", "[1,2]");
    catalog.put_note("evaluation", "{}");
  }
  const Catalog catalog = Catalog::open(folder / "s", OpenMode::kRead);
  EXPECT_EQ(catalog.note("history"), "[1,2]");
  EXPECT_EQ(catalog.note("evaluation"), "{}");
}

TEST(Catalog, LetsOneWriteAndSaysSoToTheSecond) {
  const TempDir folder;
  const Catalog first = Catalog::open(folder / "s", OpenMode::kCreate);
  const auto error = error_of([&] { Catalog::open(folder / "s", OpenMode::kWrite); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::kUnavailable);
  EXPECT_THAT(error->what(), HasSubstr("another process"));
}

TEST(Catalog, DoesNotWriteWhereItWasOpenedForReading) {
  const TempDir folder;
  Catalog::open(folder / "s", OpenMode::kCreate);
  Catalog catalog = Catalog::open(folder / "s", OpenMode::kRead);
  EXPECT_EQ(error_of([&] { catalog.put_note("n", "{}"); })->kind(), ErrorKind::kInvalidInput);
  EXPECT_EQ(error_of([&] { catalog.commit(Manifest{}); })->kind(), ErrorKind::kInvalidInput);
  EXPECT_EQ(error_of([&] { CorpusWriter corpus(catalog); })->kind(), ErrorKind::kInvalidInput);
  EXPECT_EQ(error_of([&] { catalog.remove_label("x"); })->kind(), ErrorKind::kInvalidInput);
}

TEST(Catalog, RefusesAManifestThatDoesNotFollowItsOwn) {
  const TempDir folder;
  Catalog catalog = Catalog::open(folder / "s", OpenMode::kCreate);
  import_tiny_corpus(catalog);
  EXPECT_EQ(error_of([&] { catalog.commit(Manifest{}); })->kind(), ErrorKind::kInternal);
  EXPECT_EQ(catalog.manifest().next_label, 12u);
}

// As a later dexter may leave it: a larger number in the manifest.
void make_newer(const std::filesystem::path& store) {
  std::filesystem::remove(store / "SEAL");
  RecordStore records(store / "catalog", RecordStore::Access::kWrite);
  Manifest manifest;
  manifest.format = kStoreFormat + 1;
  std::string value;
  codec::encode_text(value, codec::kManifestKey, to_json(manifest));
  RecordBatch batch(records);
  batch.put(Family::kMeta, codec::kManifestKey, value);
  records.write(batch);
  ASSERT_TRUE(records.close());
}

TEST(Catalog, RefusesAStoreOfANewerFormatUntouched) {
  const TempDir folder;
  Catalog::open(folder / "s", OpenMode::kCreate);
  make_newer(folder / "s");
  const auto before = names_in(folder / "s/catalog");
  for (const OpenMode mode : {OpenMode::kRead, OpenMode::kWrite, OpenMode::kCreate}) {
    const auto error = error_of([&] { Catalog::open(folder / "s", mode); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->kind(), ErrorKind::kIncompatible);
    EXPECT_THAT(error->what(), HasSubstr("format is 2, this build reads up to 1"));
  }
  EXPECT_EQ(error_of([&] { verify_store(folder / "s"); })->kind(), ErrorKind::kIncompatible);
  EXPECT_EQ(names_in(folder / "s/catalog"), before);
}

TEST(Catalog, LeavesAnEmptyLogAndASealWhenItCloses) {
  const TempDir folder;
  {
    Catalog catalog = Catalog::open(folder / "s", OpenMode::kCreate);
    EXPECT_FALSE(std::filesystem::exists(folder / "s/SEAL"));
    import_tiny_corpus(catalog);
  }
  EXPECT_TRUE(std::filesystem::exists(folder / "s/SEAL"));
  for (const auto& entry : std::filesystem::directory_iterator(folder / "s/catalog")) {
    if (entry.path().extension() == ".log") {
      EXPECT_EQ(entry.file_size(), 0u) << entry.path();
    }
  }
}

}  // namespace
}  // namespace dexter
